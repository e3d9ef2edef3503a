"""Schedules of appends, settlements, failing disks, kills and power cuts, against a model that is a few sets."""

from __future__ import annotations

import asyncio
import errno
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spool.errors import SpoolError
from gateway.spool.spool import Spool
from tests.spool.simdisk import Inline, PowerCut, SimDisk, fail_with

OUTLETS = ["a", "b"]


def numbers(ranges: list[tuple[int, int]]) -> list[int]:
    """Every number of the ranges."""
    return [number for first, last in ranges for number in range(first, last + 1)]


class Rig:
    """A spool on a simulated disk, what was done to it, and what must therefore be true."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        self.folder, self.loop, self.disk = folder, loop, SimDisk()
        self.options = {"outlets": OUTLETS, "max_bytes": 1 << 20, "segment_bytes": 4096, **options}
        self.accepted: dict[int, set[bytes]] = {}
        self.published: dict[int, bytes] = {}
        self.settled: dict[str, set[int]] = {outlet: set() for outlet in OUTLETS}
        self.safely_settled: dict[str, set[int]] = {outlet: set() for outlet in OUTLETS}
        self.safely_lost: set[int] = set()
        self.count = 0
        self.open()

    def open(self) -> None:
        self.spool = Spool.open(self.folder, files=self.disk, executor=Inline(), **self.options)
        self.spool.on_commit(self._publish)
        self.spool.on_loss(lambda _, first, last: self.safely_lost.update(range(first, last + 1)))
        for ranges in self.spool.losses.values():
            self.safely_lost.update(numbers(ranges))
        pending = {
            n for outlet in OUTLETS for first, last in self.spool.pending(outlet) for n in range(first, last + 1)
        }
        for number, data in self.spool.read(1, self.spool.committed):
            if number in pending:
                assert data in self.accepted[number]
                assert self.published.setdefault(number, data) == data, "a number was used twice"

    def _publish(self, group: list[tuple[int, bytes]]) -> None:
        for number, data in group:
            assert number not in self.published, "a number was used twice"
            self.published[number] = data

    def append(self, size: int) -> None:
        self.count += 1
        data = b"%d." % self.count + bytes(size)
        number = self.spool.append(data)
        assert number not in self.published
        self.accepted.setdefault(number, set()).add(data)

    def settle(self, outlet: str, first: int, last: int) -> None:
        # An outlet settles only what it has seen.
        for number in range(first, last + 1):
            if number in self.published:
                self.spool.settle(outlet, number, number)
                self.settled[outlet].add(number)

    def flush(self) -> None:
        try:
            self.loop.run_until_complete(self.spool.flush())
        except SpoolError:
            return
        for outlet in OUTLETS:
            self.safely_settled[outlet] |= self.settled[outlet]

    def close(self) -> None:
        self.disk.fault = lambda operation, path: None
        self.loop.run_until_complete(self.spool.close())

    def crash(self, seed: int | None) -> None:
        """End without a word; with a seed the power goes too. Then start again and look."""
        self.disk.fault = lambda operation, path: None
        self.spool._lock.release()
        self.disk = self.disk.after_kill() if seed is None else self.disk.after_cut(random.Random(seed))
        self.open()
        self.check()
        for outlet in OUTLETS:  # what the crash forgot is settled no more
            self.settled[outlet] = set(numbers(self.spool.settled(outlet).ranges()))

    def check(self) -> None:
        spool = self.spool
        found = dict(spool.read(1, spool.committed, 1 << 30))
        lost = {number for ranges in spool.losses.values() for number in numbers(ranges)}
        assert spool.next > max(self.published, default=0)
        damaged = set(numbers(spool.losses.get("damaged", [])))
        assert not damaged & set(self.published), "something published is called damaged"
        assert self.safely_lost <= lost, "a declared loss was forgotten"
        for outlet in OUTLETS:
            pending = set(numbers(spool.pending(outlet)))
            settled = set(numbers(spool.settled(outlet).ranges()))
            assert self.safely_settled[outlet] <= settled <= self.settled[outlet]
            for number, data in self.published.items():
                if number in pending:
                    assert found[number] == data
                else:
                    assert number in settled or number in lost
            assert pending <= set(self.published), "something is owed that was never shown"
        # Every number below `next` is accounted for: owed, settled, lost, or waiting to be written.
        owed = {number for outlet in OUTLETS for number in numbers(spool.pending(outlet))}
        for number in range(1, spool.committed + 1):
            assert number in owed or number in lost or all(number in spool.settled(outlet) for outlet in OUTLETS)


_step = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 12), st.sampled_from([0, 30, 108, 700])),
    st.tuples(st.just("flush")),
    st.tuples(st.just("settle"), st.sampled_from(OUTLETS), st.integers(1, 60), st.integers(0, 40)),
    st.tuples(st.just("fail"), st.sampled_from(["write", "sync", "allocate", "create", "sync_folder", "unlink"])),
    st.tuples(st.just("mend")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("cut"), st.integers(0, 2**32)),
    st.tuples(st.just("reopen")),
)


def _play(rig: Rig, steps: list[tuple[Any, ...]]) -> None:
    for what, *arguments in steps:
        if what == "append":
            for _ in range(arguments[0]):
                rig.append(arguments[1])
        elif what == "settle":
            rig.settle(arguments[0], arguments[1], arguments[1] + arguments[2])
        elif what == "flush":
            rig.flush()
        elif what == "fail":
            rig.disk.fault = fail_with(errno.EIO, arguments[0])
        elif what == "mend":
            rig.disk.fault = lambda operation, path: None
        elif what == "kill":
            rig.crash(None)
        elif what == "cut":
            rig.crash(arguments[0])
        else:
            rig.close()
            rig.open()
            rig.check()
    rig.disk.fault = lambda operation, path: None
    rig.flush()
    rig.check()
    rig.crash(7)
    rig.close()


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(_step, max_size=25))
def test_no_schedule_loses_repeats_or_forgets(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    with asyncio.Runner() as runner:
        _play(Rig(tmp_path_factory.mktemp("spool"), runner.get_loop()), steps)


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(_step, max_size=25))
def test_nor_with_a_bound_that_drops(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    with asyncio.Runner() as runner:
        rig = Rig(tmp_path_factory.mktemp("spool"), runner.get_loop(), max_bytes=1 << 16, segment_bytes=4096)
        _play(rig, steps * 3)
        assert rig.disk.taken() <= 1 << 16


def _script(rig: Rig) -> None:
    for turn in range(30):
        for _ in range(5):
            rig.append(108)
        rig.flush()
        if turn % 2:
            rig.settle("a", 1, turn * 5)
            rig.settle("b", 1, turn * 4)
    rig.close()


@pytest.mark.parametrize("seed", range(4))
def test_an_end_at_every_single_operation(tmp_path: Path, seed: int) -> None:
    """The script ends before its first disk operation, before its second, … and never costs what was shown.

    0: it is killed; odd: the power is cut; even: it is killed, starts again, and then the power is cut.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _, context: None)
        for at in range(1, 2000):
            rig = Rig(tmp_path, loop)

            def fault(operation: str, path: Path, rig: Rig = rig, at: int = at) -> None:
                if rig.disk.operations >= at:
                    raise PowerCut

            rig.disk.fault = fault
            try:
                _script(rig)
            except PowerCut:
                if seed % 2 == 0:
                    rig.crash(None)
                if seed:
                    rig.crash(seed * 1000 + at)
                for _ in range(5):
                    rig.append(10)
                rig.flush()
                rig.check()
                rig.close()
            else:
                assert at > 80
                return
    raise AssertionError("the script never came to its end")
