"""Which segments a spool holds, what they take, and which of them go next. Plain bookkeeping; touches no disk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.spool.intervals import Intervals
from gateway.spool.segments import Marks, Segment
from gateway.spool.state import State, add_to

_MARKED_SEGMENTS = 8


class Shelf:
    """The index: finished segments in order, and the one being written. Readable from other threads through `all()`."""

    def __init__(self, sealed: Iterable[Segment], outlets: Sequence[str]) -> None:
        self._outlets = outlets
        self._sealed: tuple[Segment, ...] = tuple(sealed)
        self._sealed_bytes = sum(segment.size for segment in self._sealed)
        self._active: Segment | None = None
        self._all = self._sealed
        self._doomed: dict[int, Segment] = {}
        self._marks: dict[int, Marks] = {}

    def all(self) -> tuple[Segment, ...]:
        """Every segment held, oldest first, in one consistent picture; the active one's `last` is open."""
        return self._all

    @property
    def active(self) -> Segment | None:
        """The segment being written."""
        return self._active

    @property
    def bytes(self) -> int:
        """What the spool takes on the disk."""
        return self._sealed_bytes + (self._active.size if self._active is not None else 0)

    def doomed(self) -> tuple[Segment, ...]:
        """What is to be removed with the next commit."""
        return tuple(self._doomed.values())

    def bytes_to_stay(self) -> int:
        """What the spool takes once the doomed are gone."""
        return self.bytes - sum(segment.size for segment in self._doomed.values())

    def first_held(self, next_number: int) -> int:
        """The oldest number of the segments that stay; `next_number` where there are none."""
        for segment in self._all:
            if segment.serial not in self._doomed:
                return segment.first
        return next_number

    def begin(self, segment: Segment) -> None:
        """`segment` is the active one now."""
        self._active = segment
        self._all = (*self._sealed, segment)

    def grow(self, size: int) -> None:
        """The active segment takes `size` bytes now."""
        if self._active is not None and size != self._active.size:
            self.begin(replace(self._active, size=size))

    def seal(self, size: int, last: int) -> None:
        """The active segment is finished: it takes `size` bytes and its entries end at `last`."""
        if self._active is None:
            return
        self._sealed = (*self._sealed, replace(self._active, size=size, last=last))
        self._sealed_bytes += size
        self._active = None
        self._all = self._sealed

    def drop(self, removed: Sequence[Segment]) -> None:
        """These files are gone."""
        serials = {segment.serial for segment in removed}
        if not serials:
            return
        self._sealed = tuple(segment for segment in self._sealed if segment.serial not in serials)
        self._sealed_bytes = sum(segment.size for segment in self._sealed)
        self._all = self._sealed if self._active is None else (*self._sealed, self._active)
        for serial in serials:
            self._doomed.pop(serial, None)
            self._marks.pop(serial, None)

    def marks(self, segment: Segment) -> Marks:
        """Places inside a segment, kept for the few segments that were used last. Safe from any thread."""
        marks = self._marks.pop(segment.serial, None) or Marks()
        self._marks[segment.serial] = marks
        for serial in list(self._marks)[:-_MARKED_SEGMENTS]:
            self._marks.pop(serial, None)
        return marks

    def overlapping(self, ranges: Iterable[tuple[int, int]]) -> list[Segment]:
        """The finished segments that hold any of these numbers, and those that hold none at all."""
        found: dict[int, Segment] = {}
        for first, last in ranges:
            at = max(0, bisect_right(self._sealed, first, key=lambda segment: segment.first) - 1)
            while at < len(self._sealed) and self._sealed[at].first <= last:
                found[self._sealed[at].serial] = self._sealed[at]
                at += 1
        return list(found.values())

    def doom_settled(self, state: State, candidates: Iterable[Segment], held_from: int) -> Intervals:
        """Mark for removal what nobody waits for any more and lies before `held_from`; returns its numbers."""
        gone = Intervals()
        for segment in candidates:
            if segment.last >= held_from or segment.serial in self._doomed:
                continue
            if not state.owed(self._outlets, segment.first, segment.last):
                self._doomed[segment.serial] = segment
                if segment.first <= segment.last:
                    gone.add(segment.first, segment.last)
        return gone

    def doom_oldest(self, state: State, reason: str) -> State | None:
        """Mark the oldest finished segment for removal, whatever it holds; what that loses, None if there is none."""
        for segment in self._sealed:
            if segment.serial in self._doomed:
                continue
            self._doomed[segment.serial] = segment
            change = State()
            if segment.first <= segment.last:
                lost = Intervals(state.owed(self._outlets, segment.first, segment.last))
                if lost:
                    add_to(change.losses, reason, lost)
                for first, last in lost.missing(segment.first, segment.last):
                    change.gone.add(first, last)
            return change
        return None
