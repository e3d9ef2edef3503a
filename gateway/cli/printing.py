"""What commands that print share: tables as wide as the terminal, JSON, ranges of numbers, local times."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any

import typer

from gateway.cli.moments import to_datetime
from gateway.cli.table import Cell, Column, Table, has_colour
from gateway.ops.texts import say
from gateway.wire.times import format_time

MOST_RANGES = 8
MOST_FOR_OPTION = 20
"""Ranges of one cell that are shown; the rest is counted."""


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]]) -> None:
    """Header and rows, aligned; cut to the terminal where there is one."""
    for line in make_table(columns).render(rows):
        typer.echo(line)


def make_table(columns: Sequence[Column]) -> Table:
    """A table for the standard output."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return Table(columns, width=width, colour=has_colour(sys.stdout))


def print_json(value: Any) -> None:
    """One line of ASCII: everything else is escaped, so nothing in it moves a terminal."""
    typer.echo(json.dumps(value, separators=(",", ":")))


def ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """`5, 8-12`, at most 8 of them."""
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_RANGES]]
    if len(ranges) > MOST_RANGES:
        parts.append(say("printing.more", count=len(ranges) - MOST_RANGES))
    return ", ".join(parts)


def numbers_option(ranges: Sequence[tuple[int, int]]) -> str:
    """`5,8-12`, as --numbers takes them; where they are more than 20, the last of them in one."""
    if len(ranges) > MOST_FOR_OPTION:
        ranges = [*ranges[: MOST_FOR_OPTION - 1], (ranges[MOST_FOR_OPTION - 1][0], ranges[-1][1])]
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def count_of(ranges: Iterable[tuple[int, int]]) -> int:
    """How many numbers."""
    return sum(last - first + 1 for first, last in ranges)


def when(at: int | None, where: tzinfo) -> str:
    """An instant for people, by a clock at `where`; "" for None."""
    if at is None:
        return ""
    try:
        return f"{to_datetime(at, where):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return format_time(at)


def clock_name(where: tzinfo) -> str:
    """`+07:00`, to stand beside times."""
    offset = f"{to_datetime(time.time_ns(), where):%z}"
    return f"{offset[:3]}:{offset[3:5]}"


def size_text(size: int) -> str:
    """`512 B`, `3.2 MB`."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
