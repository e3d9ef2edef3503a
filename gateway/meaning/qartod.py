"""QARTOD tests of a stream, one value at a time, with the results of ioos_qc: range, season, spike, rate, neighbour.

Thresholds are compared as ioos_qc does: a span's edges are inside, a limit itself is not yet exceeded. A test gives its
own full result, 4 included; what that means for the value is `flags.verdict`. A missing value is 9 to every test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import isfinite
from typing import Literal

from gateway.meaning.flags import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, Result
from gateway.meaning.state import SECOND, State, integer, items, maybe_number, number, opened, usable

Span = tuple[float, float]


def _check_span(span: Span, what: str) -> None:
    if not span[0] <= span[1]:
        raise ValueError(f"{what} {span}: the lower edge comes first")


class _Stateless:
    """A test without memory still answers `state` and `restore`, so that a device's tests can be treated alike."""

    __slots__ = ()

    def state(self) -> State:
        return {"kind": "none/1"}

    def restore(self, state: object) -> None:
        opened(state, "none/1")


@dataclass(frozen=True, slots=True)
class GrossRange(_Stateless):
    """4 outside `fail` (what the instrument can measure), 3 outside `suspect` (what the site has seen)."""

    fail: Span
    suspect: Span | None = None
    id: str = "gross-range"

    def __post_init__(self) -> None:
        _check_span(self.fail, "fail span")
        if self.suspect is not None:
            _check_span(self.suspect, "suspect span")
            if self.suspect[0] < self.fail[0] or self.suspect[1] > self.fail[1]:
                raise ValueError(f"the suspect span {self.suspect} must lie inside the fail span {self.fail}")

    def add(self, at: int, value: float | None) -> Result:
        if value is None or value != value:
            return Result(MISSING)
        if not self.fail[0] <= value <= self.fail[1]:
            return Result(FAIL)
        if self.suspect is not None and not self.suspect[0] <= value <= self.suspect[1]:
            return Result(SUSPECT)
        return Result(GOOD)


@dataclass(frozen=True, slots=True)
class Season:
    """What is usual (`suspect`: outside it 3) in these local months (1..12) and hours (0..23).

    Both ends belong to a range, and it may pass over the turn of the year or of the day: months (11, 2), hours (22, 5).
    """

    suspect: Span
    months: tuple[int, int] = (1, 12)
    hours: tuple[int, int] = (0, 23)

    def __post_init__(self) -> None:
        _check_span(self.suspect, "season's span")
        if not all(1 <= month <= 12 for month in self.months) or not all(0 <= hour <= 23 for hour in self.hours):
            raise ValueError(f"a season has months 1 to 12 and hours 0 to 23, not {self.months} and {self.hours}")

    def holds(self, month: int, hour: int) -> bool:
        return _within(month, *self.months) and _within(hour, *self.hours)


def _within(number: int, first: int, last: int) -> bool:
    return first <= number <= last if first <= last else number >= first or number <= last


@lru_cache(maxsize=16)
def _month(day: int) -> int:
    """Month of a day since 1970-01-01."""
    return (date(1970, 1, 1) + timedelta(days=day)).month


@dataclass(frozen=True, slots=True)
class Climatology(_Stateless):
    """3 outside the season's span, 2 where no season is configured; of several that hold the last counts.

    `utc_offset_s` makes local months and hours (Bangkok has no summer time).
    """

    seasons: Sequence[Season]
    utc_offset_s: int = 7 * 3600
    id: str = "climatology"

    def add(self, at: int, value: float | None) -> Result:
        if value is None or value != value:
            return Result(MISSING)
        day, second = divmod(at // SECOND + self.utc_offset_s, 86400)
        month, hour = _month(day), second // 3600
        for season in reversed(self.seasons):
            if season.holds(month, hour):
                return Result(GOOD if season.suspect[0] <= value <= season.suspect[1] else SUSPECT)
        return Result(NOT_EVALUATED)


class Spike:
    """Distance of a value from its two neighbours, over `suspect` 3, over `fail` 4; known when the next value is there.

    So the newest value is 2, and its flag follows as `previous` with the next one. `average`: from the mean of the
    neighbours. `differential`: the smaller of the two steps where they have opposite signs. Beside a gap it stays 2.
    """

    id = "spike"

    def __init__(
        self,
        suspect: float | None = None,
        fail: float | None = None,
        method: Literal["average", "differential"] = "average",
    ) -> None:
        if suspect is None and fail is None:
            raise ValueError("a spike test needs a suspect or a fail threshold")
        self._suspect, self._fail, self._is_average = suspect, fail, method == "average"
        self._before: float | None = None
        self._last: float | None = None

    def add(self, at: int, value: float | None) -> Result:
        value = usable(value)
        before, last = self._before, self._last
        self._before, self._last = last, value
        flag = MISSING if value is None else NOT_EVALUATED
        if value is None or last is None or before is None:
            return Result(flag)
        if self._is_average:
            size = abs(last - (before + value) / 2)
        else:
            rise, fall = last - before, value - last
            size = min(abs(rise), abs(fall)) if rise * fall < 0 else 0.0
        if self._fail is not None and size > self._fail:
            return Result(flag, FAIL)
        return Result(flag, SUSPECT if self._suspect is not None and size > self._suspect else GOOD)

    def state(self) -> State:
        return {"kind": "spike/1", "newest": [self._before, self._last]}

    def restore(self, state: object) -> None:
        newest = items(opened(state, "spike/1", "newest")["newest"], "newest", 2, 2)
        self._before, self._last = (maybe_number(value, "newest") for value in newest)


class RateOfChange:
    """Change since the previous value in units per second, over `suspect` 3, over `fail` 4.

    The first value and one after a gap are 1, as in ioos_qc; where time did not rise the test says 2.
    """

    id = "rate-of-change"

    def __init__(self, suspect: float, fail: float | None = None) -> None:
        if not suspect > 0 or not (fail is None or fail >= suspect):
            raise ValueError(f"rate of change: expected 0 < suspect ({suspect}) <= fail ({fail})")
        self._suspect, self._fail = suspect, fail
        self._last: tuple[int, float] | None = None

    def add(self, at: int, value: float | None) -> Result:
        value = usable(value)
        last, self._last = self._last, None if value is None else (at, value)
        if value is None:
            return Result(MISSING)
        if last is None:
            return Result(GOOD)
        if at <= last[0]:
            return Result(NOT_EVALUATED)
        rate = abs((value - last[1]) / ((at - last[0]) / SECOND))
        if self._fail is not None and rate > self._fail:
            return Result(FAIL)
        return Result(SUSPECT if rate > self._suspect else GOOD)

    def state(self) -> State:
        return {"kind": "rate-of-change/1", "last": None if self._last is None else list(self._last)}

    def restore(self, state: object) -> None:
        last = opened(state, "rate-of-change/1", "last")["last"]
        if last is None:
            self._last = None
        else:
            at, value = items(last, "last", 2, 2)
            self._last = (integer(at, "last"), number(value, "last"))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Comparison with a twin or a neighbour: 3 where both differ by more than `absolute` and `relative` of their mean.

    `relative` 0 leaves the absolute limit alone. Without a neighbour's value younger than `age_s` the test says 2.
    """

    absolute: float
    relative: float = 0.0
    age_s: float = 300.0
    id: str = "neighbour"

    def __post_init__(self) -> None:
        if not all(isfinite(limit) and limit >= 0 for limit in (self.absolute, self.relative, self.age_s)):
            raise ValueError("the limits of a comparison are numbers from 0")

    def compare(self, at: int, value: float | None, other_at: int, other: float | None) -> Result:
        """Judge a value against the neighbour's value taken at `other_at`."""
        value, other = usable(value), usable(other)
        if value is None:
            return Result(MISSING)
        if other is None or abs(at - other_at) > self.age_s * SECOND:
            return Result(NOT_EVALUATED)
        difference = abs(value - other)
        differ = difference > self.absolute and difference > self.relative * abs(value + other) / 2
        return Result(SUSPECT if differ else GOOD)
