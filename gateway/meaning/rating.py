"""Rating curves: discharge (m3/s) from stage (m above gauge zero), flagged outside the gauged range.

A curve holds for the channel of its time and without backwater; keep its versions in a `History`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, log, pow
from typing import NamedTuple

from gateway.meaning.flags import GOOD, MISSING, SUSPECT
from gateway.meaning.state import usable


class Discharge(NamedTuple):
    """1 inside the gauged range, 3 outside it, and no number (9) where the curve says nothing."""

    value: float | None
    flag: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Q = factor * (h - cease_m) ** exponent for stages up to `upto_m`, 0 at and below `cease_m` (no flow)."""

    factor: float
    cease_m: float
    exponent: float
    upto_m: float = inf


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """One or more segments, their upper ends rising; each stage is computed by the first segment that reaches it."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if not self.segments or any(later.upto_m <= earlier.upto_m for earlier, later in pairwise(self.segments)):
            raise ValueError("a power law needs segments whose upper ends rise")
        for segment in self.segments:
            if not (0 < segment.factor < inf and isfinite(segment.cease_m) and 0 < segment.exponent <= 10):
                raise ValueError(f"{segment}: expected a factor over 0 and an exponent over 0, at most 10")

    def __call__(self, stage_m: float) -> float | None:
        for segment in self.segments:
            if stage_m <= segment.upto_m:
                head = stage_m - segment.cease_m
                return segment.factor * pow(head, segment.exponent) if head > 0 else 0.0
        return None


@dataclass(frozen=True, slots=True)
class LogTable:
    """Points (stage, discharge), both rising; between them Q is a power of (h - offset_m), a straight line in log-log.

    Where a logarithm does not exist (no discharge at the lower point, a stage at the offset) the line is straight in
    plain numbers. No number outside the table.
    """

    points: tuple[tuple[float, float], ...]
    offset_m: float = 0.0

    def __post_init__(self) -> None:
        if len(self.points) < 2 or not all(isfinite(number) for point in self.points for number in point):
            raise ValueError("a rating table needs at least two points of finite numbers")
        if any(b[0] <= a[0] or b[1] < a[1] for a, b in pairwise(self.points)) or self.points[0][1] < 0:
            raise ValueError("a rating table needs rising stages, and discharges from 0 that do not fall")
        if not self.points[0][0] - 1000 <= self.offset_m <= self.points[0][0]:
            raise ValueError(f"the offset of a rating table ({self.offset_m} m) lies at or below its first stage")

    def __call__(self, stage_m: float) -> float | None:
        points = self.points
        if not points[0][0] <= stage_m <= points[-1][0]:
            return None
        place = bisect_right(points, stage_m, 1, len(points) - 1, key=lambda point: point[0])
        (h0, q0), (h1, q1) = points[place - 1 : place + 1]
        if q0 == 0 or h0 == self.offset_m:
            return q0 + (q1 - q0) * ((stage_m - h0) / (h1 - h0))
        return q0 * pow(q1 / q0, _share(stage_m - self.offset_m, h0 - self.offset_m, h1 - self.offset_m))


def _share(head: float, low: float, high: float) -> float:
    """Where a head lies between two others on a logarithmic scale, 0..1."""
    return log(head / low) / log(high / low)


@dataclass(frozen=True, slots=True)
class Rating:
    """A curve and the lowest and highest gauged stage."""

    curve: Callable[[float], float | None]
    valid_m: tuple[float, float]

    def __post_init__(self) -> None:
        if not self.valid_m[0] < self.valid_m[1]:
            raise ValueError(f"the gauged range {self.valid_m} must rise")

    def discharge(self, stage_m: float | None) -> Discharge:
        """Discharge at a stage (None: missing)."""
        stage_m = usable(stage_m)
        value = None if stage_m is None else usable(self.curve(stage_m))
        if stage_m is None or value is None:
            return Discharge(None, MISSING)
        return Discharge(value, GOOD if self.valid_m[0] <= stage_m <= self.valid_m[1] else SUSPECT)
