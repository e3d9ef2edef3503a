"""Captures: what went over a port, as text that a person can read, cut and mend.

    lanna-capture 1 port=/dev/serial0 baud=9600      first line: the word, the version, then free key=value notes
    # comment                                        and empty lines are allowed
    0.000000 > 01 04 00 00 00 22 71 d3               seconds since the start, direction, bytes in hexadecimal
    0.051204 < 01 04 44 43 66 33 34 …                `<` came from the device, `>` was written to it

Seconds never fall. A record holds at least one byte. Spaces between the bytes are allowed.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAGIC = "lanna-capture 1"
MAX_LINE = 16 * 1024
_MAX_S = 1e9
_RECORD = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,9})?)\s+([<>])\s+([0-9A-Fa-f \t]+)", re.ASCII)

Direction = Literal["<", ">"]


class CaptureError(ValueError):
    """A capture that cannot be read: which line, and what is wrong with it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes that went one way, `t_s` seconds after the capture began."""

    t_s: float
    direction: Direction
    data: bytes


def format_header(**notes: object) -> str:
    """The first line; notes are single words."""
    return " ".join((MAGIC, *(f"{key}={value}" for key, value in notes.items())))


def format_record(record: Record) -> str:
    """One line, without its end."""
    return f"{record.t_s:.6f} {record.direction} {record.data.hex(' ')}"


def read_lines(lines: Iterable[str]) -> Iterator[Record]:
    """The records of a capture's lines, one by one. Raises CaptureError; holds one line at a time."""
    last_s = 0.0
    number = 0
    for number, raw in enumerate(lines, 1):
        if len(raw) > MAX_LINE:
            raise CaptureError(number, f"longer than {MAX_LINE} characters")
        text = raw.removeprefix("\ufeff").strip() if number == 1 else raw.strip()
        if number == 1:
            if text != MAGIC and not text.startswith(MAGIC + " "):
                raise CaptureError(1, f"the first line of a capture begins with `{MAGIC}`")
            continue
        if not text or text.startswith("#"):
            continue
        record = _read_record(number, text)
        if record.t_s < last_s:
            raise CaptureError(number, f"{record.t_s:g} s comes after {last_s:g} s")
        last_s = record.t_s
        yield record
    if number == 0:
        raise CaptureError(1, f"empty; the first line of a capture begins with `{MAGIC}`")


def read_file(path: Path) -> Iterator[Record]:
    """The records of a file. Raises CaptureError, and OSError for a file that cannot be read."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise CaptureError(1, "not a regular file")
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        # One more than is allowed: a longer line is refused without being read whole.
        yield from read_lines(iter(lambda: file.readline(MAX_LINE + 1), ""))


def _read_record(number: int, text: str) -> Record:
    match = _RECORD.fullmatch(text)
    if match is None:
        raise CaptureError(number, f"expected `<seconds> < <hex>` or `<seconds> > <hex>`, found {text[:40]!r}")
    seconds, direction, digits = match.groups()
    t_s = float(seconds)
    if not math.isfinite(t_s) or t_s > _MAX_S:
        raise CaptureError(number, f"seconds up to {_MAX_S:g}")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise CaptureError(number, "two hexadecimal digits for each byte") from None
    if not data:
        raise CaptureError(number, "a record without bytes")
    return Record(t_s, "<" if direction == "<" else ">", data)
