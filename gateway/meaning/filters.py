"""Filters against false echoes: median, and the Hampel test by the median absolute deviation (MAD)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gateway.meaning.state import SECOND, State, StateError, integer, items, number, opened, usable

NORMAL = 1.4826
"""MAD times this is the standard deviation of normal noise."""


def median_and_mad(values: Sequence[float]) -> tuple[float, float]:
    """Median and median absolute deviation of at least one value."""
    middle = _median(sorted(values))
    return middle, _median(sorted([abs(value - middle) for value in values]))


def _median(values: list[float]) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


class Filtered(NamedTuple):
    """`value` after the filter (None: nothing to give), the `spread` (MAD) of its window, and whether this value was
    set aside as an outlier or as outside the instrument's span."""

    value: float | None
    spread: float | None
    is_set_aside: bool


class EchoFilter:
    """The newest `size` values no older than `age_s`, an odd number from 3 to 31.

    `median` gives the window's median; `hampel` gives the value itself unless it lies more than `limit` normal
    deviations (and more than `floor`) from the median, and then the median. A value outside `span` (blind zone, reach)
    never enters. An outlier stays in the window, so a true step is followed after half a window.
    """

    def __init__(
        self,
        size: int = 7,
        *,
        method: Literal["median", "hampel"] = "hampel",
        limit: float = 3.5,
        floor: float = 0.0,
        span: tuple[float, float] = (float("-inf"), float("inf")),
        age_s: float = 3600.0,
    ) -> None:
        if size not in range(3, 32, 2) or not limit > 0 or not floor >= 0 or not span[0] < span[1] or not age_s > 0:
            raise ValueError(
                f"echo filter: expected an odd size from 3 to 31 (not {size}), a limit over 0 and a span that rises"
            )
        self._is_median, self._limit, self._floor, self._span = method == "median", limit * NORMAL, floor, span
        self._age_ns = round(age_s * SECOND)
        self._window: deque[tuple[int, float]] = deque(maxlen=size)

    def add(self, at: int, value: float | None) -> Filtered:
        """Filter the next value (None: missing)."""
        window = self._window
        while window and window[0][0] <= at - self._age_ns:
            window.popleft()
        while window and window[-1][0] > at:
            window.pop()
        value = usable(value)
        if value is None or not self._span[0] <= value <= self._span[1]:
            return Filtered(None, None, value is not None)
        window.append((at, value))
        if len(window) < 3:
            return Filtered(value, None, False)
        middle, spread = median_and_mad([reading for _, reading in window])
        is_outlier = abs(value - middle) > max(self._limit * spread, self._floor)
        return Filtered(middle if is_outlier or self._is_median else value, spread, is_outlier)

    def _kind(self) -> str:
        return f"echo-filter/1 {self._window.maxlen}"

    def state(self) -> State:
        return {"kind": self._kind(), "window": [list(point) for point in self._window]}

    def restore(self, state: object) -> None:
        window: deque[tuple[int, float]] = deque(maxlen=self._window.maxlen)
        for point in items(opened(state, self._kind(), "window")["window"], "window", self._window.maxlen or 0):
            at, value = items(point, "window", 2, 2)
            if window and integer(at, "window") < window[-1][0]:
                raise StateError("window: expected times that rise")
            window.append((integer(at, "window"), number(value, "window")))
        self._window = window
