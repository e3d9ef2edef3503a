"""Running and clock-hour means of a stream, given only where enough of the time was measured."""

from __future__ import annotations

import math

from gateway.meaning.state import State, opened, usable
from gateway.meaning.window import Slots

HOUR_S = 3600.0
COMPLETE = 0.75
"""Share of the expected readings that a mean needs."""


class RunningMean:
    """Mean of the last `window_s` seconds of a device that reports every `period_s`, with `completeness` or absent.

    The window is cut into at most `most` equal slots aligned to the epoch and ends with the current one, so it is up to
    one slot shorter than its name. Each slot with data weighs the same: a burst does not outvote a quiet hour.
    Memory: `most` slots of 16 bytes.
    """

    def __init__(self, window_s: float, period_s: float, *, completeness: float = COMPLETE, most: int = 96) -> None:
        if not 0 < period_s <= window_s:
            raise ValueError(f"a mean over {window_s} s of a reading every {period_s} s: the window must hold one")
        slots = min(most, int(window_s / period_s))
        self._expected = window_s / slots / period_s
        # One reading more than expected is jitter of the clock; a slot cannot make up for more than that.
        self._cap = math.ceil(self._expected) + 1.0
        self._needed = completeness * window_s / period_s * (1 - 1e-9)
        self._slots = Slots(window_s / slots, slots, 2)
        self._closed = (0, 0.0, 0.0)

    def add(self, at: int, value: float | None) -> float | None:
        """Take the next reading (None: missing) and give the mean as of `at`."""
        self._move(at)
        value = usable(value)
        if value is not None:
            self._slots.add(at // self._slots.slot_ns, 1.0, value)
        return self._mean()

    def mean(self, at: int) -> float | None:
        """The mean as of `at`, or None where less than `completeness` of the expected readings are there."""
        self._move(at)
        return self._mean()

    def _move(self, at: int) -> None:
        if self._slots.move(at):
            self._close()

    def _close(self) -> None:
        """What the finished slots contribute: how many have data, the sum of their means, the readings that count."""
        counts = [self._slots.at_age(0, age) for age in range(1, self._slots.slots)]
        totals = [self._slots.at_age(1, age) for age in range(1, self._slots.slots)]
        means = [total / count for count, total in zip(counts, totals, strict=True) if count]
        self._closed = (len(means), math.fsum(means), math.fsum(min(count, self._cap) for count in counts))

    def _mean(self) -> float | None:
        slots, total, readings = self._closed
        count = self._slots.at_age(0, 0)
        if count:
            slots, total = slots + 1, total + self._slots.at_age(1, 0) / count
        return total / slots if slots and readings + min(count, self._cap) >= self._needed else None

    def state(self) -> State:
        return {"kind": f"running-mean/1 {self._needed!r}", "slots": self._slots.state()}

    def restore(self, state: object) -> None:
        self._slots.restore(opened(state, f"running-mean/1 {self._needed!r}", "slots")["slots"])
        self._close()


class HourMeans:
    """Means of the last `hours` whole clock hours (UTC hours are Bangkok hours) of a reading every `period_s`."""

    def __init__(self, period_s: float, *, hours: int = 12, completeness: float = COMPLETE) -> None:
        if not 0 < period_s <= HOUR_S:
            raise ValueError(f"hourly means of a reading every {period_s} s: an hour must hold one")
        self.hours = hours
        self._needed = completeness * HOUR_S / period_s * (1 - 1e-9)
        self._slots = Slots(HOUR_S, hours + 1, 2)

    def add(self, at: int, value: float | None) -> bool:
        """Take the next reading. True when `completed` may have changed: another hour than before, or the first."""
        is_new = self._slots.move(at)
        value = usable(value)
        if value is not None:
            self._slots.add(at // self._slots.slot_ns, 1.0, value)
        return is_new

    def completed(self) -> list[float | None]:
        """Means of the finished hours, newest first; None for an hour without enough readings."""
        counts = [self._slots.at_age(0, age) for age in range(1, self.hours + 1)]
        return [
            self._slots.at_age(1, age) / count if count and count >= self._needed else None
            for age, count in enumerate(counts, 1)
        ]

    def state(self) -> State:
        return {"kind": f"hour-means/1 {self._needed!r}", "slots": self._slots.state()}

    def restore(self, state: object) -> None:
        self._slots.restore(opened(state, f"hour-means/1 {self._needed!r}", "slots")["slots"])
