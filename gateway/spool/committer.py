"""When a spool commits, what one commit contains, and what follows from its success or failure. Lives in the loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from gateway.spool.books import Books
from gateway.spool.errors import SpoolError
from gateway.spool.files import PAGE
from gateway.spool.intake import Intake
from gateway.spool.log import Batch, Log, Outcome
from gateway.spool.records import END, Control
from gateway.spool.recover import DAMAGED
from gateway.spool.segments import OPEN_END
from gateway.spool.shelf import Shelf
from gateway.spool.state import State
from gateway.spool.stats import Ages

SPOOL_BOUND, DISK_FULL, DISK_ERROR, OVERRUN = "spool bound", "disk full", "disk error", "overrun"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.1, 5.0
_PATIENCE_S = 10.0  # how long a full disk may last before old readings are given up for new ones
# Settled numbers alone are not worth a write of their own at once: forgetting them costs a repeat.
_FEW_SETTLED, _FEW_SETTLED_WAIT_S, _MANY_SETTLED_WAIT_S = 256, 60.0, 1.0


class Committer:
    """One commit at a time, in the spool's thread. Its methods belong to the loop unless they say otherwise."""

    def __init__(
        self,
        log: Log,
        shelf: Shelf,
        books: Books,
        intake: Intake,
        thread: Executor,
        path: Path,
        ages: Ages,
        *,
        window_s: float,
        max_bytes: int,
        segment_bytes: int,
        chunk_bytes: int,
        buffer_bytes: int,
        drops_oldest: bool,
    ) -> None:
        self.on_commit: list[Callable[[list[tuple[int, bytes]]], None]] = []
        self.on_loss: list[Callable[[str, int, int], None]] = []
        self._committed = intake.waiting[0][0] - 1 if intake.waiting else intake.next - 1
        self.commits = self.bytes_written = self.failed_syncs = 0
        self.error: OSError | None = None
        self.ages = ages
        self._log, self._shelf, self._books, self._intake, self._thread = log, shelf, books, intake, thread
        self._path, self._window_s, self._max_bytes, self._segment_bytes = path, window_s, max_bytes, segment_bytes
        self._chunk_bytes, self._buffer_bytes, self._drops_oldest = chunk_bytes, buffer_bytes, drops_oldest
        self._entries: list[tuple[int, bytes]] = []  # on their way to the disk, or refused by it
        self._change = State()
        self._job: asyncio.Future[None] | None = None  # the commit under way; done when its outcome is taken up
        self._wake = asyncio.Event()
        intake.on_first = self._wake.set
        self._missed: list[tuple[int, int]] = []
        self._missed_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_commit = float("-inf")
        self._end = segment_bytes  # how far the active segment is filled; where there is none, it is as good as full
        self._pause_s = self._retry_at = 0.0
        self._has_freed = False
        self._serial = self._written_serial = 0
        books.touched.append((1, OPEN_END))
        self._plan()
        self._set_limit()

    @property
    def committed(self) -> int:
        """The highest durable number; may be asked from any thread."""
        return self._committed

    async def run(self) -> None:
        """Commit for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            delay = self._delay(self._loop.time())
            if delay is None:
                await self._wake.wait()
            elif delay > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
            else:
                await self.commit()

    def _delay(self, now: float) -> float | None:
        if self._entries or self.error is not None:
            return self._retry_at - now
        self._declare_missed()
        if self._intake.bytes > self._chunk_bytes:
            return 0.0
        due = None
        if self._intake.waiting or self._books.has_urgent_change:
            due = self._last_commit + self._window_s
        elif self._books.fresh_settled:
            wait = _FEW_SETTLED_WAIT_S if self._books.fresh_settled < _FEW_SETTLED else _MANY_SETTLED_WAIT_S
            due = self._last_commit + wait
        elif self._books.has_change or self._shelf.doomed():
            due = self._last_commit + _MAX_PAUSE_S
        return None if due is None else due - now

    def settle(self, outlet: str, first: int, last: int) -> None:
        """These numbers are settled there; wakes the run only where that changes when it must write."""
        before = self._books.fresh_settled
        self._books.settle(outlet, first, last)
        after = self._books.fresh_settled
        if (not before and after) or before < _FEW_SETTLED <= after:
            self._wake.set()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def missed(self, ranges: list[tuple[int, int]]) -> None:
        """A reader did not find these numbers. From any thread."""
        with self._missed_lock:
            self._missed += ranges
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def commit(self) -> None:
        """Wait for the commit that is under way, or make one now. Its failure is in `error`."""
        loop = asyncio.get_running_loop()
        if self._job is None:
            written = loop.run_in_executor(self._thread, self._log.commit, self._prepare())
            self._job = loop.create_future()
            # A callback, not the line below: the outcome must be taken up even where this task is cancelled.
            written.add_done_callback(self._finished)
        await asyncio.shield(self._job)

    def commit_now(self) -> None:
        """Try to make durable what opening found, blocking, while no loop runs yet; what fails waits for the run."""
        while self.error is None and (self._intake.waiting or self._books.has_change):
            self._take_up(self._log.commit(self._prepare()), 0.0, is_live=False)

    async def flush(self) -> None:
        """All that is accepted up to now is durable. Raises SpoolError when the disk refuses."""
        self._declare_missed()
        last, serial = self._intake.next - 1, self._books.serial
        while self._job is not None or not self._is_durable(last, serial):
            was_running = self._job is not None
            await self.commit()
            if self.error is not None and not was_running:
                what = f"cannot write to the spool ({self.error.strerror})"
                raise SpoolError(what, str(self._path), "Free or replace the disk; until then entries wait in memory.")

    def _is_durable(self, last: int, serial: int) -> bool:
        if self._entries or self._written_serial < serial:
            return False
        return not self._intake.waiting or self._intake.waiting[0][0] > last

    async def end(self) -> None:
        """Flush, and say in the segment that it was closed in order."""
        await self.flush()
        if self._shelf.active is not None:
            loop = asyncio.get_running_loop()
            batch = Batch([], [Control(END, self._committed + 1, b"")], 0)
            await loop.run_in_executor(self._thread, self._log.commit, batch)

    async def stop(self) -> None:
        """Wait for the thread's last work and end it."""
        if self._job is not None:
            await asyncio.wait([self._job])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._log.close)
        self._thread.shutdown(wait=False)

    def abandon(self) -> None:
        """End the thread without another commit. Blocking."""
        self._thread.submit(self._log.close).result()
        self._thread.shutdown(wait=True)

    # What one commit contains

    def _prepare(self) -> Batch:
        self._declare_missed()
        if not self._entries:
            self._entries = self._intake.take(self._chunk_bytes)
        self._plan()
        self._change = self._books.take()
        self._serial = self._books.serial
        first = self._entries[0][0] if self._entries else self._committed + 1
        next_number = self._entries[-1][0] + 1 if self._entries else self._committed + 1
        opening: list[Control] | None = None
        controls: list[Control] = []
        if self._must_rotate() and (self._entries or not self._change.is_empty()):
            self._books.state.retire_notes(self._shelf.first_held(first))
            opening = self._books.state.snapshot(next_number)
        else:
            controls = list(self._change.controls(next_number))
        doomed = self._shelf.doomed()
        is_short = self.error is not None and self.error.errno in _NO_SPACE
        return Batch(self._entries, controls, first, opening, doomed if is_short else (), () if is_short else doomed)

    def _must_rotate(self) -> bool:
        active = self._shelf.active
        if active is None or self._end >= self._segment_bytes:
            return True
        if active.first > self._committed:
            # Nothing but settled and lost numbers: a new snapshot says the same in less.
            return self._end * 4 >= self._chunk_bytes * 3
        is_filled = self._end + PAGE > active.size
        return is_filled and self._shelf.bytes_to_stay() + self._headroom() > self._max_bytes

    def _plan(self) -> None:
        """Choose which segments go with the next commit: those nobody waits for, and the oldest if the bound asks."""
        touched, self._books.touched = self._books.touched, []
        gone = self._shelf.doom_settled(self._books.state, self._shelf.overlapping(touched))
        if gone:
            change = State()
            change.gone = gone
            self._books.absorb(change)
        while self._drops_oldest and self._shelf.bytes_to_stay() + self._headroom() > self._max_bytes:
            if not self._drop_oldest(SPOOL_BOUND):
                break

    def _headroom(self) -> int:
        # One commit allocates at most two chunks, and what it makes superfluous is removed after it.
        return 4 * self._chunk_bytes

    def _drop_oldest(self, reason: str) -> bool:
        lost = self._shelf.doom_oldest(self._books.state, reason)
        if lost is not None:
            self._books.absorb(lost)
        return lost is not None

    def _declare_missed(self) -> None:
        with self._missed_lock:
            missed, self._missed = self._missed, []
        for first, last in missed:
            for owed_first, owed_last in self._books.state.owed(self._books.outlets, first, min(last, self._committed)):
                self._books.lose(DAMAGED, owed_first, owed_last)

    # What follows from it

    def _finished(self, written: asyncio.Future[Outcome]) -> None:
        job, self._job = self._job, None
        self._wake.set()
        try:
            self._take_up(written.result(), written.get_loop().time(), is_live=True)
        except Exception as error:
            if job is not None:
                job.set_exception(error)
        else:
            if job is not None:
                job.set_result(None)

    def _take_up(self, outcome: Outcome, now: float, is_live: bool) -> None:
        if outcome.finished_size is not None:
            self._shelf.seal(outcome.finished_size, self._committed)
            self._books.touched.append((self._committed, self._committed + 1))
        self._shelf.drop(outcome.removed)
        if outcome.error is not None:
            self._failed(outcome.error, now)
            self._set_limit()
            return
        entries, self._entries = self._entries, []
        if outcome.created is not None:
            self._shelf.begin(outcome.created)
        if outcome.size:
            self._shelf.grow(outcome.size)
            self._end = outcome.end
        if entries:
            if self._shelf.active is not None:
                self._shelf.marks(self._shelf.active).note(entries[0][0], outcome.offset)
            self._committed = entries[-1][0]
            self._intake.done(entries)
            self.ages.note(self._committed, now)
        self.commits += 1
        self.bytes_written += outcome.bytes_written
        self._last_commit = now
        self._written_serial = self._serial
        self.error, self._pause_s, self._has_freed = None, 0.0, False
        self._set_limit()
        losses = self._books.confirm(self._change)
        if is_live:
            for reason, first, last in losses:
                for told in self.on_loss:
                    told(reason, first, last)
            if entries:
                for shown in self.on_commit:
                    shown(entries)

    def _failed(self, error: OSError, now: float) -> None:
        self._books.give_back(self._change)
        self._end = self._segment_bytes
        self.error = error
        self.failed_syncs += 1
        self._pause_s = min(_MAX_PAUSE_S, max(_MIN_PAUSE_S, self._pause_s * 2))
        self._retry_at = now + self._pause_s
        is_pressed = self._intake.bytes * 4 >= self._buffer_bytes * 3 or now - self._last_commit >= _PATIENCE_S
        if error.errno in _NO_SPACE and self._drops_oldest and is_pressed and not self._has_freed:
            # One segment, and no more before a commit has worked: on a disk that others fill it would not help.
            self._has_freed = self._drop_oldest(DISK_FULL)

    def _set_limit(self) -> None:
        limit, why = self._buffer_bytes, OVERRUN
        if self.error is not None:
            why = DISK_FULL if self.error.errno in _NO_SPACE else DISK_ERROR
        if not self._drops_oldest:
            room = self._max_bytes - self._shelf.bytes_to_stay() - self._headroom()
            if room < limit:
                limit, why = max(0, room), SPOOL_BOUND
        self._intake.limit_bytes, self._intake.why_full = limit, why
