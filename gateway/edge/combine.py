"""Many frames of a period become one reading.

A gauge is combined as the device's method says. A counter or total is always the last one, a contact the highest (a
short alarm must not vanish), an increment the sum, and a direction is never averaged as a number but as a vector.
The quality is the worst of the values that took part: of all of them, or with `last` of the one that was taken. A value
that is missing (9) takes no part; where it was missing all the time, it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import atan2, cos, degrees, radians, sin
from statistics import median
from typing import Literal

from drivers.core.contract import Decoded
from drivers.core.quantities import UnknownQuantity, quantity

Method = Literal["last", "mean", "median", "max"]
_Rule = Literal["last", "mean", "median", "max", "sum", "direction"]

MEDIAN_BOUND = 4096
"""Values kept of one quantity for its median; beyond it every second one is kept, then every fourth, and so on."""
_DECIMALS = 6
_MISSING = 9
_SEVERITY = {1: 0, 2: 1, 3: 2, 4: 3}
_FULL_CIRCLE = (0.0, 360.0)


def default_method(device_class: str) -> Method:
    """What a device's class asks for where the configuration does not say."""
    return "mean" if device_class == "air" else "last"


@dataclass(frozen=True, slots=True)
class Combined:
    """One reading, and when (monotonic and wall ns) the last of its `frames` frames was complete."""

    decoded: Decoded
    mono_ns: int
    at_ns: int
    frames: int


class Combiner:
    """Collects the frames of one device between two `take`s."""

    def __init__(self, method: Method) -> None:
        self._method: Method = method
        self._first: Decoded | None = None
        self._cells: dict[str, _Cell] = {}
        self._info: dict[str, str | int] = {}
        self._mono_ns = self._at_ns = self._frames = 0

    def add(self, decoded: Decoded, mono_ns: int, at_ns: int) -> None:
        """One more frame, complete at this instant."""
        self._mono_ns, self._at_ns = mono_ns, at_ns
        self._frames += 1
        if self._frames == 1 and not decoded.quality:
            self._first = decoded  # where it stays alone, and most do, there is nothing to combine
            return
        if self._first is not None:
            first, self._first = self._first, None
            self._mix(first)
        self._mix(decoded)

    def _mix(self, decoded: Decoded) -> None:
        cells, quality = self._cells, decoded.quality
        for name, value in decoded.values.items():
            flag = quality.get(name, 2)
            if flag == _MISSING:
                continue
            cell = cells.get(name)
            if cell is None or not cell.count:
                cell = cells[name] = _Cell(_rule(self._method, name))
            cell.add(value, flag)
        for name, flag in quality.items():
            if flag == _MISSING and name not in cells:
                cells[name] = _Cell("last")
        self._info |= decoded.info

    def take(self) -> Combined | None:
        """What was collected since the last call, as one reading; None where nothing was."""
        if not self._frames:
            return None
        decoded = self._first or self._mixed()
        combined = Combined(decoded, self._mono_ns, self._at_ns, self._frames)
        self._first, self._cells, self._info, self._frames = None, {}, {}, 0
        return combined

    def _mixed(self) -> Decoded:
        values = {name: cell.value() for name, cell in self._cells.items() if cell.count}
        quality = {name: cell.flag if cell.count else _MISSING for name, cell in self._cells.items()}
        return Decoded(values, {name: flag for name, flag in quality.items() if flag != 2}, self._info)


class _Cell:
    """One quantity within one period."""

    __slots__ = ("_kept", "_number", "_rule", "_stride", "_sum", "_x", "_y", "count", "flag")

    def __init__(self, rule: _Rule) -> None:
        self._rule: _Rule = rule
        self.count = 0
        self.flag = 1
        self._number = 0.0
        self._sum = self._x = self._y = 0.0
        self._kept: list[float] = []
        self._stride = 1

    def add(self, value: float, flag: int) -> None:
        rule = self._rule
        if rule == "last" or not self.count or _SEVERITY.get(flag, 1) > _SEVERITY.get(self.flag, 1):
            self.flag = flag
        self._number = max(value, self._number) if rule == "max" and self.count else value
        if rule in ("mean", "sum"):
            self._sum += value
        elif rule == "median":
            self._keep(value)
        elif rule == "direction":
            self._x += cos(radians(value))
            self._y += sin(radians(value))
        self.count += 1

    def _keep(self, value: float) -> None:
        if self.count % self._stride:
            return
        self._kept.append(value)
        if len(self._kept) >= MEDIAN_BOUND:
            del self._kept[1::2]
            self._stride *= 2

    def value(self) -> float:
        rule = self._rule
        if self.count == 1 or rule in ("last", "max"):
            return self._number
        if rule == "mean":
            return round(self._sum / self.count, _DECIMALS)
        if rule == "sum":
            return round(self._sum, _DECIMALS)
        if rule == "median":
            return round(median(self._kept), _DECIMALS)
        return round(degrees(atan2(self._y, self._x)), _DECIMALS) % 360


@lru_cache(maxsize=1024)
def _rule(method: Method, name: str) -> _Rule:
    try:
        known = quantity(name)
    except UnknownQuantity:
        return method
    if known.kind in ("counter", "total"):
        return "last"
    if known.kind == "contact":
        return "max"
    if known.kind == "increment":
        return "sum"
    if known.unit == "deg" and known.span == _FULL_CIRCLE:
        return "direction" if method in ("mean", "median") else "last"
    return method
