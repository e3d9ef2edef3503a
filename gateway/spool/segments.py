"""Files of a spool: their names, the one being written, and reading entries out of any of them.

A segment's name is `<id>-<serial>-<first>.seg`: the spool's id, a serial that rises with each file, and the number of
its first entry, so that the index of a large spool is a list of names. The bytes inside: gateway.spool.records.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.spool.files import PAGE, Files
from gateway.spool.records import ENTRY, FILE_MARK, HEADER, VERSION, Control, frame_group, scan, seed_of

_NAME = re.compile(r"([0-9a-f]{8})-(\d{8,})-(\d{16,})\.seg", re.ASCII)
_HEADER = struct.Struct("<B4sQQ")
_MARK_SPACING = 64 << 10
OPEN_END = 1 << 62
"""`last` of a segment that is still being written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the spool: which numbers to look for in it, and how many bytes it takes on the disk."""

    path: Path
    spool_id: str
    serial: int
    first: int
    last: int
    size: int


def segment_name(spool_id: str, serial: int, first: int) -> str:
    """The file name."""
    return f"{spool_id}-{serial:08d}-{first:016d}.seg"


def parse_name(folder: Path, name: str, size: int) -> Segment | None:
    """The segment of that name, or None where the name is no segment's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return Segment(folder / name, match[1], int(match[2]), int(match[3]), OPEN_END, size)


def header_control(spool_id: str, serial: int, first: int, at: int) -> Control:
    """The HEADER record; `at` is wall time in ns."""
    return Control(HEADER, first, _HEADER.pack(VERSION, bytes.fromhex(spool_id), serial, at))


def header_version(data: bytes) -> int:
    """The format's version that a HEADER record names."""
    return data[0] if data else 0


class SegmentWriter:
    """The segment being written. Blocking, for one thread. After any OSError it is finished: close it, use another."""

    def __init__(self, files: Files, folder: Path, spool_id: str, serial: int, first: int, chunk_bytes: int) -> None:
        self._files, self._chunk_bytes = files, chunk_bytes
        self.path = folder / segment_name(spool_id, serial, first)
        self._folder = folder
        self._handle = files.create(self.path)
        self._position = 0
        self.allocated = 0
        self.pages_written = 0
        self.is_fresh = True  # nothing in it has been made durable yet

    def write(self, group: bytes) -> int:
        """Make `group` durable and return where it begins. Raises OSError; then nothing of it counts as written."""
        start = self._position
        room = PAGE - start % PAGE
        # A group that would touch one page more than it must begins on the next page, unless that wastes too much.
        if room < len(group) and room <= PAGE // 4:
            start += room
        end = start + len(group)
        before = self.allocated
        if end > before:
            self._allocate(end)
        self._files.write_at(self._handle, group, start)
        self._files.sync(self._handle)
        if self.is_fresh:
            self._files.sync_folder(self._folder)
            self.is_fresh = False
        until = self.allocated if self.allocated > before else end
        self.pages_written += (until - 1) // PAGE - start // PAGE + 1
        self._position = end
        return start

    def _allocate(self, end: int) -> None:
        needed = -(-end // PAGE) * PAGE - self.allocated
        size = max(needed, self._chunk_bytes)
        try:
            self._files.allocate(self._handle, self.allocated, size)
        except OSError:
            # Almost full: what this group needs may still fit.
            if size == needed:
                raise
            size = needed
            self._files.allocate(self._handle, self.allocated, size)
        self.allocated += size

    def finish(self) -> int:
        """Give back what was allocated ahead and close; returns the size that remains. Never raises."""
        size = -(-self._position // PAGE) * PAGE
        try:
            if size < self.allocated:
                self._files.truncate(self._handle, size)
                self.allocated = size
        except OSError:
            pass  # space ahead of the records stays taken until the segment goes
        with contextlib.suppress(OSError):
            self._files.close(self._handle)
        return self.allocated

    def discard(self) -> None:
        """Close and remove a segment of which nothing was ever made durable. Never raises."""
        with contextlib.suppress(OSError):
            self._files.close(self._handle)
        with contextlib.suppress(OSError):
            self._files.unlink(self.path)


def opening_bytes(spool_id: str, serial: int, first: int, at: int, snapshot: list[Control]) -> bytes:
    """How a segment begins. The snapshot stands there twice, so that no single damaged place costs it."""
    header = header_control(spool_id, serial, first, at)
    return FILE_MARK + frame_group([], [header, *snapshot, *snapshot], seed_of(spool_id))


class Marks:
    """Where in a segment some of its entries begin, so that reading need not start at the beginning. At most 1024."""

    def __init__(self) -> None:
        self._at: list[tuple[int, int]] = []
        self._spacing = _MARK_SPACING

    def note(self, number: int, offset: int) -> None:
        """The entry (or the group that holds it) begins at `offset`; called with rising numbers, others are ignored."""
        if self._at:
            last_number, last_offset = self._at[-1]
            if number <= last_number or offset - last_offset < self._spacing:
                return
            if len(self._at) >= 1024:
                del self._at[1::2]
                self._spacing *= 2
        self._at.append((number, offset))

    def before(self, number: int) -> int:
        """An offset from which a scan meets `number`, if it is there."""
        best = len(FILE_MARK)
        for noted, offset in self._at:
            if noted > number:
                break
            best = offset
        return best


def read_entries(
    files: Files, segment: Segment, first: int, last: int, marks: Marks, limit_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """The undamaged entries `first` … `last` of a segment in file order, until `limit_bytes` of data were given."""
    try:
        handle = files.open(segment.path)
    except FileNotFoundError:
        return
    try:
        size = files.size(segment.path)
        for found in scan(files, handle, size, seed_of(segment.spool_id), marks.before(first)):
            if found.kind != ENTRY:
                continue
            number = found.number
            marks.note(number, found.offset)
            if number > last:
                return
            if number >= first:
                yield number, found.data
                limit_bytes -= len(found.data)
                if limit_bytes <= 0:
                    return
    finally:
        files.close(handle)
