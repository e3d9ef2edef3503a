"""What a spool gives up when there is no room, and when it begins a new segment. Lives in the loop, touches no disk."""

from __future__ import annotations

import errno
import threading

from gateway.spool.books import Books
from gateway.spool.files import PAGE
from gateway.spool.intake import Intake
from gateway.spool.recover import DAMAGED
from gateway.spool.segments import OPEN_END
from gateway.spool.shelf import Shelf
from gateway.spool.state import State

SPOOL_BOUND, DISK_FULL, DISK_ERROR, OVERRUN = "spool bound", "disk full", "disk error", "overrun"
PATIENCE_S = 10.0
"""How long a full disk may last before old readings are given up for new ones."""


def is_no_space(error: OSError | None) -> bool:
    """True where the disk (or this user's share of it) is full."""
    return error is not None and error.errno in (errno.ENOSPC, errno.EDQUOT)


class Room:
    """The bounds: `max_bytes` on the disk, `buffer_bytes` in memory; every loss they cause goes into the books."""

    def __init__(
        self,
        shelf: Shelf,
        books: Books,
        intake: Intake,
        *,
        max_bytes: int,
        segment_bytes: int,
        chunk_bytes: int,
        buffer_bytes: int,
        drops_oldest: bool,
    ) -> None:
        self._shelf, self._books, self._intake = shelf, books, intake
        self._max_bytes, self._segment_bytes, self.chunk_bytes = max_bytes, segment_bytes, chunk_bytes
        self._buffer_bytes, self._drops_oldest = buffer_bytes, drops_oldest
        # One commit allocates at most two chunks, and what it makes superfluous is removed after it.
        self._headroom = 4 * chunk_bytes
        self._has_freed = False
        self._missed: list[tuple[int, int]] = []
        self._missed_lock = threading.Lock()
        books.touched.append((1, OPEN_END))

    def plan(self) -> None:
        """Choose which segments go with the next commit: those nobody waits for, and the oldest if the bound asks."""
        touched, self._books.touched = self._books.touched, []
        self._doom_settled(touched, self._books.held_from)
        if self._books.held_from != OPEN_END and self._is_at_bound(self._segment_bytes):
            # Room for what comes is worth more than what is held, and must be there before it comes.
            self._doom_settled([(1, OPEN_END)], OPEN_END)
        while self._drops_oldest and self._is_at_bound():
            if not self._drop_oldest(SPOOL_BOUND):
                break

    def _doom_settled(self, touched: list[tuple[int, int]], held_from: int) -> None:
        gone = self._shelf.doom_settled(self._books.state, self._shelf.overlapping(touched), held_from)
        if gone:
            change = State()
            change.gone = gone
            self._books.absorb(change)

    def must_rotate(self, filled: int, committed: int) -> bool:
        """True where the active segment, filled so far, should take no more."""
        active = self._shelf.active
        if active is None or filled >= self._segment_bytes:
            return True
        if active.first > committed:
            # Nothing but settled and lost numbers: a new snapshot says the same in less.
            return filled * 4 >= self.chunk_bytes * 3
        return filled + PAGE > active.size and self._is_at_bound()

    def missed(self, ranges: list[tuple[int, int]]) -> None:
        """A reader did not find these numbers. From any thread."""
        with self._missed_lock:
            self._missed += ranges

    def declare_missed(self, committed: int) -> None:
        """Those that should have been found are lost."""
        with self._missed_lock:
            missed, self._missed = self._missed, []
        for first, last in missed:
            for owed_first, owed_last in self._books.state.owed(self._books.outlets, first, min(last, committed)):
                self._books.lose(DAMAGED, owed_first, owed_last)

    def succeeded(self) -> None:
        """A commit worked."""
        self._has_freed = False
        self.set_limit(None)

    def failed(self, error: OSError, for_s: float) -> None:
        """A commit failed, and none has worked for so long."""
        is_pressed = self._intake.bytes * 4 >= self._buffer_bytes * 3 or for_s >= PATIENCE_S
        if is_no_space(error) and self._drops_oldest and is_pressed and not self._has_freed:
            # One segment, and no more before a commit has worked: on a disk that others fill it would not help.
            self._has_freed = self._drop_oldest(DISK_FULL)
        self.set_limit(error)

    def set_limit(self, error: OSError | None) -> None:
        """Tell the intake how much may wait, and the reason of what it must drop."""
        limit, why = self._buffer_bytes, OVERRUN
        if error is not None:
            why = DISK_FULL if is_no_space(error) else DISK_ERROR
        if not self._drops_oldest:
            room = self._max_bytes - self._shelf.bytes_to_stay() - self._headroom
            if room < limit:
                limit, why = max(0, room), SPOOL_BOUND
        self._intake.limit_bytes, self._intake.why_full = limit, why

    def _is_at_bound(self, margin_bytes: int = 0) -> bool:
        return self._shelf.bytes_to_stay() + self._headroom + margin_bytes > self._max_bytes

    def _drop_oldest(self, reason: str) -> bool:
        lost = self._shelf.doom_oldest(self._books.state, reason)
        if lost is not None:
            self._books.absorb(lost)
        return lost is not None
