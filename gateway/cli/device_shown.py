"""How a reading is shown: in one line, or as a table."""

from __future__ import annotations

import typer

from drivers.core.contract import Decoded
from drivers.core.quantities import quantity
from gateway.cli.printing import print_table
from gateway.cli.table import Cell, Column, Style
from gateway.ops.texts import say

_SHORT = 4
"""Quantities in the line of a reading that is not the last."""
_STYLES: dict[int, Style] = {2: "dim", 3: "suspect", 4: "fail", 9: "dim"}


def short(t_s: float, decoded: Decoded) -> str:
    """One line: when (seconds), and the first few values."""
    named = [f"{name} {value:.6g} {quantity(name).unit}".rstrip() for name, value in decoded.values.items()]
    more = f"  +{len(named) - _SHORT}" if len(named) > _SHORT else ""
    return f"{t_s:7.2f} s  {'  '.join(named[:_SHORT])}{more}"


def print_reading(decoded: Decoded) -> None:
    """Its values with unit and quality, and what is no quantity."""
    columns = [
        Column(say("tail.quantity")),
        Column(say("tail.value"), align="right"),
        Column(say("tail.unit")),
        Column(say("tail.quality")),
    ]
    names = [*decoded.values, *(name for name in decoded.quality if name not in decoded.values)]
    rows: list[list[Cell | str]] = []
    for name in names:
        flag = decoded.quality.get(name, 1)
        value = f"{decoded.values[name]:.10g}" if name in decoded.values else "-"
        said = "" if flag == 1 else say(f"quality.{flag}")
        rows.append([name, value, quantity(name).unit, Cell(said, _STYLES.get(flag, ""))])
    print_table(columns, rows)
    if decoded.info:
        typer.echo(", ".join(f"{key} {value}" for key, value in decoded.info.items()))
