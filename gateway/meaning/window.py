"""Bounded memory of a stream: the newest points, and sums by time slot. Kept in arrays: 16 and 8 bytes a number."""

from __future__ import annotations

from array import array
from itertools import pairwise

from gateway.meaning.state import LARGEST, LATEST, SECOND, State, StateError, integer, items, number, opened


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
    """Sums over time slots aligned to the epoch: the newest `slots` of them, `width` non-overlapping sums a slot.

    `columns[c][slot % slots]` is sum c of a slot; slots without data are 0.
    """

    def __init__(self, slot_s: float, slots: int, width: int) -> None:
        if not 0 < slot_s <= 7 * 86400 or not 1 <= slots <= 2048:
            raise ValueError(f"{slots} slots of {slot_s} s: expected 1 to 2048 slots of at most 7 days")
        self.slot_ns = round(slot_s * SECOND)
        self.slots = slots
        self.columns = tuple(array("d", bytes(8 * slots)) for _ in range(width))
        self.newest: int | None = None

    def move(self, at: int) -> bool:
        """Let time pass; slots entered, and slots left ahead, are emptied. True when the newest slot is another one."""
        slot, newest = at // self.slot_ns, self.newest
        if slot == newest:
            return False
        self.newest = slot
        if newest is not None:
            low, high = sorted((slot, newest))
            first = low + 1 if high - low < self.slots else high - self.slots + 1
            for stale in range(first, high + 1):
                for column in self.columns:
                    column[stale % self.slots] = 0.0
        return True

    def add(self, slot: int, *amounts: float) -> None:
        """Add to one slot; one that is not held is passed over."""
        if self.newest is not None and self.newest - self.slots < slot <= self.newest:
            place = slot % self.slots
            for column, amount in zip(self.columns, amounts, strict=True):
                column[place] += amount

    def at_age(self, column: int, age: int) -> float:
        """Sum `column` of the slot `age` slots before the newest (0 ≤ age < slots)."""
        return self.columns[column][(self.newest - age) % self.slots] if self.newest is not None else 0.0

    def _kind(self) -> str:
        return f"slots/1 {self.slot_ns} {self.slots} {len(self.columns)}"

    def state(self) -> State:
        rows = [
            [age, *row]
            for age in range(self.slots if self.newest is not None else 0)
            if any(row := [self.at_age(column, age) for column in range(len(self.columns))])
        ]
        return {"kind": self._kind(), "newest": self.newest, "rows": rows}

    def restore(self, state: object) -> None:
        saved = opened(state, self._kind(), "newest", "rows")
        newest = None if saved["newest"] is None else integer(saved["newest"], "newest", 0, LATEST // self.slot_ns)
        rows = items(saved["rows"], "rows", 0 if newest is None else self.slots)
        width = len(self.columns)
        columns = tuple(array("d", bytes(8 * self.slots)) for _ in range(width))
        before = -1
        for row in rows:
            age, *sums = items(row, "rows", width + 1, width + 1)
            before = integer(age, "rows", before + 1, self.slots - 1)
            for column, amount in zip(columns, sums, strict=True):
                # Sums of usable numbers; far below what would overflow when they are added up.
                column[((newest or 0) - before) % self.slots] = number(amount, "rows", -LARGEST * 1e9, LARGEST * 1e9)
        self.newest, self.columns = newest, columns
