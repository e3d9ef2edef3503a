"""What the program tells about itself: one plain line an event on the error output, journald's way under systemd.

Loggers are the standard library's, named after modules. A message that repeats is told a few times a minute and then
only counted, so that a broken cable does not wear out a card.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

Level = Literal["debug", "info", "warning", "error"]
OURS = ("gateway", "drivers")

BURST = 5
WINDOW_S = 60.0
MAX_KEYS = 1000
MAX_LINE = 4000

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_SECRET = re.compile(r"(?<=://)[^/@\s]+:[^/@\s]+(?=@)|(?i:(?<=token )|(?<=bearer )|(?<=password=))[^\s,;]+")
_NUMBER = re.compile(r"\d+")


def set_up(
    level: Level = "info",
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> RateLimit:
    """Let all loggers write to `stream` (the error output); those of other packages from "warning" on only.

    May be called again, for another level. Returns the limit, whose counter a health report may show.
    """
    target = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(LineFormatter(for_journal=is_journal(target, environ)))
    limit = RateLimit(clock=clock)
    handler.addFilter(limit)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    weight = getattr(logging, level.upper())
    root.setLevel(max(weight, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(weight)
    logging.raiseExceptions = False  # the error output may be gone; that must not be the end of a node
    return limit


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one that systemd gave to the journal: JOURNAL_STREAM names its device and inode."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


class LineFormatter(logging.Formatter):
    """One line an event: `<priority>logger: message` for the journal, else with time (UTC) and level."""

    def __init__(self, *, for_journal: bool) -> None:
        super().__init__()
        self.for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; a traceback is folded into it."""
        parts = [record.getMessage()]
        if record.exc_info:
            parts += self.formatException(record.exc_info).splitlines()
        if record.stack_info:
            parts += record.stack_info.splitlines()
        text = _one_line(" | ".join(part.strip() for part in parts))
        skipped = getattr(record, "skipped", 0)
        if skipped:
            text += f" (and {skipped} more like this)"
        if self.for_journal:
            return f"<{_PRIORITIES.get(record.levelno, 5)}>{record.name}: {text}"
        at = datetime.fromtimestamp(record.created, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z {record.levelname:<7} {record.name}: {text}"


def _one_line(text: str) -> str:
    """Without secrets, and without what moves a terminal or makes a second line."""
    text = _SECRET.sub("…", text[: 4 * MAX_LINE])
    text = "".join(char if char.isprintable() or "\u0e00" <= char <= "\u0e7f" else " " for char in text)
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + "…"


@dataclass(slots=True)
class _Told:
    since_mono: float
    count: int = 0
    skipped: int = 0


class RateLimit(logging.Filter):
    """Lets through `burst` messages of a kind in `window_s`; the next one after that says how many were left out.

    A kind is logger, level and the message before its values are put in, numbers apart. At most `MAX_KEYS` kinds are
    remembered. `skipped` counts all that were left out. Debug messages are never held back.
    """

    def __init__(
        self, *, burst: int = BURST, window_s: float = WINDOW_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.burst = burst
        self.window_s = window_s
        self.skipped = 0
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, int, str], _Told] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told; sets `record.skipped`."""
        if record.levelno <= logging.DEBUG:
            return True
        now = self._clock()
        kind = (record.name, record.levelno, _NUMBER.sub("#", str(record.msg)[:200]))
        told = self._kinds.get(kind)
        if told is None or now - told.since_mono >= self.window_s:
            record.skipped = told.skipped if told is not None else 0
            told = self._kinds[kind] = _Told(now)
            self._kinds.move_to_end(kind)
            if len(self._kinds) > MAX_KEYS:
                self._kinds.popitem(last=False)
        told.count += 1
        if told.count <= self.burst:
            return True
        told.skipped += 1
        self.skipped += 1
        return False
