"""Looking into a spool without touching it: no lock, no repair, nothing written, also while a gateway runs on it.

What is seen is what opening would find. While a gateway writes, the end of its newest segment may be seen half written:
then it is looked at again, and what still is unfinished afterwards is left out.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.spool.errors import SpoolError
from gateway.spool.files import DiskFiles
from gateway.spool.intervals import Intervals
from gateway.spool.records import ENTRY, FILE_MARK, Found, scan, seed_of
from gateway.spool.recover import Recovered, recover
from gateway.spool.segments import Marks, Segment, read_entries
from gateway.spool.state import State

_TRIES = 8
_PAUSE_S = 0.05
_LOCKS = Path("/proc/locks")


class ReadOnlyFiles(DiskFiles):
    """The operating system's files, to be read only: what would change them does nothing."""

    def __init__(self) -> None:
        super().__init__(time.time)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def unlink(self, path: Path) -> None:
        """Left alone."""

    def make_folder(self, path: Path) -> None:
        """Left alone."""

    def rename(self, old: Path, new: Path) -> None:
        """Left alone."""

    def sync_folder(self, folder: Path) -> None:
        """Nothing to sync."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are neither record nor filling."""

    file: Path
    offset: int
    size: int


@dataclass(slots=True)
class Examination:
    """What a full reading found. `lost`: owed to an outlet and unreadable; `settled`: unreadable, but delivered before.

    `unfinished` is the end of the newest segment, cut off in a write that was never confirmed.
    """

    entries: int = 0
    bytes: int = 0
    damages: list[Damage] = field(default_factory=list)
    unfinished: Damage | None = None
    lost: list[tuple[int, int]] = field(default_factory=list)
    settled: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """A spool as it was at one moment. `holder` is the process that runs on it, None where none does.

    `state` already has what opening would declare lost (`declared`); `is_partial` says that nothing tells any more what
    was settled.
    """

    path: Path
    spool_id: str
    holder: int | None
    segments: tuple[Segment, ...]
    tail: tuple[tuple[int, bytes], ...]
    next: int
    state: State
    outlets: tuple[str, ...]
    declared: tuple[tuple[int, int], ...]
    is_partial: bool

    @property
    def first(self) -> int:
        """The oldest number held; `next` where nothing is."""
        return self.segments[0].first if self.segments else self.next

    @property
    def size(self) -> int:
        """What the segments take on the disk."""
        return sum(segment.size for segment in self.segments)

    def owed(self) -> Intervals:
        """Held numbers that some outlet has not settled."""
        return Intervals(self.state.owed(self.outlets, self.first, self.next - 1))

    def losses(self) -> dict[str, list[tuple[int, int]]]:
        """What was lost since the spool was made, by reason."""
        return {reason: numbers.ranges() for reason, numbers in self.state.losses.items() if numbers}

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Undamaged entries `first` … `last` that are still there, ascending. Blocking; raises OSError."""
        end = self.next - 1 if last is None else last
        files = ReadOnlyFiles()
        for segment in self.segments:
            start, stop = max(first, segment.first), min(end, segment.last)
            if start <= stop:
                with contextlib.suppress(FileNotFoundError):  # settled meanwhile, and gone
                    yield from read_entries(files, segment, start, stop, Marks(), 1 << 62)
        yield from ((number, data) for number, data in self.tail if first <= number <= end)

    def records(self, segment: Segment) -> Iterator[Found]:
        """All records of one segment, and its damaged stretches (kind 0). Nothing where it was removed meanwhile."""
        files = ReadOnlyFiles()
        try:
            size, handle = files.size(segment.path), files.open(segment.path)
        except FileNotFoundError:
            return
        try:
            yield from scan(files, handle, size, seed_of(segment.spool_id), len(FILE_MARK))
        finally:
            files.close(handle)

    def examine(self) -> Examination:
        """Read every byte of every segment."""
        report, entries, removed = Examination(), Intervals(), Intervals()
        for segment in self.segments:
            is_newest, is_seen = segment is self.segments[-1], False
            for found in self.records(segment):
                is_seen = True
                if found.kind == ENTRY and found.number < self.next:
                    entries.add(found.number)
                    report.entries += 1
                elif not found.kind:
                    report.damages.append(Damage(segment.path, found.offset, found.end - found.offset))
                if is_newest and not found.kind and found.end >= segment.size:
                    report.unfinished = report.damages.pop()
            if is_seen:
                report.bytes += segment.size
            elif segment.first <= (last := self.next - 1 if is_newest else segment.last):
                removed.add(segment.first, last)  # settled meanwhile, and gone
        self._judge(report, entries, removed)
        return report

    def _judge(self, report: Examination, entries: Intervals, removed: Intervals) -> None:
        fresh = Intervals(self.declared)
        for numbers in (*self.state.losses.values(), self.state.gone, removed):
            for first, last in numbers.ranges():
                for start, end in fresh.missing(first, last):
                    entries.add(start, end)  # nobody expects these any more
        for first, last in entries.missing(self.first, self.next - 1):
            lost = Intervals(self.state.owed(self.outlets, first, last))
            for start, end in fresh.ranges():
                if start <= last and end >= first:
                    lost.add(max(start, first), min(end, last))
            report.lost += lost.ranges()
            report.settled += lost.missing(first, last)


def look(path: Path, outlets: Sequence[str] = ("main",), *, is_ours: bool = False) -> Look:
    """Look at the spool in a folder; `outlets` are those it is known to have. Blocking.

    `is_ours`: the caller holds its lock, so nobody writes.

    Raises SpoolError where there is none (or one of a newer format), OSError where it cannot be read.
    """
    for attempt in range(_TRIES):
        holder = None if is_ours else holder_of(path)
        try:
            found = recover(ReadOnlyFiles(), path, outlets, "00000000")
            more = sorted({*outlets, *found.state.settled})
            if more != sorted(outlets):
                found = recover(ReadOnlyFiles(), path, more, "00000000")
        except FileNotFoundError:
            if not path.is_dir() or attempt == _TRIES - 1:
                raise
        else:
            report = found.report
            # A hole too: a folder's listing is no moment, and may have one segment but not the one before it.
            is_torn = bool(report.damaged_places or report.declared or report.set_aside or report.is_new)
            if holder is None or not is_torn or attempt == _TRIES - 1:
                return _made(path, holder, found, tuple(more))
        time.sleep(_PAUSE_S)  # its gateway is writing at this moment
    raise AssertionError("unreachable")


def _made(path: Path, holder: int | None, found: Recovered, outlets: tuple[str, ...]) -> Look:
    report = found.report
    if report.is_new:
        what = "nothing in it can be read as a spool" if report.set_aside else "there is no spool"
        raise SpoolError(what, str(path), "Give the folder that [spool] path names.")
    return Look(
        path,
        found.spool_id,
        holder,
        tuple(found.segments),
        tuple(found.tail),
        found.next,
        found.state,
        outlets,
        tuple(report.declared),
        report.is_state_lost,
    )


def holder_of(path: Path) -> int | None:
    """The process that runs on the spool in this folder, 0 for one that is not told; None where none does.

    Asks the kernel's list of locks: to try the lock would make a gateway that starts in this moment believe it taken.
    """
    try:
        facts = (path / "lock").stat()
        said = (path / "lock").read_bytes()[:20].decode("ascii", "replace").strip()
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    device, inode = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}", str(facts.st_ino)
    for line in lines:
        fields = line.split()
        if len(fields) < 6 or fields[1] != "FLOCK" or fields[5].rpartition(":")[2] != inode:
            continue
        if fields[5].startswith(device) or fields[4] == said:  # some file systems have another device there
            return max(0, int(fields[4]))
    return None
