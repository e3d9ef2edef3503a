"""Disks that fill up, fail and come back, and the moments a commit happens; on a virtual clock."""

from __future__ import annotations

import asyncio
import errno
import random
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.spool.errors import SpoolError, SpoolFull
from gateway.spool.spool import Spool
from tests.spool.simdisk import Inline, SimDisk, fail_with
from tests.spool.virtual import VirtualLoop


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario())


class Watched:
    """An open spool on a simulated disk with its run, and all it tells."""

    def __init__(self, folder: Path, disk: SimDisk, **options: Any) -> None:
        self.disk = disk
        options = {"outlets": ["a"], "max_bytes": 1 << 20, "segment_bytes": 16384, **options}
        self.spool = Spool.open(folder, files=disk, executor=Inline(), **options)
        self.shown: dict[int, bytes] = {}
        self.shown_at: dict[int, float] = {}
        self.lost: dict[str, list[int]] = {}
        self.spool.on_commit(self._show)
        self.spool.on_loss(lambda why, first, last: self.lost.setdefault(why, []).extend(range(first, last + 1)))
        self.task = asyncio.create_task(self.spool.run(), name="spool")

    def _show(self, group: list[tuple[int, bytes]]) -> None:
        assert all(number not in self.shown for number, _ in group)
        self.shown.update(group)
        self.shown_at.update((number, asyncio.get_running_loop().time()) for number, _ in group)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.spool.close()


def test_commits_at_once_and_then_at_the_end_of_the_window(tmp_path: Path) -> None:
    async def scenario() -> None:
        watched = Watched(tmp_path, SimDisk(), window_s=0.25)
        start = asyncio.get_running_loop().time()
        for _ in range(40):  # one in 50 ms for two seconds
            watched.spool.append(b"x")
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        waits = [watched.shown_at[n] - start - (n - 1) * 0.05 for n in range(1, 41)]
        assert waits[0] == pytest.approx(0, abs=1e-3)
        assert max(waits) <= 0.25 + 1e-3
        assert 8 <= watched.spool.stats().commits <= 10
        lonely = watched.spool.append(b"y")
        await asyncio.sleep(0)
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        assert watched.shown_at[lonely] == before
        await watched.close()

    play(scenario)


def test_settled_numbers_alone_are_not_written_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        watched = Watched(tmp_path, SimDisk(), window_s=0.25)
        for minute in range(1, 11):
            number = watched.spool.append(b"one a minute")
            await asyncio.sleep(0.1)
            watched.spool.settle("a", number, number)
            await asyncio.sleep(59.9)
            assert watched.spool.stats().commits == minute
        for _ in range(1000):
            watched.spool.append(b"x")
        await asyncio.sleep(10)
        commits = watched.spool.stats().commits
        watched.spool.settle("a", 1, 1010)
        await asyncio.sleep(1.1)
        assert watched.spool.stats().commits == commits + 1
        await watched.close()

    play(scenario)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("operation", ["create", "allocate", "write", "sync", "sync_folder"])
def test_a_failed_commit_goes_to_a_new_segment(tmp_path: Path, operation: str, number: int) -> None:
    async def scenario() -> None:
        disk = SimDisk()
        watched = Watched(tmp_path, disk, segment_bytes=8192, when_full="drop-newest")
        watched.spool.append(b"before")
        await asyncio.sleep(1)
        if operation in ("create", "sync_folder"):
            for _ in range(64):  # fill the segment, so that the next commit needs another
                watched.spool.append(bytes(108))
            await asyncio.sleep(1)
        shown = dict(watched.shown)
        disk.fault = fail_with(number, operation)
        needed = 100 if operation == "allocate" else 3
        mine = [watched.spool.append(bytes(108) + b"%d" % n) for n in range(needed)]
        await asyncio.sleep(60)
        assert watched.shown == shown
        assert 10 < watched.spool.stats().failed_syncs < 40
        assert watched.spool.stats().last_error
        with pytest.raises(SpoolError, match="cannot write to the spool"):
            await watched.spool.flush()
        files_before = set(disk.files)
        disk.fault = lambda operation, path: None
        await asyncio.sleep(6)
        assert list(watched.shown)[-needed:] == mine
        assert len(set(disk.files) - files_before) == (2 if needed > 64 else 1)
        assert watched.spool.stats().last_error == ""
        assert watched.spool.read(1, 999) == sorted(watched.shown.items())
        # What was shown survives a power cut now, however the failed segment looks.
        for seed in range(20):
            cut = Spool.open(
                _folder(tmp_path, seed), outlets=["a"], max_bytes=1 << 20, files=_moved(disk, tmp_path, seed),
                executor=Inline(),
            )  # fmt: skip
            assert cut.read(1, 999) == sorted(watched.shown.items())
            assert cut.losses == {}
            cut.release()
        await watched.close()

    play(scenario)


def _folder(folder: Path, seed: int) -> Path:
    target = folder / f"cut-{seed}"
    target.mkdir()
    return target


def _moved(disk: SimDisk, folder: Path, seed: int) -> SimDisk:
    cut = disk.after_cut(random.Random(seed))
    return SimDisk({folder / f"cut-{seed}" / path.name: bytes(file.seen) for path, file in cut.files.items()})


@pytest.mark.parametrize("when_full", ["drop-oldest", "drop-newest"])
def test_a_full_disk_for_hours_and_then_room(tmp_path: Path, when_full: str) -> None:
    """The disk is full of other things. What the buffer does not hold is dropped, counted, and told later."""

    async def scenario() -> None:
        disk = SimDisk()
        watched = Watched(tmp_path, disk, when_full=when_full, buffer_bytes=20_000)
        watched.spool.append(b"before")
        await asyncio.sleep(1)
        disk.capacity = 0
        refused = []
        for _ in range(3600):
            try:
                watched.spool.append(bytes(108))
            except SpoolFull as full:
                refused.append(full.number)
            await asyncio.sleep(1)
        assert watched.spool.stats().buffered_bytes <= 20_000
        assert watched.spool.losses == {} == watched.lost  # nothing is called declared before it is
        disk.capacity = None
        await asyncio.sleep(6)
        after = watched.spool.append(b"after")
        await watched.spool.flush()
        assert after == 3602
        lost = watched.lost["disk full"]
        held = watched.spool.read(1, after)
        assert sorted([*lost, *(number for number, _ in held)]) == list(range(1, after + 1))
        assert len(lost) > 3000
        assert watched.spool.stats().lost == len(lost)
        if when_full == "drop-newest":
            assert refused == lost
            assert (min(lost), max(lost)) == (len(held), after - 1)
        else:
            assert refused == []
            assert after - 1 in watched.shown
        await watched.close()
        again = Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20, files=disk, executor=Inline())
        assert [n for first, last in again.losses["disk full"] for n in range(first, last + 1)] == sorted(lost)
        assert again.read(1, 9999) == held
        again.release()

    play(scenario)


def test_a_disk_smaller_than_the_bound(tmp_path: Path) -> None:
    """The spool itself fills the disk: the oldest segments give way, and every number is accounted for."""

    async def scenario() -> None:
        disk = SimDisk()
        disk.capacity = 200_000
        watched = Watched(tmp_path, disk, max_bytes=1 << 20, buffer_bytes=30_000)
        for _ in range(4000):
            watched.spool.append(bytes(108))
            await asyncio.sleep(0.5)
        await asyncio.sleep(10)
        await watched.spool.flush()
        stats = watched.spool.stats()
        held = [number for number, _ in watched.spool.read(1, 4000, 1 << 30)]
        lost = [number for numbers in watched.lost.values() for number in numbers]
        assert sorted(held + lost) == list(range(1, 4001))
        assert held[-1] == 4000
        assert len(held) > 600
        assert stats.lost == len(lost)
        await watched.close()

    play(scenario)


def test_a_disk_that_others_fill_costs_one_segment(tmp_path: Path) -> None:
    async def scenario() -> None:
        disk = SimDisk()
        watched = Watched(tmp_path, disk, buffer_bytes=20_000, segment_bytes=8192)
        for _ in range(600):
            watched.spool.append(bytes(108))
            await asyncio.sleep(0.3)
        segments = watched.spool.stats().segments
        disk.capacity = 0
        for _ in range(1000):
            watched.spool.append(bytes(108))
            await asyncio.sleep(1)
        assert watched.spool.stats().segments == segments - 1
        await asyncio.gather(watched.close(), return_exceptions=True)

    play(scenario)


def test_too_much_in_one_breath_is_bounded_and_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        watched = Watched(tmp_path, SimDisk(), buffer_bytes=10_000)
        for _ in range(1000):
            watched.spool.append(bytes(100))
        await watched.spool.flush()
        lost = watched.lost["overrun"]
        assert sorted([*lost, *watched.shown]) == list(range(1, 1001))
        assert len(watched.shown) == 10_000 // 120
        assert max(lost) < min(watched.shown)
        await watched.close()

    play(scenario)


def test_a_failed_removal_is_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        disk = SimDisk()
        watched = Watched(tmp_path, disk, segment_bytes=4096)
        for _ in range(100):
            watched.spool.append(bytes(108))
            await asyncio.sleep(1)
        disk.fault = fail_with(errno.EIO, "unlink")
        watched.spool.settle("a", 1, 100)
        await watched.spool.flush()
        segments = watched.spool.stats().segments
        assert segments > 2
        disk.fault = lambda operation, path: None
        await asyncio.sleep(10)
        assert watched.spool.stats().segments == len(disk.files) <= 2
        assert watched.spool.first > 90
        await watched.close()

    play(scenario)


def test_a_spool_opens_on_a_full_disk(tmp_path: Path) -> None:
    async def scenario() -> None:
        disk = SimDisk()
        watched = Watched(tmp_path, disk)
        for _ in range(5):
            watched.spool.append(b"x")
        await watched.spool.flush()
        watched.task.cancel()
        watched.spool._lock.release()
        disk.capacity = 0
        again = Watched(tmp_path, disk)
        # Whether the last commit is durable cannot be known, so it is shown only when it was written again.
        assert again.spool.pending("a") == []
        assert again.spool.next == 6
        await asyncio.sleep(20)
        disk.capacity = None
        await asyncio.sleep(6)
        assert again.shown == watched.shown
        assert again.spool.pending("a") == [(1, 5)]
        await again.close()

    play(scenario)


@pytest.mark.parametrize("turns", range(8))
def test_a_run_that_takes_over_at_any_moment(tmp_path: Path, turns: int) -> None:
    """Cancelled so many turns of the loop after an entry, and begun again: one commit, shown once, and no spinning."""

    async def scenario() -> None:
        watched = Watched(tmp_path, SimDisk())
        await asyncio.sleep(0)
        watched.spool.append(b"x")
        for _ in range(turns):
            await asyncio.sleep(0)
        watched.task.cancel()
        watched.task = asyncio.create_task(watched.spool.run(), name="spool")
        await asyncio.sleep(1)
        assert watched.shown == {1: b"x"}
        assert watched.spool.stats().commits == 1
        await watched.close()

    alarms = []

    def spins(*_: object) -> None:
        alarms.append(1)
        raise AssertionError("the run spins")

    before = signal.signal(signal.SIGALRM, spins)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        play(scenario)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not alarms


def test_a_consumer_that_fails_ends_the_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        watched = Watched(tmp_path, SimDisk())

        def fail(group: list[tuple[int, bytes]]) -> None:
            raise ZeroDivisionError

        watched.spool.on_commit(fail)
        watched.spool.append(b"x")
        with pytest.raises(ZeroDivisionError):
            await watched.task
        assert watched.spool.pending("a") == [(1, 1)]
        await watched.close()

    play(scenario)


def test_a_cancelled_run_leaves_a_whole_spool(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20)
        shown: list[tuple[int, bytes]] = []
        spool.on_commit(shown.extend)
        for _ in range(20):
            task = asyncio.create_task(spool.run(), name="spool")
            spool.append(b"x")
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await spool.close()
        await spool.close()
        assert [number for number, _ in shown] == list(range(1, 21))

    asyncio.run(scenario())
