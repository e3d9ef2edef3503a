"""What people write, as numbers: "60 s", "250 ms", "365 days", "2 GB", "64 KiB", and the address "a" of a bus."""

from __future__ import annotations

import re

from gateway.config.problems import Unfit, show

DURATIONS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
SIZES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})? ?(ms|s|min|h|days?)$"
SIZE_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})? ?([kMGT]?B|[KMGT]iB)$"
_SHAPE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([A-Za-z]{1,6})", re.ASCII)


def duration_s(text: object) -> float:
    """Seconds of "250 ms", "60 s", "5 min", "2 h", "365 days". Raises Unfit, for a bare number too."""
    number, factor = _split(text, DURATIONS, "config.expect_duration")
    return round(number * factor, 9)


def size_bytes(text: object) -> int:
    """Bytes of "64 KiB", "2 GB". Raises Unfit."""
    number, factor = _split(text, SIZES, "config.expect_size")
    return round(number * factor)


def address_number(value: object) -> object:
    """A bus address: a number stays; of a character, 0 to 9 become themselves, a letter its code. Raises Unfit."""
    if not isinstance(value, str):
        return value
    if len(value) == 1 and value.isascii() and value.isalnum():
        return int(value) if value.isdigit() else ord(value)
    raise Unfit("config.expect_address", found=show(value))


def format_duration(seconds: float) -> str:
    """The shortest writing that `duration_s` reads back."""
    for unit in ("days", "h", "min", "s"):
        if seconds >= 2 * DURATIONS[unit] and seconds % DURATIONS[unit] == 0:
            return f"{seconds / DURATIONS[unit]:.12g} {unit}"
    return f"{seconds:.12g} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.12g} ms"


def format_size(size: int) -> str:
    """The shortest writing that `size_bytes` reads back."""
    for unit in ("TB", "TiB", "GB", "GiB", "MB", "MiB", "kB", "KiB"):
        if size >= SIZES[unit] and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]} {unit}"
    return f"{size} B"


def _split(text: object, units: dict[str, float] | dict[str, int], expected: str) -> tuple[float, float]:
    match = _SHAPE.fullmatch(text.strip()) if isinstance(text, str) else None
    factor = None
    if match is not None:
        factor = {unit.lower(): value for unit, value in units.items()}.get(match[2].lower())
    if match is None or factor is None:
        raise Unfit(expected, found=show(text))
    return float(match[1]), factor
