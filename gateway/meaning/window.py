"""Bounded memory of a stream: the newest points (16 bytes each), and sums by time slot (up to 40 bytes a number)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise

from gateway.meaning.state import LATEST, SECOND, State, StateError, integer, items, number, opened

_MOST = 10**24


class Points:
    """The points of the last `window_s` seconds, open at its old end, at most `most`.

    Where they come faster than `most` a window, they are thinned in time; the newest is always there. Up to
    (most − 2) points a window nothing is thinned.
    """

    def __init__(self, window_s: float, most: int = 96) -> None:
        if not 1 <= window_s <= 366 * 86400 or not 4 <= most <= 4096:
            raise ValueError(
                f"a window of {window_s} s with {most} points: expected up to 366 days and 4 to 4096 points"
            )
        self.window_ns = round(window_s * SECOND)
        self._most = most
        self._gap_ns = self.window_ns // (most - 2)
        self.times = array("q")
        self.values = array("d")

    def move(self, at: int) -> None:
        """Let time pass: forget what is too old, and what lies at or after `at`."""
        times, oldest = self.times, at - self.window_ns
        count = 0
        while count < len(times) and times[count] <= oldest:
            count += 1
        if count:
            del times[:count], self.values[:count]
        while times and times[-1] >= at:
            times.pop()
            self.values.pop()

    def add(self, at: int, value: float) -> None:
        """Take the next point."""
        self.move(at)
        times = self.times
        if len(times) > 1 and times[-1] - times[-2] < self._gap_ns:
            times[-1], self.values[-1] = at, value
        else:
            times.append(at)
            self.values.append(value)

    def __len__(self) -> int:
        return len(self.times)

    def _kind(self) -> str:
        return f"points/1 {self.window_ns} {self._most}"

    def state(self) -> State:
        return {"kind": self._kind(), "times": self.times.tolist(), "values": self.values.tolist()}

    def restore(self, state: object) -> None:
        saved = opened(state, self._kind(), "times", "values")
        times = [integer(at, "times") for at in items(saved["times"], "times", self._most)]
        values = [number(value, "values") for value in items(saved["values"], "values", len(times), len(times))]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise StateError("times: expected to rise")
        self.times, self.values = array("q", times), array("d", values)


class Slots:
    """Sums over time slots aligned to the epoch: the newest `slots` of them, `width` sums a slot, all whole numbers.

    `sums[c]` is the sum of column c over all slots held. Whole numbers make it exact however it was come by, so that it
    neither drifts nor changes with a restart. A slot without data is 0.
    """

    def __init__(self, slot_s: float, slots: int, width: int) -> None:
        if not 0 < slot_s <= 7 * 86400 or not 1 <= slots <= 2048:
            raise ValueError(f"{slots} slots of {slot_s} s: expected 1 to 2048 slots of at most 7 days")
        self.slot_ns = round(slot_s * SECOND)
        self.slots = slots
        self._columns = [[0] * slots for _ in range(width)]
        self.sums = [0] * width
        self.newest: int | None = None

    def move(self, at: int) -> bool:
        """Let time pass; slots entered, and slots left ahead, are emptied. True when the newest slot is another one."""
        slot, newest = at // self.slot_ns, self.newest
        if slot == newest:
            return False
        self.newest = slot
        if newest is not None:
            low, high = (newest, slot) if slot > newest else (slot, newest)
            for stale in range(low + 1 if high - low < self.slots else high - self.slots + 1, high + 1):
                place = stale % self.slots
                for column, cells in enumerate(self._columns):
                    self.sums[column] -= cells[place]
                    cells[place] = 0
        return True

    def add(self, slot: int, amounts: Sequence[int]) -> None:
        """Add one amount a column to a slot; one that is not held is passed over."""
        if self.newest is not None and self.newest - self.slots < slot <= self.newest:
            place = slot % self.slots
            for column, amount in enumerate(amounts):
                if amount:
                    self._columns[column][place] += amount
                    self.sums[column] += amount

    def at(self, column: int, slot: int) -> int:
        """The sum of a column in a slot that is held."""
        return self._columns[column][slot % self.slots]

    def held(self) -> range:
        """The slots held, oldest first."""
        return range(0) if self.newest is None else range(self.newest - self.slots + 1, self.newest + 1)

    def _kind(self, width: int) -> str:
        return f"slots/1 {self.slot_ns} {self.slots} {width}"

    def state(self, width: int | None = None) -> State:
        """The first `width` columns (all); slots without data are left out."""
        columns = self._columns[:width]
        rows = []
        for slot in self.held():
            row = [cells[slot % self.slots] for cells in columns]
            if any(row):
                rows.append([slot - (self.newest or 0), *row])
        return {"kind": self._kind(len(columns)), "newest": self.newest, "rows": rows}

    def restore(self, state: object, width: int | None = None) -> None:
        """Take over the first `width` columns (all); the others are 0."""
        taken = len(self._columns[:width])
        saved = opened(state, self._kind(taken), "newest", "rows")
        newest = None if saved["newest"] is None else integer(saved["newest"], "newest", 0, LATEST // self.slot_ns)
        fresh = Slots(self.slot_ns / SECOND, self.slots, len(self._columns))
        fresh.newest = newest
        before = -self.slots
        for row in items(saved["rows"], "rows", 0 if newest is None else self.slots):
            age, *amounts = items(row, "rows", taken + 1, taken + 1)
            before = integer(age, "rows", before, 0) + 1
            fresh.add((newest or 0) + before - 1, [integer(amount, "rows", -_MOST, _MOST) for amount in amounts])
        self.newest, self._columns, self.sums = newest, fresh._columns, fresh.sums
