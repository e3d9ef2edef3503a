"""When a spool commits, what one commit contains, and what follows from its success or failure. Lives in the loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from gateway.spool.books import Books
from gateway.spool.errors import SpoolError
from gateway.spool.intake import Intake
from gateway.spool.log import Batch, Log, Outcome
from gateway.spool.records import END, Control
from gateway.spool.room import Room, is_no_space
from gateway.spool.shelf import Shelf
from gateway.spool.state import State
from gateway.spool.stats import Ages

_MIN_PAUSE_S, _MAX_PAUSE_S = 0.1, 5.0
# Settled numbers alone are not worth a write of their own at once: forgetting them costs a repeat.
_FEW_SETTLED, _FEW_SETTLED_WAIT_S, _MANY_SETTLED_WAIT_S = 256, 60.0, 1.0
_NO_SEGMENT = 1 << 62


class Committer:
    """One commit at a time, in the spool's thread. Its methods belong to the loop unless they say otherwise."""

    def __init__(
        self,
        log: Log,
        shelf: Shelf,
        books: Books,
        intake: Intake,
        room: Room,
        thread: Executor,
        path: Path,
        ages: Ages,
        window_s: float,
    ) -> None:
        self.on_commit: list[Callable[[list[tuple[int, bytes]]], None]] = []
        self.on_loss: list[Callable[[str, int, int], None]] = []
        self.commits = self.bytes_written = self.failed_syncs = 0
        self.error: OSError | None = None
        self.ages = ages
        self._log, self._shelf, self._books, self._intake, self._room = log, shelf, books, intake, room
        self._thread, self._path, self._window_s = thread, path, window_s
        self._committed = intake.waiting[0][0] - 1 if intake.waiting else intake.next - 1
        self._entries: list[tuple[int, bytes]] = []  # on their way to the disk, or refused by it
        self._change = State()
        self._job: asyncio.Future[None] | None = None  # the commit under way; done when its outcome is taken up
        self._wake = asyncio.Event()
        intake.on_first = self._wake.set
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_commit = float("-inf")
        self._filled = _NO_SEGMENT  # how far the active segment is written
        self._pause_s = self._retry_at = 0.0
        self._failing_since: float | None = None
        self._serial = self._written_serial = 0
        room.plan()
        room.set_limit(None)

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
        self._room.declare_missed(self._committed)
        if self._intake.bytes > self._room.chunk_bytes:
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
        self._room.missed(ranges)
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
        self._room.declare_missed(self._committed)
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

    def _prepare(self) -> Batch:
        self._room.declare_missed(self._committed)
        if not self._entries:
            self._entries = self._intake.take(self._room.chunk_bytes)
        self._room.plan()
        self._change, self._serial = self._books.take(), self._books.serial
        entries, opening, controls = self._entries, None, []
        first, following = (entries[0][0], entries[-1][0] + 1) if entries else (self._committed + 1,) * 2
        if self._room.must_rotate(self._filled, self._committed) and (entries or not self._change.is_empty()):
            self._books.state.retire_notes(self._shelf.first_held(first))
            opening = self._books.state.snapshot(following)
        else:
            controls = list(self._change.controls(following))
        doomed = self._shelf.doomed()
        # On a full disk room comes first; otherwise the loss is declared before the segment goes.
        before, after = (doomed, ()) if is_no_space(self.error) else ((), doomed)
        return Batch(entries, controls, first, opening, before, after)

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
            return
        entries, self._entries = self._entries, []
        if outcome.created is not None:
            self._shelf.begin(outcome.created)
        if outcome.size:
            self._shelf.grow(outcome.size)
            self._filled = outcome.end
        if entries:
            if self._shelf.active is not None:
                self._shelf.marks(self._shelf.active).note(entries[0][0], outcome.offset)
            self._committed = entries[-1][0]
            self._intake.done(entries)
            self.ages.note(self._committed, now)
        self.commits += 1
        self.bytes_written += outcome.bytes_written
        self._last_commit, self._written_serial = now, self._serial
        self.error, self._pause_s, self._failing_since = None, 0.0, None
        self._room.succeeded()
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
        self._filled = _NO_SEGMENT
        self.error = error
        self.failed_syncs += 1
        self._pause_s = min(_MAX_PAUSE_S, max(_MIN_PAUSE_S, self._pause_s * 2))
        self._retry_at = now + self._pause_s
        if self._failing_since is None:
            self._failing_since = now
        self._room.failed(error, now - self._failing_since)
