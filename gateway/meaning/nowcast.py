"""US EPA NowCast of particulate matter: a mean of twelve clock hours that follows fast changes and smooths slow ones.

w = min / max of the hours present, at least 1/2; NowCast = sum(w^i c_i) / sum(w^i) over the hours present, i = 0 the
newest.
Two of the newest three hours must be there. The inputs are not rounded; the index truncates the result (`aqi.us`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.meaning.means import COMPLETE, HourMeans
from gateway.meaning.state import State

HOURS = 12


class NowCast(NamedTuple):
    """The value in the unit of its hours, not truncated, and the weight factor."""

    value: float
    weight: float


def nowcast(hours_newest_first: Sequence[float | None]) -> NowCast | None:
    """NowCast of hourly means (None: missing; beyond the twelfth ignored); None with fewer than 2 of the newest 3."""
    hours = hours_newest_first[:HOURS]
    if sum(hour is not None for hour in hours[:3]) < 2:
        return None
    present = [(age, hour) for age, hour in enumerate(hours) if hour is not None]
    high = max(hour for _, hour in present)
    weight = max(0.5, min(hour for _, hour in present) / high) if high > 0 else 1.0
    weights = [weight**age for age, _ in present]
    value = sum(w * hour for w, (_, hour) in zip(weights, present, strict=True)) / sum(weights)
    return NowCast(value, weight)


class RunningNowCast:
    """NowCast of a stream of readings, every `period_s`; it changes when an hour is complete. 13 hours of memory."""

    def __init__(self, period_s: float, *, completeness: float = COMPLETE) -> None:
        self._hours = HourMeans(period_s, hours=HOURS, completeness=completeness)
        self._now: NowCast | None = None

    def add(self, at: int, value: float | None) -> NowCast | None:
        """Take the next reading (None: missing) and give the NowCast of the twelve hours before this one."""
        if self._hours.add(at, value):
            self._now = nowcast(self._hours.completed())
        return self._now

    def state(self) -> State:
        return self._hours.state()

    def restore(self, state: object) -> None:
        self._hours.restore(state)
        self._now = nowcast(self._hours.completed())
