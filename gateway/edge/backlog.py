"""From the spool to backlog messages: reads a span, dates its entries, and packs them by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.spool.eras import Era
from gateway.spool.spool import Spool
from gateway.wire import entry as wire
from gateway.wire.dating import UNDECIDED, Undecided

OVERHEAD = 256
"""Room for topic, packet id, properties and the frame of a batch."""
_READ_BATCHES = 8
"""So many batches are made at once at most: how large they may be changes."""

Ranges = list[tuple[int, int]]


class Times(Protocol):
    """Who knows under which time an entry is published. `seq` is the spool's number."""

    def time_of(self, seq: int, entry: wire.Entry) -> str | Undecided | None:
        """Its time, None for never, or UNDECIDED: it must wait. Called from another thread."""

    def on_decided(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever some of what was undecided no longer is."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One message, and the spool's numbers in it, ascending."""

    topic: str
    payload: bytes
    numbers: list[int]


@dataclass(slots=True)
class Load:
    """What became of the numbers of a span up to `last`: each is in one of these."""

    last: int
    batches: list[Batch] = field(default_factory=list)
    undated: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    absent: Ranges = field(default_factory=list)


class Loader:
    """Makes backlog of one node's spool. Blocking; for a worker thread."""

    def __init__(self, spool: Spool, times: Times, root: str, node: str) -> None:
        self._spool, self._times, self._root, self._node = spool, times, root, node

    def load(self, first: int, last: int, era: Era, limit: int) -> Load:
        """Batches of at most `limit` bytes, unless a single reading is larger, of what is read of `first` … `last`."""
        entries = self._spool.read(first, last, _READ_BATCHES * limit)
        result = Load(entries[-1][0] if entries else last)
        packing: dict[str, tuple[list[bytes], list[int]]] = {}
        sizes: dict[str, int] = {}
        base, expected = era.base, first
        unpack, time_of, late_part = wire.unpack, self._times.time_of, wire.late_part
        for number, data in entries:
            if number > expected:
                result.absent.append((expected, number - 1))
            expected = number + 1
            try:
                entry = unpack(data)
            except ValueError:
                result.unreadable.append(number)
                continue
            t = time_of(number, entry)
            if t is UNDECIDED:
                result.undated.append(number)
                continue
            part = late_part(number - base, entry, t)
            cls = entry.device_class
            size = sizes.get(cls, 0) + len(part) + 1
            if size > limit - OVERHEAD and cls in packing:
                self._finish(result, era, cls, packing.pop(cls))
                size = len(part) + 1
            sizes[cls] = size
            parts, numbers = packing.setdefault(cls, ([], []))
            parts.append(part)
            numbers.append(number)
        if expected <= result.last:
            result.absent.append((expected, result.last))
        for cls, packed in packing.items():
            self._finish(result, era, cls, packed)
        return result

    def _finish(self, result: Load, era: Era, cls: str, packed: tuple[list[bytes], list[int]]) -> None:
        parts, numbers = packed
        result.batches.append(Batch(*wire.late_message(self._root, self._node, cls, era.id, parts), numbers))


def runs(numbers: list[int]) -> Ranges:
    """Ascending numbers as ranges."""
    if not numbers:
        return []
    if numbers[-1] - numbers[0] == len(numbers) - 1:
        return [(numbers[0], numbers[-1])]
    found, first, last = [], numbers[0], numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            found.append((first, last))
            first = number
        last = number
    found.append((first, last))
    return found
