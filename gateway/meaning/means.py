"""Running and clock-hour means of a stream, given only where enough of the time was measured."""

from __future__ import annotations

import math

from gateway.meaning.state import SECOND, State, StateError, opened, usable
from gateway.meaning.window import Slots

HOUR_S = 3600.0
COMPLETE = 0.75
"""Share of the expected readings that a mean needs."""
PARTS = 1_000_000


class RunningMean:
    """Mean of the last `window_s` seconds of a device that reports every `period_s`, with `completeness` or absent.

    The window is cut into at most `most` equal slots aligned to the epoch and ends with the current one, so it is up to
    one slot shorter than its name. Each slot with data weighs the same: a burst does not outvote a quiet hour.
    Numbers are kept to a millionth of the unit. Memory: up to 200 bytes a slot.
    """

    def __init__(self, window_s: float, period_s: float, *, completeness: float = COMPLETE, most: int = 48) -> None:
        if not 0 < period_s <= window_s:
            raise ValueError(f"a mean over {window_s} s of a reading every {period_s} s: the window must hold one")
        slots = min(most, int(window_s / period_s))
        # One reading more than expected is jitter of the clock; a slot cannot make up for more than that.
        self._cap = math.ceil(window_s / slots / period_s) + 1
        self._needed = completeness * window_s / period_s * (1 - 1e-9)
        # Readings, their total, their mean, readings that count for completeness, whether there are any.
        self._slots = Slots(window_s / slots, slots, 5)

    def add(self, at: int, value: float | None) -> float | None:
        """Take the next reading (None: missing) and give the mean as of `at`."""
        slots = self._slots
        slots.move(at)
        value = usable(value)
        if value is not None:
            slot = at // slots.slot_ns
            count, total = slots.at(0, slot) + 1, slots.at(1, slot)
            part = round(value * PARTS)
            slots.add(slot, (1, part, (total + part) // count - slots.at(2, slot), count <= self._cap, count == 1))
        return self._mean()

    def mean(self, at: int) -> float | None:
        """The mean as of `at`, or None where less than `completeness` of the expected readings are there."""
        self._slots.move(at)
        return self._mean()

    def _mean(self) -> float | None:
        _, _, total, readings, filled = self._slots.sums
        return total / (filled * PARTS) if readings >= self._needed else None

    def state(self) -> State:
        return {"kind": f"running-mean/1 {self._needed!r}", "slots": self._slots.state(2)}

    def restore(self, state: object) -> None:
        fresh = Slots(self._slots.slot_ns / SECOND, self._slots.slots, 5)
        fresh.restore(opened(state, f"running-mean/1 {self._needed!r}", "slots")["slots"], 2)
        for slot in fresh.held():
            if count := _count(fresh, slot):
                fresh.add(slot, (0, 0, fresh.at(1, slot) // count, min(count, self._cap), 1))
        self._slots = fresh


def _count(slots: Slots, slot: int) -> int:
    count = slots.at(0, slot)
    if count < 0 or (not count and slots.at(1, slot)):
        raise StateError("rows: expected counts of at least 1")
    return count


class HourMeans:
    """Means of the last `hours` whole clock hours (UTC hours are Bangkok hours) of a reading every `period_s`."""

    def __init__(self, period_s: float, *, hours: int = 12, completeness: float = COMPLETE) -> None:
        if not 0 < period_s <= HOUR_S:
            raise ValueError(f"hourly means of a reading every {period_s} s: an hour must hold one")
        self._needed = max(1.0, completeness * HOUR_S / period_s * (1 - 1e-9))
        self._slots = Slots(HOUR_S, hours + 1, 2)

    def add(self, at: int, value: float | None) -> bool:
        """Take the next reading. True when `completed` may have changed: another hour than before, or the first."""
        is_new = self._slots.move(at)
        value = usable(value)
        if value is not None:
            self._slots.add(at // self._slots.slot_ns, (1, round(value * PARTS)))
        return is_new

    def completed(self) -> list[float | None]:
        """Means of the finished hours, newest first; None for an hour without enough readings."""
        slots = self._slots
        counts = [(slots.at(0, slot), slot) for slot in reversed(slots.held()[:-1])]
        return [slots.at(1, slot) / (count * PARTS) if count >= self._needed else None for count, slot in counts]

    def state(self) -> State:
        return {"kind": f"hour-means/1 {self._needed!r}", "slots": self._slots.state()}

    def restore(self, state: object) -> None:
        fresh = Slots(HOUR_S, self._slots.slots, 2)
        fresh.restore(opened(state, f"hour-means/1 {self._needed!r}", "slots")["slots"])
        for slot in fresh.held():
            _count(fresh, slot)
        self._slots = fresh
