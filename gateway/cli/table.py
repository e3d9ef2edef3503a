"""Tables for a terminal: columns aligned by display width (many Thai letters take none), foreign text made safe.

Pure: cells in, lines of text out. A table may be printed row by row as rows come, or redrawn as a whole.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from wcwidth import wcwidth

Style = Literal["", "good", "suspect", "fail", "dim", "bold"]
_CODES: dict[Style, str] = {"good": "32", "suspect": "33", "fail": "31", "dim": "2", "bold": "1"}
GAP = "  "
MAX_CELL = 300
"""Characters of one cell that are looked at; the rest is not shown."""
_MAX_MARKS = 4
"""Marks stacked on one letter; Thai needs two."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a style that colours it where there is colour."""

    text: str
    style: Style = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column is at least `least` cells wide, grows with its content up to `most`, and is cut beyond."""

    title: str
    least: int = 0
    most: int = 40
    align: Literal["left", "right"] = "left"


class Table:
    """Lines of equal columns. `width` is the terminal's (None: as wide as it gets); `colour` allows escape codes."""

    def __init__(self, columns: Sequence[Column], *, width: int | None = None, colour: bool = False) -> None:
        self.columns = tuple(columns)
        self.width = width
        self.colour = colour
        self._widths = [max(column.least, min(width_of(column.title), column.most)) for column in columns]

    def header(self) -> str:
        """The line of titles."""
        return self._line([Cell(column.title, "bold") for column in self.columns])

    def row(self, cells: Sequence[Cell | str]) -> str:
        """One line; a column that its cell outgrows stays wider from now on."""
        return self._line(self._take(cells))

    def render(self, rows: Iterable[Sequence[Cell | str]]) -> list[str]:
        """Header and all rows, the columns as wide as the widest cell."""
        taken = [self._take(cells) for cells in rows]
        return [self.header(), *(self._line(cells) for cells in taken)]

    def _take(self, cells: Sequence[Cell | str]) -> list[Cell]:
        made = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
        made = [Cell(clean(cell.text), cell.style) for cell in made]
        for number, (cell, column) in enumerate(zip(made, self.columns, strict=True)):
            self._widths[number] = max(self._widths[number], min(width_of(cell.text), column.most))
        return made

    def _line(self, cells: Sequence[Cell]) -> str:
        parts = []
        for cell, column, width in zip(cells, self.columns, self._fitted(), strict=True):
            text = fit(cell.text, width, column.align)
            code = _CODES.get(cell.style, "") if self.colour else ""
            parts.append(f"\x1b[{code}m{text}\x1b[0m" if code and text.strip() else text)
        return GAP.join(parts).rstrip()

    def _fitted(self) -> list[int]:
        """The widths, the widest columns made narrower until the line fits the terminal."""
        widths = list(self._widths)
        if self.width is not None:
            room = max(self.width - len(GAP) * (len(widths) - 1), len(widths))
            while sum(widths) > room:
                widths[widths.index(max(widths))] -= 1
        return widths


def clean(text: str) -> str:
    """Text that cannot move the cursor, colour anything, turn the line round or pile up marks; on one line."""
    safe: list[str] = []
    marks = 0
    for char in text[:MAX_CELL]:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind == "Cf" or marks > _MAX_MARKS:  # invisible: direction marks, joiners, the spaces between Thai words
            continue
        safe.append("\ufffd" if kind[0] == "C" or kind in ("Zl", "Zp") else " " if kind == "Zs" else char)
    return "".join(safe)


def width_of(text: str) -> int:
    """Cells of a terminal that clean text takes."""
    return sum(max(wcwidth(char), 0) for char in text)


def fit(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """Clean text in exactly `width` cells: filled up with spaces, or cut with an ellipsis, never inside a letter."""
    have = width_of(text)
    if have > width:
        text = _cut(text, width - 1) + "…" if width > 0 else ""
        have = width_of(text)
    blank = " " * (width - have)
    return blank + text if align == "right" else text + blank


def _cut(text: str, width: int) -> str:
    end = used = 0
    for end, char in enumerate(text):  # noqa: B007  the place after the last letter that fits, its marks included
        used += max(wcwidth(char), 0)
        if used > width:
            break
    return text[:end]


def has_colour(stream: TextIO) -> bool:
    """Whether escape codes belong on this stream: a terminal that knows them, and no NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
