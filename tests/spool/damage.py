"""A small spool, ways to damage it, and what must still be true of it; for quick tests and long runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.spool.spool import Spool
from tests.spool.simdisk import Inline, SimDisk

HEAD = 20  # bytes before an entry's data in the file


@dataclass(frozen=True)
class Sample:
    """Segments by path, the entries that were shown, and the stretch of a file that each of them takes."""

    folder: Path
    files: dict[Path, bytes]
    entries: dict[int, bytes]
    places: dict[int, tuple[Path, int, int]]
    spool_id: str


@dataclass(frozen=True)
class Verdict:
    """What opening a damaged copy gave back, in numbers of entries."""

    undamaged: int
    recovered: int
    has_new_id: bool


def make_sample(folder: Path, entries: int = 36, is_closed: bool = False) -> Sample:
    """A spool in three or so segments; `b` has settled nothing, `a` some; it ends by a crash unless `is_closed`."""
    disk = SimDisk()
    shown: dict[int, bytes] = {}
    with asyncio.Runner() as runner:
        for _ in range(3):  # each start begins a segment
            spool = _open(folder, disk)
            spool.on_commit(shown.update)
            for _ in range(entries // 9):
                for _ in range(3):
                    number = spool.next
                    spool.append(
                        b"entry %04d " % number + bytes(1 + (number * 7 + at) % 250 for at in range(number % 40))
                    )
                spool.settle("a", 1, max(1, spool.next - 4))
                runner.run(spool.flush())
            if is_closed:
                runner.run(spool.close())
            spool.release()
        spool_id = spool.id
    files = {path: bytes(file.seen) for path, file in disk.files.items()}
    places = {}
    for number, data in shown.items():
        # The last copy counts: an entry of the last commit before a crash is written again.
        path = max(path for path, content in files.items() if data in content)
        at = files[path].index(data)
        places[number] = (path, at - HEAD, at + len(data))
    return Sample(folder, files, shown, places, spool_id)


def judge(sample: Sample, files: dict[Path, bytes], runner: asyncio.Runner) -> Verdict:
    """Open the damaged files and check every promise; raises AssertionError. The runner drives the spool."""
    disk = SimDisk(files)
    spool = _open(sample.folder, disk)
    spool.verify()
    new = spool.append(b"new")
    runner.run(spool.flush())
    found = dict(spool.read(1, spool.committed, 1 << 30))
    assert found.pop(new) == b"new"
    lost = {n for first, last in spool.losses.get("damaged", []) for n in range(first, last + 1)}
    pending = {n for first, last in spool.pending("b") for n in range(first, last + 1)} - {new}
    runner.run(spool.close())
    if spool.id != sample.spool_id:
        assert spool.opened.set_aside is not None
        assert new == 1
        return Verdict(_undamaged(sample, files), 0, True)
    assert new > max(sample.entries), "a number that was shown is given again"
    for number, data in found.items():
        assert sample.entries[number] == data, "an entry was altered"
    assert pending == set(found), "what is owed is not what can be read"
    assert not lost & set(found)
    assert lost | set(found) >= set(sample.entries), "an entry vanished without a word"
    recovered = sum(number in found for number in sample.entries if _is_whole(sample, files, number))
    return Verdict(_undamaged(sample, files), recovered, False)


def flips(sample: Sample) -> Iterator[dict[Path, bytes]]:
    """Every byte that says something, and some that do not, changed in one of several ways."""
    for path, content in sample.files.items():
        used = len(content.rstrip(b"\0"))
        for at in [*range(used), *range(used, len(content), 97)]:
            mask = (0xFF, 0x01, 0x80, 0x20)[at % 4]
            yield sample.files | {path: content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]}


def accidents(sample: Sample, count: int, seed: int) -> Iterator[dict[Path, bytes]]:
    """Stretches of noise, zeros or ones, doubled and shifted bytes anywhere; no cut ends and no zeroed ends.

    Those two cannot be told from a spool that never held more: the ledger's numbers are what finds them.
    """
    rng = random.Random(seed)
    for _ in range(count):
        path = rng.choice(list(sample.files))
        content = sample.files[path]
        used = len(content.rstrip(b"\0"))
        size = rng.choice([1, 2, 4, 16, 60, 200, 512, 1024])
        at = rng.randrange(used)
        is_last = path == max(sample.files)
        kind = rng.choice(["noise", "ones", "shift"] if is_last else ["noise", "ones", "shift", "zeros"])
        if kind == "shift":
            damaged = content[:at] + rng.randbytes(1) + content[at:-1]
        else:
            fill = {"noise": rng.randbytes(size), "ones": b"\xff" * size, "zeros": bytes(size)}[kind]
            damaged = (content[:at] + fill + content[at + size :])[: len(content)]
        yield sample.files | {path: damaged}


def _open(folder: Path, disk: SimDisk) -> Spool:
    return Spool.open(
        folder, outlets=["a", "b"], max_bytes=1 << 20, segment_bytes=8192, files=disk, executor=Inline()
    )  # fmt: skip


def _is_whole(sample: Sample, files: dict[Path, bytes], number: int) -> bool:
    path, start, end = sample.places[number]
    # Wherever its bytes are now: a record that was only moved is not damaged.
    return path in files and sample.files[path][start:end] in files[path]


def _undamaged(sample: Sample, files: dict[Path, bytes]) -> int:
    return sum(_is_whole(sample, files, number) for number in sample.entries)
