"""The node's durable log: numbers from 1 without holes, opaque bytes, outlets with what they have settled.

Nothing is shown to `on_commit` or `read` before fdatasync returned. The event loop never waits for the disk: one thread
writes, syncs and removes. What is on the disk: gateway.spool.records.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from gateway.spool.books import HELD, Books
from gateway.spool.committer import Committer
from gateway.spool.errors import SpoolError
from gateway.spool.files import PAGE, DiskFiles, Files
from gateway.spool.intake import Intake
from gateway.spool.intervals import IntervalsView
from gateway.spool.lock import FolderLock
from gateway.spool.log import Log
from gateway.spool.reader import Reader, VerifyReport
from gateway.spool.recover import OpenReport, Recovered, recover
from gateway.spool.room import Room
from gateway.spool.shelf import Shelf
from gateway.spool.state import FOREVER, LATEST, MAX_NOTE, MAX_NOTES_BYTES, Note
from gateway.spool.stats import Ages, SpoolStats

MIN_BYTES = 16 * PAGE
SEGMENT_BYTES = 4 << 20
BUFFER_BYTES = 4 << 20
_CHUNK_BYTES = 64 << 10
_REMEDY = "Check that the disk is there and the folder belongs to this user, or set another path."
WhenFull = Literal["drop-oldest", "drop-newest"]


class Spool:
    """Append-only durable log. All methods but `read` and `verify` belong to the loop's thread."""

    def __init__(
        self,
        path: Path,
        lock: FolderLock,
        recovered: Recovered,
        books: Books,
        intake: Intake,
        shelf: Shelf,
        committer: Committer,
        reader: Reader,
    ) -> None:
        """Use `open`."""
        self.path, self.id = path, recovered.spool_id
        self.opened: OpenReport = recovered.report
        self._lock, self._books, self._intake, self._shelf = lock, books, intake, shelf
        self._committer, self._reader = committer, reader
        self._is_closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        outlets: Sequence[str],
        max_bytes: int,
        window_s: float = 0.25,
        when_full: WhenFull = "drop-oldest",
        segment_bytes: int = SEGMENT_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
        files: Files | None = None,
        executor: Executor | None = None,
    ) -> Spool:
        """Lock the folder (made where it is missing) and recover what is in it. Blocking. Raises SpoolError.

        What could not be read is declared lost and told in `opened`. `max_bytes` bounds the folder, `buffer_bytes` what
        waits in memory for a full or failing disk. `executor` (otherwise a thread of its own) is shut down by `close`.
        """
        if max_bytes < MIN_BYTES:
            raise SpoolError(f"max_size is {max_bytes} bytes", str(path), f"Give the spool at least {MIN_BYTES} bytes.")
        files = files if files is not None else DiskFiles(time.time)
        try:
            files.make_folder(path)
            lock = FolderLock.take(path)
        except OSError as error:
            raise SpoolError(f"cannot use the spool folder ({error.strerror})", str(path), _REMEDY) from error
        try:
            recovered = recover(files, path, outlets, secrets.token_hex(4))
            now = time.monotonic()
            ages = Ages((segment.last, now - files.age_s(segment.path)) for segment in recovered.segments)
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise SpoolError(f"cannot read the spool ({error.strerror})", str(path), _REMEDY) from error
            raise
        segment_bytes = _pages(min(segment_bytes, max_bytes // 8))
        chunk_bytes = _pages(min(_CHUNK_BYTES, segment_bytes, max_bytes // 16))
        books = Books(recovered.state, recovered.change, outlets)
        intake = Intake(recovered.tail, recovered.next, books, path, when_full == "drop-oldest")
        shelf = Shelf(recovered.segments, outlets)
        room = Room(
            shelf,
            books,
            intake,
            max_bytes=max_bytes,
            segment_bytes=segment_bytes,
            chunk_bytes=chunk_bytes,
            buffer_bytes=buffer_bytes,
            drops_oldest=when_full == "drop-oldest",
        )
        log = Log(files, path, recovered.spool_id, recovered.serial, chunk_bytes)
        thread = executor if executor is not None else ThreadPoolExecutor(1, thread_name_prefix="spool")
        committer = Committer(log, shelf, books, intake, room, thread, path, ages, window_s)
        committer.commit_now()
        return cls(path, lock, recovered, books, intake, shelf, committer, Reader(files, shelf, committer))

    @property
    def next(self) -> int:
        """The number the next entry will get."""
        return self._intake.next

    @property
    def committed(self) -> int:
        """The highest number that is durable; 0 at the beginning."""
        return self._committer.committed

    @property
    def first(self) -> int:
        """The oldest number still held; the one after `committed` where nothing is."""
        return self._shelf.first_held(self._committer.committed + 1)

    def append(self, data: bytes) -> int:
        """Accept an entry (at most 65535 bytes) and give it its number. Never waits.

        Raises SpoolFull where `when_full` refuses it; its number is then declared lost.
        """
        return self._intake.append(data)

    async def run(self) -> None:
        """Commit what is appended, for ever: at once when the last commit is older than the window, else at its end.

        A failing or full disk is tried again with growing pauses; meanwhile up to `buffer_bytes` wait in memory.
        """
        await self._committer.run()

    async def flush(self) -> None:
        """Everything appended, settled and noted so far is durable. Raises SpoolError where the disk refuses."""
        await self._committer.flush()

    def on_commit(self, callback: Callable[[list[tuple[int, bytes]]], None]) -> None:
        """Have `callback` called in the loop with each committed group, in order."""
        self._committer.on_commit.append(callback)

    def on_loss(self, callback: Callable[[str, int, int], None]) -> None:
        """Have `callback(reason, first, last)` called in the loop for each loss that has become durable."""
        self._committer.on_loss.append(callback)

    def settle(self, outlet: str, first: int, last: int) -> None:
        """The outlet is done with `first` … `last`; written with the next commit, or after a while without one."""
        if not 1 <= first <= last < self._intake.next:
            raise ValueError(f"cannot settle {first}…{last}: numbers from 1 to {self._intake.next - 1} were given")
        self._committer.settle(outlet, first, last)

    def settled(self, outlet: str) -> IntervalsView:
        """What the outlet has settled: the living set, to look at only."""
        return self._books.state.settled[outlet]

    def pending(self, outlet: str) -> list[tuple[int, int]]:
        """What is durable and held, and the outlet has not settled: ascending ranges."""
        return self._books.state.owed([outlet], self.first, self.committed)

    def owed(self, outlet: str, first: int, last: int) -> list[tuple[int, int]]:
        """The ranges of `first` … `last` that the outlet still has to bring out: neither settled, lost nor gone."""
        return self._books.state.owed([outlet], first, last)

    def is_settled(self, last: int) -> bool:
        """True when no outlet owes anything up to this number."""
        return not self._books.state.owed(self._books.outlets, 1, last)

    def begin_again(self, outlet: str) -> None:
        """Nothing of what is still held counts as settled by this outlet any more; durable with the next commit."""
        self._books.begin_again(outlet)
        self._committer.wake()

    def hold(self, first: int) -> None:
        """Keep what is settled from number `first` on, also over restarts, until said otherwise (OPEN_END: nothing) or
        the bound asks for room. Raises SpoolError where there are too many notes."""
        if first == self._books.held_from:
            return
        self._books.held_from = first
        self._books.touched.append((1, first))
        self.note(HELD, first.to_bytes(8, "little"), LATEST)  # what opens the spool next must know, before it tidies up

    def declare(self, first: int, last: int, reason: str) -> None:
        """No outlet will ever bring out `first` … `last`: those still owed and durable are lost for this reason."""
        for owed_first, owed_last in self._books.state.owed(self._books.outlets, first, min(last, self.committed)):
            self._books.lose(reason, owed_first, owed_last)
        self._committer.wake()

    def read(self, first: int, last: int, limit_bytes: int = 1 << 20) -> list[tuple[int, bytes]]:
        """Committed entries `first` … `last`, ascending, at least one, until `limit_bytes` of data.

        Blocking: use a thread. Damaged entries are left out and declared lost.
        """
        return self._reader.read(first, last, limit_bytes)

    def verify(self) -> VerifyReport:
        """Read everything once and declare what is damaged. Blocking: use a thread."""
        return self._reader.verify()

    @property
    def losses(self) -> Mapping[str, list[tuple[int, int]]]:
        """What was lost since the spool was made, by reason; only what is declared durably."""
        return {reason: numbers.ranges() for reason, numbers in self._books.declared.items() if numbers}

    def note(self, kind: int, data: bytes, until: int = FOREVER) -> int:
        """Keep `data` (at most 4096 bytes) until number `until` is gone; durable after the next commit or `flush`.

        With `until` LATEST it takes the place of the one of its kind made so before. Raises SpoolError where all notes
        together pass 256 KiB.
        """
        if len(data) > MAX_NOTE:
            raise ValueError(f"a note of {len(data)} bytes; {MAX_NOTE} are possible")
        if self._books.state.notes_bytes() + len(data) > MAX_NOTES_BYTES:
            raise SpoolError("too many notes", str(self.path), "Notes need an end: give `until`.")
        number = self._books.add_note(Note(kind, until, data))
        self._committer.wake()
        return number

    def notes(self) -> list[tuple[int, bytes]]:
        """All notes kept, in the order they were made: kind and data."""
        return [(note.kind, note.data) for _, note in sorted(self._books.state.notes.items())]

    def stats(self) -> SpoolStats:
        """Figures of now."""
        committer, error = self._committer, self._committer.error
        owed = self._books.state.owed(self._books.outlets, self.first, self.committed)
        return SpoolStats(
            bytes=self._shelf.bytes,
            segments=len(self._shelf.all()),
            first=self.first,
            next=self.next,
            committed=self.committed,
            buffered_bytes=self._intake.bytes,
            oldest_age_s=committer.ages.age_s(owed[0][0], time.monotonic()) if owed else 0.0,
            commits=committer.commits,
            bytes_written=committer.bytes_written,
            failed_syncs=committer.failed_syncs,
            lost=len(self._books.state.lost()),
            last_error=(error.strerror or str(error)) if error is not None else "",
        )

    async def close(self) -> None:
        """Commit what is left and let the folder go. Raises SpoolError where the disk refused. Twice is once."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._committer.end()
        finally:
            try:
                await asyncio.shield(self._committer.stop())
            finally:
                self._lock.release()

    def release(self) -> None:
        """Let the folder go without writing: what was not committed is lost. For tools, and where no loop runs."""
        if not self._is_closed:
            self._is_closed = True
            self._committer.abandon()
            self._lock.release()


def _pages(size: int) -> int:
    return max(PAGE, size // PAGE * PAGE)
