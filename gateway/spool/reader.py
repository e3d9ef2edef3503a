"""The reading half of a spool. Blocking, for any thread; what is missing is told to who declares it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gateway.spool.files import Files
from gateway.spool.intervals import Intervals
from gateway.spool.records import ENTRY, FILE_MARK, scan, seed_of
from gateway.spool.segments import OPEN_END, Segment, read_entries
from gateway.spool.shelf import Shelf


class Judge(Protocol):
    """Who knows what is durable and decides what a number that cannot be read means."""

    @property
    def committed(self) -> int: ...
    def missed(self, ranges: list[tuple[int, int]]) -> None: ...


@dataclass(slots=True)
class VerifyReport:
    """What a full reading found. `unreadable`: numbers that no segment has any more, settled and lost ones included."""

    segments: int = 0
    bytes: int = 0
    entries: int = 0
    damaged_places: int = 0
    unreadable: list[tuple[int, int]] = field(default_factory=list)


class Reader:
    """Reads committed entries of all segments."""

    def __init__(self, files: Files, shelf: Shelf, judge: Judge) -> None:
        self._files, self._shelf, self._judge = files, shelf, judge

    def read(self, first: int, last: int, limit_bytes: int) -> list[tuple[int, bytes]]:
        """Entries in ascending order until `limit_bytes` are reached."""
        last = min(last, self._judge.committed)
        found: list[tuple[int, bytes]] = []
        missed: list[tuple[int, int]] = []
        for segment in self._shelf.all():
            start, end = max(first, segment.first), min(last, segment.last)
            if start > end:
                continue
            expected = start
            for number, data in read_entries(self._files, segment, start, end, self._shelf.marks(segment), limit_bytes):
                if number < expected:
                    continue
                if number > expected:
                    missed.append((expected, number - 1))
                expected = number + 1
                found.append((number, data))
                limit_bytes -= len(data)
            if limit_bytes <= 0:
                break
            if expected <= end:
                missed.append((expected, end))
        if missed:
            self._judge.missed(missed)
        return found

    def verify(self) -> VerifyReport:
        """Read every byte of every segment."""
        report = VerifyReport()
        committed = self._judge.committed
        missed: list[tuple[int, int]] = []
        for segment in self._shelf.all():
            entries = self._check(segment, committed, report)
            missed += entries.missing(segment.first, min(segment.last, committed))
        report.unreadable = missed
        if missed:
            self._judge.missed(missed)
        return report

    def _check(self, segment: Segment, committed: int, report: VerifyReport) -> Intervals:
        entries = Intervals()
        try:
            handle = self._files.open(segment.path)
        except FileNotFoundError:
            return entries  # removed meanwhile, which the judge knows, or stolen
        try:
            size = self._files.size(segment.path)
            damaged = 0
            for found in scan(self._files, handle, size, seed_of(segment.spool_id), len(FILE_MARK)):
                damaged += not found.kind
                if found.kind == ENTRY:
                    if found.number > committed:
                        break  # being written at this moment
                    if found.number <= segment.last:  # a commit that was written again stands in the next segment too
                        entries.add(found.number)
                if found.kind or segment.last != OPEN_END:
                    report.damaged_places += damaged
                    damaged = 0
        finally:
            self._files.close(handle)
        report.segments += 1
        report.bytes += size
        report.entries += len(entries)
        return entries
