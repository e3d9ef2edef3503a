"""A spool in the ordinary run of things, on the real disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.spool.errors import SpoolError, SpoolFull
from gateway.spool.spool import Spool

MIB = 1 << 20


@asynccontextmanager
async def spool_at(path: Path, **options: Any) -> AsyncIterator[Spool]:
    """An open spool whose run is a task; closed in order."""
    options = {"outlets": ["main"], "max_bytes": 16 * MIB, "window_s": 0.0} | options
    spool = Spool.open(path, **options)
    task = asyncio.create_task(spool.run(), name="spool")
    try:
        yield spool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await spool.close()


def taken_by(folder: Path) -> int:
    """What the segments take on the disk."""
    return sum(file.stat().st_size for file in folder.glob("*.seg"))


async def test_numbers_begin_at_one_and_entries_come_back(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        assert (spool.first, spool.next, spool.committed) == (1, 1, 0)
        shown: list[tuple[int, bytes]] = []
        spool.on_commit(shown.extend)
        assert [spool.append(b"%d" % n) for n in range(1, 6)] == [1, 2, 3, 4, 5]
        assert shown == []
        assert spool.pending("main") == []
        await spool.flush()
        assert shown == [(n, b"%d" % n) for n in range(1, 6)]
        assert spool.read(2, 4) == shown[1:4]
        assert spool.pending("main") == [(1, 5)]
        kept = spool.id
    async with spool_at(tmp_path) as spool:
        assert spool.id == kept
        assert spool.read(1, 99) == shown
        assert spool.append(b"6") == 6
        assert spool.opened.damaged_places == spool.opened.rewritten == 0


async def test_settled_numbers_survive_and_their_segments_go(tmp_path: Path) -> None:
    options: dict[str, Any] = {"outlets": ["a", "b"], "segment_bytes": 8192, "max_bytes": MIB}
    async with spool_at(tmp_path, **options) as spool:
        for _ in range(40):
            for _ in range(10):
                spool.append(bytes(100))
            await spool.flush()
        before = spool.stats()
        spool.settle("a", 1, 400)
        await spool.flush()
        assert spool.stats().segments == before.segments  # b still waits
        spool.settle("b", 1, 300)
        await spool.flush()
        assert spool.stats().segments < before.segments
        assert spool.first > 200
        assert spool.pending("b") == [(301, 400)]
    async with spool_at(tmp_path, **options) as spool:
        assert spool.pending("a") == []
        assert spool.pending("b") == [(301, 400)]
        assert spool.losses == {}
    async with spool_at(tmp_path, **(options | {"outlets": ["b", "c"]})) as spool:
        # A new outlet waits for what is still there, and nothing that went rightly is called lost.
        assert spool.pending("c") == [(spool.first, 400)]
        assert spool.losses == {}
        assert [number for number, _ in spool.read(1, 400)] == list(range(spool.first, 401))


async def test_drop_oldest_is_exact(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    options: dict[str, Any] = {"max_bytes": 128 << 10, "segment_bytes": 16 << 10}
    async with spool_at(tmp_path, **options) as spool:
        spool.on_loss(lambda *loss: told.append(loss))
        for _ in range(200):
            for _ in range(10):
                spool.append(bytes(100))
            await spool.flush()
            assert taken_by(tmp_path) == spool.stats().bytes <= 128 << 10
        lost = spool.losses["spool bound"]
        assert lost == [(1, spool.first - 1)]
        assert [number for number, _ in spool.read(1, 2000)] == list(range(spool.first, 2001))
        assert sum(last - first + 1 for _, first, last in told) == spool.stats().lost == spool.first - 1
    async with spool_at(tmp_path, **options) as spool:
        assert spool.losses == {"spool bound": lost}


async def test_drop_newest_refuses_exactly_and_goes_on_when_drained(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_bytes": 128 << 10, "segment_bytes": 16 << 10, "when_full": "drop-newest"}
    refused: list[int] = []
    async with spool_at(tmp_path, **options) as spool:
        for _ in range(400):
            for _ in range(5):
                try:
                    spool.append(bytes(100))
                except SpoolFull as full:
                    refused.append(full.number)
            await spool.flush()
            assert taken_by(tmp_path) <= 128 << 10
        assert refused
        lost = spool.losses["spool bound"]
        assert [number for first, last in lost for number in range(first, last + 1)] == refused
        held = [number for number, _ in spool.read(1, 2000)]
        assert sorted(held + refused) == list(range(1, 2001))
        spool.settle("main", 1, 2000)
        await spool.flush()
        assert spool.append(b"again") == 2001
        await spool.flush()
        assert spool.pending("main") == [(2001, 2001)]


async def test_notes_live_as_long_as_their_numbers(tmp_path: Path) -> None:
    options: dict[str, Any] = {"segment_bytes": 8192}
    async with spool_at(tmp_path, **options) as spool:
        spool.note(1, b"for ever")
        spool.note(2, b"for a while", until=5)
        await spool.flush()
    async with spool_at(tmp_path, **options) as spool:
        assert spool.notes() == [(1, b"for ever"), (2, b"for a while")]
        for _ in range(300):
            spool.append(bytes(100))
            await spool.flush()
        spool.settle("main", 1, 300)
        for _ in range(300):
            spool.append(bytes(100))
            await spool.flush()
        assert spool.notes() == [(1, b"for ever")]
        spool.note(3, b"newer")
        await spool.flush()
    async with spool_at(tmp_path, **options) as spool:
        assert spool.notes() == [(1, b"for ever"), (3, b"newer")]
        with pytest.raises(ValueError, match="4096"):
            spool.note(1, bytes(4097))
        for _ in range(63):
            spool.note(1, bytes(4096 - 10))
        with pytest.raises(SpoolError, match="too many notes"):
            spool.note(1, bytes(4096))


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    async with spool_at(tmp_path):
        with pytest.raises(SpoolError, match=r"in use by process \d+.*Stop that gateway"):
            Spool.open(tmp_path, outlets=["main"], max_bytes=MIB)


async def test_wrong_uses_are_refused(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        with pytest.raises(ValueError, match="65535"):
            spool.append(bytes(65536))
        assert spool.append(bytes(65535)) == 1
        for wrong in [(0, 1), (2, 1), (1, 2)]:
            with pytest.raises(ValueError, match="cannot settle"):
                spool.settle("main", *wrong)
    with pytest.raises(SpoolError, match="at least 65536 bytes"):
        Spool.open(tmp_path, outlets=["main"], max_bytes=1000)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError, match="cannot use the spool folder"):
        Spool.open(tmp_path / "file", outlets=["main"], max_bytes=MIB)
