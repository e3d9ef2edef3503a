"""QARTOD tests that look back over a window, with the results of ioos_qc: flat line and attenuated signal."""

from __future__ import annotations

from array import array
from collections import deque
from itertools import pairwise
from math import dist, fsum, sqrt
from typing import Literal

from gateway.meaning.flags import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, Result
from gateway.meaning.state import LATEST, State, StateError, integer, items, number, opened, usable
from gateway.meaning.window import Points

_EXTREMES = 128


class FlatLine:
    """Stuck instrument: 3 (4) where the range of the readings of the last `suspect_s` (`fail_s`) is below `tolerance`.

    As in ioos_qc the window is counted in readings of `period_s`, gaps pass over, and the first readings are 1. Memory
    does not depend on the window: only the newest run of readings inside the tolerance is followed, by its successive
    extremes, at most 128 each way. (A creep over more, ever higher or ever lower, counts from a later start.)
    """

    id = "flat-line"

    def __init__(self, suspect_s: float, fail_s: float, tolerance: float, period_s: float) -> None:
        if not period_s > 0 or not period_s <= suspect_s <= fail_s or not tolerance > 0:
            raise ValueError(
                f"flat line: expected period ({period_s} s) <= suspect ({suspect_s} s) <= fail ({fail_s} s), "
                f"tolerance ({tolerance}) > 0"
            )
        self._suspect, self._fail = int(int(suspect_s) / period_s), int(int(fail_s) / period_s)
        if self._suspect < 1:
            raise ValueError(f"flat line: {suspect_s} s hold no reading of every {period_s} s")
        self._tolerance = tolerance
        self._count = 0
        self._start = 0
        # (index, value), indices rising; values falling in _highs, rising in _lows: the fronts are the run's extremes.
        self._highs: deque[tuple[int, float]] = deque()
        self._lows: deque[tuple[int, float]] = deque()

    def add(self, at: int, value: float | None) -> Result:
        value = usable(value)
        index, self._count = self._count, self._count + 1
        if value is None:
            return Result(MISSING)
        highs, lows = self._highs, self._lows
        while highs and highs[-1][1] <= value:
            highs.pop()
        highs.append((index, value))
        while lows and lows[-1][1] >= value:
            lows.pop()
        lows.append((index, value))
        while highs[0][1] - lows[0][1] >= self._tolerance or max(len(highs), len(lows)) > _EXTREMES:
            self._start = min(highs[0][0], lows[0][0]) + 1
            for extremes in (highs, lows):
                if extremes[0][0] < self._start:
                    extremes.popleft()
        run = index - self._start
        return Result(FAIL if run >= self._fail else SUSPECT if run >= self._suspect else GOOD)

    def state(self) -> State:
        return {
            "kind": "flat-line/1",
            "count": self._count,
            "start": self._start,
            "highs": [list(point) for point in self._highs],
            "lows": [list(point) for point in self._lows],
        }

    def restore(self, state: object) -> None:
        saved = opened(state, "flat-line/1", "count", "start", "highs", "lows")
        count = integer(saved["count"], "count", 0, LATEST)
        start = integer(saved["start"], "start", 0, count)
        highs = _extremes(saved["highs"], "highs", start, count)
        lows = _extremes(saved["lows"], "lows", start, count)
        if any(later[1] >= earlier[1] for earlier, later in pairwise(highs)) or any(
            later[1] <= earlier[1] for earlier, later in pairwise(lows)
        ):
            raise StateError("highs and lows: expected values that fall and rise")
        # Both end with the newest reading, or there is none.
        if highs[-1:] != lows[-1:]:
            raise StateError("highs and lows: expected the same newest reading")
        self._count, self._start, self._highs, self._lows = count, start, deque(highs), deque(lows)


def _extremes(value: object, what: str, start: int, count: int) -> list[tuple[int, float]]:
    points: list[tuple[int, float]] = []
    for point in items(value, what, _EXTREMES):
        index, reading = items(point, what, 2, 2)
        low = points[-1][0] + 1 if points else start
        points.append((integer(index, what, low, max(low, count - 1)), number(reading, what)))
    return points


def _deviation(values: array[float], count: int) -> float:
    # The distance from the mean vector is the root of the sum of squares: in C, and without cancellation.
    return dist(values, [fsum(values) / count] * count) / sqrt(count)


class AttenuatedSignal:
    """Signal too small: 3 (4) where deviation or range over the last `window_s` is below `suspect` (`fail`).

    2 while fewer than `least` values are in the window and, for `range` (as in ioos_qc), while a missing one is in it.
    `std` is the deviation of the population. At most `most` points are kept; denser readings are thinned in time, so
    that only up to (most − 2) readings a window equal ioos_qc.
    """

    id = "attenuated-signal"

    def __init__(
        self,
        suspect: float,
        fail: float,
        window_s: float,
        *,
        method: Literal["std", "range"] = "std",
        least: int = 1,
        most: int = 96,
    ) -> None:
        if not 0 <= fail <= suspect or not 1 <= least <= most:
            raise ValueError(
                f"attenuated signal: expected 0 <= fail ({fail}) <= suspect ({suspect}), 1 <= least <= most"
            )
        self._suspect, self._fail, self._least, self._is_std = suspect, fail, least, method == "std"
        self._points = Points(window_s, most)
        self._gap_at: int | None = None

    def add(self, at: int, value: float | None) -> Result:
        value = usable(value)
        if value is None:
            self._points.move(at)
            self._gap_at = at
            return Result(MISSING)
        self._points.add(at, value)
        if self._gap_at is not None and not at - self._points.window_ns < self._gap_at < at:
            self._gap_at = None
        values = self._points.values
        count = len(values)
        if count < self._least or (self._gap_at is not None and not self._is_std):
            return Result(NOT_EVALUATED)
        size = _deviation(values, count) if self._is_std else max(values) - min(values)
        return Result(FAIL if size < self._fail else SUSPECT if size < self._suspect else GOOD)

    def state(self) -> State:
        return {"kind": "attenuated-signal/1", "points": self._points.state(), "gap_at": self._gap_at}

    def restore(self, state: object) -> None:
        saved = opened(state, "attenuated-signal/1", "points", "gap_at")
        gap_at = None if saved["gap_at"] is None else integer(saved["gap_at"], "gap_at")
        self._points.restore(saved["points"])
        self._gap_at = gap_at
