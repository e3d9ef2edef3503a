"""Times on the wire: RFC 3339, UTC, `Z`, milliseconds. Inside: integer nanoseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MS = 1_000_000
SECOND = 1_000_000_000

_SHAPE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_seconds: dict[str, int] = {}
_hours: dict[str, int] = {}
_SECONDS_BOUND = 4096


def format_time(at: int) -> str:
    """`at` (ns since the epoch) as `2026-03-20T09:46:40.120Z`; what is finer than a millisecond is cut off."""
    second, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest // MS:03d}Z"


def parse_time(text: str) -> int:
    """ns since the epoch of an RFC 3339 time that ends in `Z`. Raises ValueError for anything else.

    Seconds and hours are cached: in a stream most readings share theirs with one before, which is all of the speed.
    """
    # The common shape first, 24 characters with milliseconds: this function was three quarters of a reading's cost.
    if len(text) == 24 and text[19] == "." and text[23] == "Z" and text.isascii():
        ms = text[20:23]
        second = _seconds.get(text[:19])
        if second is None:
            second = _second(text)
        if second is not None and ms.isdigit():
            return second + int(ms) * MS
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time in UTC with Z: {text[:40]!r}")
    head, fraction = match.groups()
    second = int(datetime.fromisoformat(head + "+00:00").timestamp()) * SECOND
    if len(_hours) >= _SECONDS_BOUND:
        _hours.clear()
    _hours[head[:14]] = second - int(head[14:16]) * 60 * SECOND - int(head[17:19]) * SECOND
    return second + int((fraction or "0").ljust(9, "0"))


def _second(text: str) -> int | None:
    """The whole second of a time of the common shape whose hour is known, else None."""
    hour = _hours.get(text[:14])
    digits = text[14:16] + text[17:19]
    if hour is None or text[16] != ":" or not digits.isdigit():
        return None
    minute, second = divmod(int(digits), 100)
    if minute > 59 or second > 59:
        return None
    if len(_seconds) >= _SECONDS_BOUND:
        _seconds.clear()
    at = _seconds[text[:19]] = hour + (minute * 60 + second) * SECOND
    return at
