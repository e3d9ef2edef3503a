"""Calibrations: an instrument's number to the true one, by line, polynomial or table, each from its own time on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan
from typing import NamedTuple, Protocol

from gateway.meaning.flags import GOOD, NOT_EVALUATED, SUSPECT
from gateway.meaning.history import Entry, History

Span = tuple[float, float]
EVERYWHERE: Span = (float("-inf"), float("inf"))


class Curve(Protocol):
    """A calibration function and the span of the instrument's values that it was made for."""

    @property
    def valid(self) -> Span: ...

    def __call__(self, x: float) -> float: ...


def _check(numbers: Sequence[float], valid: Span) -> None:
    if not numbers or not all(map(isfinite, numbers)) or not valid[0] < valid[1]:
        raise ValueError(f"a calibration needs finite numbers and a span that rises, not {list(numbers)} over {valid}")


@dataclass(frozen=True, slots=True)
class Linear:
    """gain * x + offset."""

    gain: float = 1.0
    offset: float = 0.0
    valid: Span = EVERYWHERE

    def __post_init__(self) -> None:
        _check((self.gain, self.offset), self.valid)

    def __call__(self, x: float) -> float:
        return self.gain * x + self.offset


@dataclass(frozen=True, slots=True)
class Polynomial:
    """c0 + c1 x + c2 x^2 …; `coefficients` lowest power first, at most 10."""

    coefficients: tuple[float, ...]
    valid: Span = EVERYWHERE

    def __post_init__(self) -> None:
        _check(self.coefficients, self.valid)
        if len(self.coefficients) > 10:
            raise ValueError("a calibration polynomial has at most 10 coefficients")

    def __call__(self, x: float) -> float:
        y = 0.0
        for coefficient in reversed(self.coefficients):
            y = y * x + coefficient
        return y


@dataclass(frozen=True, slots=True)
class Table:
    """Straight lines between at least two points (x, y), x rising; valid between the first and the last."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        _check([number for point in self.points for number in point], EVERYWHERE)
        if len(self.points) < 2 or any(later[0] <= earlier[0] for earlier, later in pairwise(self.points)):
            raise ValueError("a calibration table needs at least two points with rising x")

    @property
    def valid(self) -> Span:
        return self.points[0][0], self.points[-1][0]

    def __call__(self, x: float) -> float:
        place = bisect_right(self.points, x, 1, len(self.points) - 1, key=lambda point: point[0])
        (x0, y0), (x1, y1) = self.points[place - 1 : place + 1]
        return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))


class Calibrated(NamedTuple):
    """The calibrated value, its flag, and the entry that made it (None: none holds, the value is the instrument's)."""

    value: float
    flag: int
    entry: Entry[Curve] | None


def calibrate(history: History[Curve], at: int, x: float) -> Calibrated:
    """The value by the calibration that holds at `at`.

    1 inside its span, 3 outside (its curve goes on, a table's by its end lines) or where it gives no finite number
    (then the value is the instrument's), 2 where no calibration holds.
    """
    entry = history.at(at)
    if entry is None:
        return Calibrated(x, NOT_EVALUATED, None)
    low, high = entry.value.valid
    try:
        y = entry.value(x)
    except OverflowError:
        y = nan
    if not isfinite(y):
        return Calibrated(x, SUSPECT, entry)
    return Calibrated(y, GOOD if low <= x <= high else SUSPECT, entry)
