"""A set of non-negative integers kept as sorted, disjoint, inclusive ranges that never touch.

    encoded  version (1 byte, = 1) | number of ranges | gap, length - 1 | gap, length - 1 | …

All but the version are unsigned LEB128 numbers; a gap counts from the end of the range before (from -1 at the start).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Protocol

_VERSION = 1
_NUMBER_BITS = 63


class IntervalsView(Protocol):
    """What may be asked of a set that belongs to somebody else."""

    def __contains__(self, number: int) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def ranges(self) -> list[tuple[int, int]]: ...
    def upto(self, start: int = 1) -> int: ...
    def missing(self, first: int, last: int, limit: int | None = None) -> list[tuple[int, int]]: ...
    def copy(self) -> Intervals: ...
    def encode(self) -> bytes: ...


class Intervals:
    """The set. Memory is the number of ranges; adding at or near the end costs no search."""

    __slots__ = ("_count", "_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._count = 0
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> None:
        """Add `first` … `last`, both included; one number without `last`. ValueError for last < first or first < 0."""
        if last is None:
            last = first
        if first < 0 or last < first:
            raise ValueError(f"no range of numbers: {first}…{last}")
        starts, ends = self._starts, self._ends
        if not ends or first > ends[-1] + 1:
            starts.append(first)
            ends.append(last)
            self._count += last - first + 1
            return
        if first >= starts[-1]:
            if last > ends[-1]:
                self._count += last - ends[-1]
                ends[-1] = last
            return
        low = bisect_left(ends, first - 1)
        high = bisect_right(starts, last + 1)
        if low == high:
            starts.insert(low, first)
            ends.insert(low, last)
            self._count += last - first + 1
            return
        first, last = min(first, starts[low]), max(last, ends[high - 1])
        self._count += last - first + 1
        for at in range(low, high):
            self._count -= ends[at] - starts[at] + 1
        starts[low], ends[low] = first, last
        if high > low + 1:
            del starts[low + 1 : high], ends[low + 1 : high]

    def remove(self, first: int, last: int | None = None) -> None:
        """Take `first` … `last` out; what is not in the set does not matter."""
        if last is None:
            last = first
        starts, ends = self._starts, self._ends
        low = bisect_left(ends, first)
        high = bisect_right(starts, last)
        if low >= high:
            return
        kept: list[tuple[int, int]] = []
        if starts[low] < first:
            kept.append((starts[low], first - 1))
        if ends[high - 1] > last:
            kept.append((last + 1, ends[high - 1]))
        for at in range(low, high):
            self._count -= ends[at] - starts[at] + 1
        self._count += sum(end - start + 1 for start, end in kept)
        starts[low:high] = [start for start, _ in kept]
        ends[low:high] = [end for _, end in kept]

    def update(self, other: IntervalsView) -> None:
        """Add all numbers of `other`."""
        for first, last in other.ranges():
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._ends, number)
        return at < len(self._starts) and self._starts[at] <= number

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # it changes, so it cannot be a key

    def __repr__(self) -> str:
        return f"Intervals({self.ranges()!r})"

    def ranges(self) -> list[tuple[int, int]]:
        """The ranges in ascending order, both ends included."""
        return list(zip(self._starts, self._ends, strict=True))

    def lowest(self) -> tuple[int, int] | None:
        """The first range."""
        return (self._starts[0], self._ends[0]) if self._starts else None

    @property
    def pieces(self) -> int:
        """How many ranges there are: what the memory is proportional to."""
        return len(self._starts)

    def copy(self) -> Intervals:
        """An independent set with the same numbers."""
        twin = Intervals()
        twin._starts, twin._ends, twin._count = self._starts.copy(), self._ends.copy(), self._count
        return twin

    def upto(self, start: int = 1) -> int:
        """The end of the unbroken run that begins at `start`; `start - 1` where `start` is not in the set."""
        at = bisect_left(self._ends, start)
        if at < len(self._starts) and self._starts[at] <= start:
            return self._ends[at]
        return start - 1

    def missing(self, first: int, last: int, limit: int | None = None) -> list[tuple[int, int]]:
        """The ranges of `first` … `last` that are not in the set, ascending, at most `limit` of them."""
        return list(self._holes(first, last, limit))

    def _holes(self, first: int, last: int, limit: int | None) -> Iterator[tuple[int, int]]:
        at, given = bisect_left(self._ends, first), 0
        while first <= last and (limit is None or given < limit):
            if at >= len(self._starts) or self._starts[at] > last:
                yield first, last
                return
            if self._starts[at] > first:
                yield first, self._starts[at] - 1
                given += 1
            first = self._ends[at] + 1
            at += 1

    def encode(self) -> bytes:
        """The set as bytes, see the module's drawing."""
        out = bytearray([_VERSION])
        _put(out, len(self._starts))
        before = -1
        for first, last in zip(self._starts, self._ends, strict=True):
            _put(out, first - before - 1)
            _put(out, last - first)
            before = last
        return bytes(out)

    @classmethod
    def decode(cls, data: bytes) -> Intervals:
        """The set that `encode` wrote. ValueError for anything else; allocates no more than `data` is long."""
        if not data or data[0] != _VERSION:
            raise ValueError("interval set: unknown version" if data else "interval set: empty")
        count, at = _take(data, 1)
        found = cls()
        before = -1
        for _ in range(count):
            gap, at = _take(data, at)
            length, at = _take(data, at)
            if found and not gap:
                raise ValueError("interval set: ranges touch")
            first = before + 1 + gap
            before = first + length
            found.add(first, before)
        if at != len(data):
            raise ValueError("interval set: bytes left over")
        return found


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift >= _NUMBER_BITS:
            raise ValueError("interval set: cut off")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
