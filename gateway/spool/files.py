"""The few things the spool asks of a file system: a seam for disks that lie, fill up or die."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

PAGE = 4096
"""What a disk writes at least, and what the kernel caches in."""


class Files(Protocol):
    """Blocking file operations; all raise OSError. Descriptors are small integers that only this object understands."""

    def names(self, folder: Path) -> list[str]: ...
    def size(self, path: Path) -> int: ...
    def age_s(self, path: Path) -> float: ...
    def create(self, path: Path) -> int: ...
    def open(self, path: Path) -> int: ...
    def close(self, handle: int) -> None: ...
    def read_at(self, handle: int, size: int, offset: int) -> bytes: ...
    def write_at(self, handle: int, data: bytes, offset: int) -> None: ...
    def allocate(self, handle: int, offset: int, size: int) -> None: ...
    def truncate(self, handle: int, size: int) -> None: ...
    def sync(self, handle: int) -> None: ...
    def sync_folder(self, folder: Path) -> None: ...
    def unlink(self, path: Path) -> None: ...
    def make_folder(self, path: Path) -> None: ...
    def rename(self, old: Path, new: Path) -> None: ...


class DiskFiles:
    """The operating system's files."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now  # seconds since the epoch

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def age_s(self, path: Path) -> float:
        return max(0.0, self._now() - path.stat().st_mtime)

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self, handle: int) -> None:
        os.close(handle)

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        return os.pread(handle, size, offset)

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written

    def allocate(self, handle: int, offset: int, size: int) -> None:
        # Blocks that are there already cost the journal nothing at each commit. Zeros rather than fallocate, which
        # journals the conversion of what it promised: on ext4 1000 bytes at the disk for an entry in groups of 5, not
        # 1240 (appending without either: 3800).
        self.write_at(handle, bytes(size), offset)

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        os.fdatasync(handle)

    def sync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)
