"""Repair: a fresh spool of everything that can still be read, put in the damaged one's place in one step.

The original is never written. It stays beside the new one, for whoever wants to look.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gateway.spool.errors import SpoolError
from gateway.spool.files import DiskFiles
from gateway.spool.inspect import Examination, Look, look
from gateway.spool.intervals import Intervals
from gateway.spool.lock import FolderLock
from gateway.spool.records import END, ENTRY, HEAD_SIZE, Control, frame_group, seed_of
from gateway.spool.recover import DAMAGED
from gateway.spool.segments import SegmentWriter, opening_bytes, parse_name
from gateway.spool.state import State, add_to

_SEGMENT_BYTES = 4 << 20
_GROUP_BYTES = 256 << 10
_CHUNK_BYTES = 64 << 10
_MAX_IN_GROUP = 5000
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What became of a spool: how many entries were kept, what was found, where the original and the new one are."""

    spool_id: str
    kept: int
    found: Examination
    is_partial: bool
    original: Path
    repaired: Path


def repair(path: Path, *, into: Path | None = None) -> RepairReport:
    """Make a whole spool of what can be read, in the place of the damaged one, or in the new folder `into`.

    Blocking. Raises SpoolError where a gateway runs on it, nothing can be read, or there is no room; OSError.
    """
    with ExitStack() as held:
        held.callback(FolderLock.take(path).release)
        before = look(path, is_ours=True)
        found = before.examine()
        target = into if into is not None else path.with_name(f"{path.name}.repairing")
        _make(target, path, before, is_ours=into is None)
        held.callback(FolderLock.take(target).release)
        kept = _write(target, before, found)
        _copy_others(path, target)
        _give_to_owner(target, path)
        if into is None:
            original = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
            _swap(path, target, original)
            target = path
        else:
            original = path
        return RepairReport(before.spool_id, kept, found, before.is_partial, original, target)


def undamaged(spool: Look) -> Iterator[tuple[int, bytes]]:
    """Every entry of which a whole copy is left, once, ascending.

    What an opening wrote again stands twice: at the end of one segment and at the beginning of the next.
    """
    given = 0
    ahead: dict[int, bytes] = {}
    for segment in spool.segments:
        later: dict[int, bytes] = {}
        for found in spool.records(segment):
            number = found.number
            if found.kind != ENTRY or not given < number < spool.next:
                continue
            if number > segment.last:
                later[number] = found.data
                continue
            for other in sorted(other for other in ahead if given < other < number):
                yield other, ahead[other]
            yield number, found.data
            given = number
        for other in sorted(other for other in ahead if given < other <= segment.last):
            yield other, ahead[other]
            given = other
        ahead = {number: data for number, data in (ahead | later).items() if number > given}
    yield from sorted(ahead.items())


def _make(target: Path, path: Path, before: Look, *, is_ours: bool) -> None:
    if is_ours and target.exists():
        shutil.rmtree(target)  # left by a repair that was interrupted
    try:
        target.mkdir(mode=path.stat().st_mode & 0o777)
    except OSError as error:
        remedy = "Name a folder that is not there yet, where this user may write: --into FOLDER."
        raise SpoolError(f"cannot make the folder for the repair ({error.strerror})", str(target), remedy) from error
    free = shutil.disk_usage(target).free
    if free < before.size + 2 * _SEGMENT_BYTES:
        target.rmdir()
        remedy = "Free some space, or repair into a folder on another disk: --into FOLDER."
        raise SpoolError(f"the copy takes {before.size} bytes, {free} are free", str(target.parent), remedy)


def _write(target: Path, before: Look, found: Examination) -> int:
    """All that `before` holds, as new segments; how many entries there are."""
    state = State()
    state.absorb(before.state)
    if found.lost:
        add_to(state.losses, DAMAGED, Intervals(found.lost))
    state.gone.update(Intervals(found.settled))
    writer = _Writer(target, before, state)
    for number, data in undamaged(before):
        writer.add(number, data)
    return writer.end()


class _Writer:
    """Writes entries into segments of the usual size, each of which says all that is known."""

    def __init__(self, target: Path, before: Look, state: State) -> None:
        self._target, self._spool_id, self._state, self._next = target, before.spool_id, state, before.next
        self._serial = 1 + max((segment.serial for segment in before.segments), default=0)
        self._first = before.first
        self._files = DiskFiles(time.time)
        self._segment: SegmentWriter | None = None
        self._filled = self._kept = self._waiting_bytes = 0
        self._waiting: list[tuple[int, bytes]] = []

    def add(self, number: int, data: bytes) -> None:
        """The next entry."""
        self._waiting.append((number, data))
        self._waiting_bytes += len(data) + HEAD_SIZE
        self._kept += 1
        if self._waiting_bytes >= _GROUP_BYTES or len(self._waiting) >= _MAX_IN_GROUP:
            self._put([])

    def end(self) -> int:
        """Everything is on the disk; how many entries there were."""
        self._put([Control(END, self._next, b"")])
        assert self._segment is not None, "the end was written into it"
        self._segment.finish()
        return self._kept

    def _put(self, controls: list[Control]) -> None:
        group = frame_group(self._waiting, controls, seed_of(self._spool_id))
        if self._segment is None or self._filled + len(group) > _SEGMENT_BYTES:
            if self._segment is not None:
                self._segment.finish()
                self._first = self._waiting[0][0] if self._waiting else self._next
            self._segment = SegmentWriter(
                self._files, self._target, self._spool_id, self._serial, self._first, _CHUNK_BYTES
            )
            snapshot = self._state.snapshot(self._next)
            group = opening_bytes(self._spool_id, self._serial, self._first, time.time_ns(), snapshot) + group
            self._serial += 1
        self._filled = self._segment.write(group) + len(group)
        self._waiting, self._waiting_bytes = [], 0


def _copy_others(path: Path, target: Path) -> None:
    """What lives in the folder beside the segments."""
    for file in path.iterdir():
        if file.is_file() and not file.is_symlink() and file.name != "lock" and parse_name(path, file.name, 0) is None:
            shutil.copy2(file, target / file.name)


def _give_to_owner(target: Path, path: Path) -> None:
    """Files made by root belong to who runs the gateway."""
    owner = path.stat()
    if os.geteuid() == 0:
        for file in (target, *target.iterdir()):
            os.chown(file, owner.st_uid, owner.st_gid)
    DiskFiles(time.time).sync_folder(target)


def _swap(path: Path, target: Path, original: Path) -> None:
    """`target` gets the name `path`, what was there the name `original`. At every moment a whole spool is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        status = libc.renameat2(_AT_FDCWD, os.fsencode(target), _AT_FDCWD, os.fsencode(path), _RENAME_EXCHANGE)
        code = ctypes.get_errno() if status else 0
    except AttributeError:  # a C library without it
        code = errno.ENOSYS
    if code in (errno.ENOSYS, errno.EINVAL):  # nor a file system that can: two steps, the original first
        path.rename(original)
        target.rename(path)
    elif code:
        remedy = f"The repaired spool is in {target}: put it in its place by hand, or repair with --into FOLDER."
        raise SpoolError(f"cannot be put in place ({os.strerror(code)})", str(path), remedy)
    else:
        target.rename(original)
    DiskFiles(time.time).sync_folder(path.parent)
