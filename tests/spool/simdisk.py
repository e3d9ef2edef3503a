"""A disk in memory that obeys POSIX and nothing more: what was not synced may or may not survive, sector by sector."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

SECTOR = 512


class PowerCut(BaseException):
    """The program ends here: no handler of the program's own may catch it."""


class SimFile:
    """One inode: what programs see, what is durable, and the writes between the two."""

    def __init__(self, durable: bytes = b"") -> None:
        self.seen = bytearray(durable)
        self.durable = bytes(durable)
        self.unsynced: list[tuple[int, bytes]] = []  # sector-sized pieces
        self.sizes: list[int] = []

    def after_cut(self, rng: random.Random) -> bytes:
        """A legal content after a power cut."""
        size = rng.choice([len(self.durable), *self.sizes])
        content = bytearray(self.durable[:size].ljust(size, b"\0"))
        chance = rng.choice([0.0, 0.3, 0.7, 1.0])
        for offset, data in self.unsynced:
            if rng.random() < chance and offset < size:
                content[offset : offset + len(data)] = data[: size - offset]
        return bytes(content)


class SimDisk:
    """Implements gateway.spool.files.Files. `fault(operation, path)` may raise OSError or PowerCut beforehand."""

    def __init__(self, content: dict[Path, bytes] | None = None) -> None:
        self.files = {path: SimFile(data) for path, data in (content or {}).items()}
        self.durable_names = dict(self.files)
        self.folders: set[Path] = set()
        self.fault: Callable[[str, Path], None] = lambda operation, path: None
        self.operations = 0
        self.capacity: int | None = None
        self._handles: dict[int, tuple[Path, SimFile]] = {}

    def after_cut(self, rng: random.Random) -> SimDisk:
        """The disk as the next boot may find it: each unsynced change of a folder or a sector is there or not."""
        chance = rng.choice([0.0, 0.5, 1.0])
        names: dict[Path, SimFile] = {}
        for path in {**self.durable_names, **self.files}:
            now, then = self.files.get(path), self.durable_names.get(path)
            chosen = now if now is then or rng.random() < chance else then
            if chosen is not None:
                names[path] = chosen
        cut = SimDisk({path: file.after_cut(rng) for path, file in names.items()})
        cut.folders = set(self.folders)
        return cut

    def after_kill(self) -> SimDisk:
        """The same disk for the next program: the kernel lives on, with all that is not synced yet."""
        self._handles.clear()
        self.fault = lambda operation, path: None
        return self

    def taken(self) -> int:
        """Bytes of all files."""
        return sum(len(file.seen) for file in self.files.values())

    def _begin(self, operation: str, path: Path) -> None:
        self.operations += 1
        self.fault(operation, path)

    def _check_room(self, path: Path, more: int) -> None:
        if self.capacity is not None and more > 0 and self.taken() + more > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def names(self, folder: Path) -> list[str]:
        found = [path.name for path in self.files if path.parent == folder]
        return found + [path.name for path in self.folders if path.parent == folder]

    def size(self, path: Path) -> int:
        return len(self.files[path].seen)

    def age_s(self, path: Path) -> float:
        return 0.0

    def create(self, path: Path) -> int:
        self._begin("create", path)
        if path in self.files:
            raise FileExistsError(path)
        self._check_room(path, 1)
        self.files[path] = SimFile()
        return self.open(path)

    def open(self, path: Path) -> int:
        if path not in self.files:
            raise FileNotFoundError(path)
        handle = 1 + max(self._handles, default=100)
        self._handles[handle] = (path, self.files[path])
        return handle

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        path, file = self._handles[handle]
        self._begin("read", path)
        return bytes(file.seen[offset : offset + size])

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        path, file = self._handles[handle]
        self._begin("write", path)
        end = offset + len(data)
        self._check_room(path, end - len(file.seen))
        if end > len(file.seen):
            self._resize(file, end)
        file.seen[offset:end] = data
        # Whole sectors of what is seen now: a sector is the least a disk writes.
        for start in range(offset // SECTOR * SECTOR, end, SECTOR):
            file.unsynced.append((start, bytes(file.seen[start : start + SECTOR])))

    def allocate(self, handle: int, offset: int, size: int) -> None:
        path, file = self._handles[handle]
        self._begin("allocate", path)
        self._check_room(path, offset + size - len(file.seen))
        if offset + size > len(file.seen):
            self._resize(file, offset + size)

    def truncate(self, handle: int, size: int) -> None:
        path, file = self._handles[handle]
        self._begin("truncate", path)
        self._resize(file, size)

    def _resize(self, file: SimFile, size: int) -> None:
        del file.seen[size:]
        file.seen.extend(bytes(size - len(file.seen)))
        file.sizes.append(size)

    def sync(self, handle: int) -> None:
        path, file = self._handles[handle]
        try:
            self._begin("sync", path)
        except OSError:
            # What Linux does: the pages count as written from now on, and the error is told only once.
            file.unsynced = []
            raise
        file.durable, file.unsynced, file.sizes = bytes(file.seen), [], []

    def sync_folder(self, folder: Path) -> None:
        self._begin("sync_folder", folder)
        self.durable_names = dict(self.files)

    def unlink(self, path: Path) -> None:
        self._begin("unlink", path)
        self.files.pop(path, None)

    def make_folder(self, path: Path) -> None:
        self.folders.add(path)

    def rename(self, old: Path, new: Path) -> None:
        self._begin("rename", old)
        self.files[new] = self.files.pop(old)


class Inline(Executor):
    """Does everything at once, in the caller's thread, so that a test decides the order."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except PowerCut:
            raise
        except BaseException as error:  # what a real executor does
            future.set_exception(error)
        return future


def fail_with(number: int, *operations: str) -> Callable[[str, Path], None]:
    """A fault that lets each of these operations fail with that errno."""

    def fault(operation: str, path: Path) -> None:
        if operation in operations:
            raise OSError(number, os.strerror(number), str(path))

    return fault
