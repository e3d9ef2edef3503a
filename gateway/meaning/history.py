"""What holds from when: calibrations, mountings, gauge zeros and rating curves, each with author and note."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A value that holds from `since_at` until before `until_at` (None: until the next entry), ns."""

    value: T
    since_at: int
    until_at: int | None = None
    author: str = ""
    note: str = ""


class History(Generic[T]):
    """Dated entries. A later one ends the one before; nothing holds before the first or after an entry's own end."""

    def __init__(self, entries: Iterable[Entry[T]]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: entry.since_at))
        self._starts = [entry.since_at for entry in self.entries]
        if len(set(self._starts)) < len(self._starts):
            raise ValueError("two entries of a history begin at the same time: which one holds?")
        for entry in self.entries:
            if entry.until_at is not None and entry.until_at <= entry.since_at:
                raise ValueError(f"an entry of {entry.author or 'a history'} ends before it begins")

    def at(self, at: int) -> Entry[T] | None:
        """The entry that holds at a time, or None."""
        place = bisect_right(self._starts, at) - 1
        if place < 0:
            return None
        entry = self.entries[place]
        return entry if entry.until_at is None or at < entry.until_at else None
