"""Every disk that a power cut may leave, from what the simulated disk remembers of its writes and syncs."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

from tests.spool.simdisk import SimDisk, SimFile

Names = tuple[tuple[Path, SimFile], ...]


def how_many(disk: SimDisk) -> int:
    """The number of choices a power cut has: each unsynced sector, size and name is there or not."""
    return sum(math.prod(_choices(file) for _, file in names) for names in _names(disk))


def every_cut(disk: SimDisk, most: int, dice: random.Random) -> Iterator[SimDisk]:
    """All of them where they are at most `most`, else so many: the extremes and a random choice of the others."""
    if how_many(disk) <= most:
        for names in _names(disk):
            files = [[(path, content) for content in _contents(file)] for path, file in names]
            for chosen in itertools.product(*files):
                yield _disk(disk, dict(chosen))
        return
    for extreme in (0, 1):
        for names in _names(disk):
            yield _disk(disk, {path: _content(file, -extreme, [extreme] * len(file.unsynced)) for path, file in names})
    for _ in range(most - 4):
        yield disk.after_cut(dice)


def _names(disk: SimDisk) -> list[Names]:
    """The ways in which the folder may have been left."""
    options: list[list[tuple[Path, SimFile | None]]] = []
    for path in {**disk.durable_names, **disk.files}:
        now, then = disk.files.get(path), disk.durable_names.get(path)
        options.append([(path, now)] if now is then else [(path, now), (path, then)])
    return [tuple((path, file) for path, file in way if file is not None) for way in itertools.product(*options)]


def _choices(file: SimFile) -> int:
    return (1 + len(set(file.sizes) - {len(file.durable)})) * 2 ** len(file.unsynced)


def _contents(file: SimFile) -> Iterator[bytes]:
    sizes = list(dict.fromkeys([len(file.durable), *file.sizes]))
    for at in range(len(sizes)):
        for mask in itertools.product((0, 1), repeat=len(file.unsynced)):
            yield _content(file, at, mask)


def _content(file: SimFile, size_at: int, mask: tuple[int, ...] | list[int]) -> bytes:
    size = list(dict.fromkeys([len(file.durable), *file.sizes]))[size_at]
    content = bytearray(file.durable[:size].ljust(size, b"\0"))
    for is_there, (offset, data) in zip(mask, file.unsynced, strict=True):
        if is_there and offset < size:
            content[offset : offset + len(data)] = data[: size - offset]
    return bytes(content)


def _disk(of: SimDisk, content: dict[Path, bytes]) -> SimDisk:
    cut = SimDisk(content)
    cut.folders = set(of.folders)
    return cut
