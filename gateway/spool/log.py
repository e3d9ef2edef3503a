"""The writing half of a spool: takes one batch at a time to the disk, in the spool's one thread."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.spool.files import PAGE, Files
from gateway.spool.records import Control, frame_group, seed_of
from gateway.spool.segments import OPEN_END, Segment, SegmentWriter, opening_bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit writes. With `opening` a new segment is begun, whose first entry will be `first`."""

    entries: list[tuple[int, bytes]]
    controls: list[Control]
    first: int
    opening: list[Control] | None = None
    remove_before: Sequence[Segment] = ()
    remove_after: Sequence[Segment] = ()


@dataclass(slots=True)
class Outcome:
    """What became of a batch. With `error` nothing of its entries and controls is durable."""

    error: OSError | None = None
    finished_size: int | None = None  # what the former segment takes now; it is not written any more
    created: Segment | None = None
    offset: int = 0  # where the group begins
    size: int = 0  # what the present segment takes; 0 where nothing was written
    end: int = 0  # how far it is filled
    bytes_written: int = 0  # in whole pages, as the disk counts
    removed: tuple[Segment, ...] = ()


class Log:
    """Owner of the segment being written."""

    def __init__(self, files: Files, folder: Path, spool_id: str, serial: int, chunk_bytes: int) -> None:
        self._files, self._folder, self._spool_id = files, folder, spool_id
        self._seed = seed_of(spool_id)
        self._serial = serial
        self._chunk_bytes = chunk_bytes
        self._writer: SegmentWriter | None = None

    def commit(self, batch: Batch) -> Outcome:
        """Write, sync, remove. Disk errors are in the outcome; a segment that failed is never written again."""
        outcome = Outcome()
        try:
            self._remove(batch.remove_before, outcome)
            self._write(batch, outcome)
        except OSError as error:
            outcome.error = error
            self._abandon(outcome)
            return outcome
        with contextlib.suppress(OSError):  # what is still there is asked for again with the next batch
            self._remove(batch.remove_after, outcome)
        return outcome

    def _write(self, batch: Batch, outcome: Outcome) -> None:
        group = frame_group(batch.entries, batch.controls, self._seed)
        if not group and batch.opening is None:
            return
        if batch.opening is not None:
            if self._writer is not None:
                outcome.finished_size = self._writer.finish()
                self._writer = None
            serial, self._serial = self._serial, self._serial + 1
            self._writer = SegmentWriter(
                self._files, self._folder, self._spool_id, serial, batch.first, self._chunk_bytes
            )
            head = opening_bytes(self._spool_id, serial, batch.first, time.time_ns(), batch.opening)
            group = head + group
        elif self._writer is None:
            raise AssertionError("no segment is open")
        writer = self._writer
        pages = writer.pages_written
        outcome.offset = writer.write(group)
        outcome.size, outcome.end = writer.allocated, outcome.offset + len(group)
        outcome.bytes_written = (writer.pages_written - pages) * PAGE
        if batch.opening is not None:
            outcome.created = Segment(writer.path, self._spool_id, serial, batch.first, OPEN_END, writer.allocated)

    def _abandon(self, outcome: Outcome) -> None:
        if self._writer is None:
            return
        if self._writer.is_fresh:
            self._writer.discard()
        else:
            outcome.finished_size = self._writer.finish()
        self._writer = None

    def _remove(self, segments: Sequence[Segment], outcome: Outcome) -> None:
        if not segments:
            return
        for segment in segments:
            self._files.unlink(segment.path)
            outcome.removed = (*outcome.removed, segment)
        self._files.sync_folder(self._folder)

    def close(self) -> None:
        """Finish the segment. Never raises."""
        if self._writer is not None:
            self._writer.finish()
            self._writer = None
