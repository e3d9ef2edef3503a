"""Where entries wait for the next commit: numbers are given here, and dropped here when too much waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from gateway.spool.books import Books
from gateway.spool.errors import SpoolFull
from gateway.spool.records import HEAD_SIZE, MAX_DATA


class Intake:
    """Accepted entries that are not on their way to the disk yet. Bounded by `limit_bytes`."""

    def __init__(
        self, tail: list[tuple[int, bytes]], next_number: int, books: Books, path: Path, drops_oldest: bool
    ) -> None:
        self.next = next_number
        self.limit_bytes = 0
        self.why_full = ""
        """The reason a drop is counted under at the moment."""
        self.on_first: Callable[[], None] = lambda: None
        self.waiting = deque(tail)
        self.bytes = sum(len(data) + HEAD_SIZE for _, data in tail)
        """What is accepted and not durable, what is being written included."""
        self._books, self._path, self._drops_oldest = books, path, drops_oldest

    def append(self, data: bytes) -> int:
        """Give `data` a number and keep it. ValueError for more than 65535 bytes, SpoolFull where it is refused."""
        if len(data) > MAX_DATA:
            raise ValueError(f"an entry of {len(data)} bytes; {MAX_DATA} are possible")
        number = self.next
        self.next = number + 1
        self.bytes += len(data) + HEAD_SIZE
        if self.bytes > self.limit_bytes:
            self._make_room(number, data)
        if not self.waiting:
            self.on_first()
        self.waiting.append((number, data))
        return number

    def _make_room(self, number: int, data: bytes) -> None:
        if not self._drops_oldest:
            self.bytes -= len(data) + HEAD_SIZE
            self._books.lose(self.why_full, number, number)
            self.on_first()
            raise SpoolFull(number, self.why_full, str(self._path))
        while self.bytes > self.limit_bytes and self.waiting:
            dropped, old = self.waiting.popleft()
            self.bytes -= len(old) + HEAD_SIZE
            self._books.lose(self.why_full, dropped, dropped)

    def take(self, limit_bytes: int) -> list[tuple[int, bytes]]:
        """The oldest entries, to be written: at least one if there is one, else up to `limit_bytes`."""
        taken: list[tuple[int, bytes]] = []
        waiting = self.waiting
        while waiting and limit_bytes > 0:
            entry = waiting.popleft()
            taken.append(entry)
            limit_bytes -= len(entry[1]) + HEAD_SIZE
        return taken

    def done(self, entries: list[tuple[int, bytes]]) -> None:
        """These are durable."""
        self.bytes -= sum(len(data) + HEAD_SIZE for _, data in entries)
