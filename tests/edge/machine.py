"""A computer whose clocks are the test's, the node's dating on it with a real spool, and everything it published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.edge.clock import SystemClock
from gateway.edge.dating import Dating
from gateway.edge.past import read_past
from gateway.edge.recorder import Recorder
from gateway.edge.trust import Step
from gateway.spool.spool import Spool
from gateway.wire.dating import UNDECIDED
from gateway.wire.entry import Entry, unpack
from gateway.wire.times import MS, SECOND, parse_time

START_NS = 1_790_000_000 * SECOND
"""When the tests begin: in September 2026."""
DEVICES = ("air-1", "air-2", "water-1")


class Machine:
    """Clocks as gateway.edge.clock.System wants them; `true_ns` is what a perfect clock would say."""

    def __init__(self) -> None:
        self.true_ns = START_NS
        self.boots = 0
        self.can_ask = True
        """The kernel answers when it is asked whether a daemon keeps the clock."""
        self.reboot(0)

    def reboot(self, down_s: float, wall_ns: int = 0) -> None:
        """Off for a while; then the wall clock says `wall_ns`, and nobody has told it the time."""
        self.true_ns += round(down_s * SECOND)
        self.boots += 1
        self.boot = f"{self.boots:08x}"
        self._booted_ns = self.true_ns - 5 * SECOND
        self.is_kept = False
        self.mark: int | None = None
        self.set(wall_ns)

    def advance(self, seconds: float) -> None:
        self.true_ns += round(seconds * SECOND)

    def set(self, wall_ns: int) -> None:
        """Somebody sets the clock; the kernel then no longer calls it synchronized."""
        self.offset_ns = wall_ns - self.mono_ns()
        self.is_kept = False

    def step(self, seconds: float) -> None:
        self.set(self.wall_ns() + round(seconds * SECOND))

    def sync(self, error_s: float = 0.0) -> None:
        """A time daemon sets the clock."""
        self.set(self.true_ns + round(error_s * SECOND))
        self.is_kept = True
        self.mark = (self.mark or 0) + 1

    def mono_ns(self) -> int:
        return self.true_ns - self._booted_ns

    def wall_ns(self) -> int:
        return self.mono_ns() + self.offset_ns

    def is_synchronized(self) -> bool | None:
        return self.is_kept if self.can_ask else None

    def daemon_mark(self) -> object | None:
        return self.mark


class RuleBroken(Exception):
    """A rule that must hold does not."""


class Node:
    """Records, dates, publishes. `published` is what left it, by number; it raises when a number gets two times."""

    def __init__(self, path: Path, machine: Machine, *, wait_s: float = 900.0, believes: bool = False) -> None:
        self.path, self.machine, self.wait_s, self.believes = path, machine, wait_s, believes
        self.published: dict[int, str | None] = {}
        self.entries: dict[int, Entry] = {}
        self.taken_at: dict[int, int] = {}
        """True time of each reading, ns, by number."""
        self.steps: list[Step] = []
        self.start()

    def start(self) -> None:
        """A process begins."""
        self._started_ns = self.machine.true_ns
        self.clock = SystemClock(believes=self.believes, system=self.machine)
        self.spool = Spool.open(self.path, outlets=["main"], max_bytes=1 << 20, segment_bytes=1 << 13)
        self.taken_at = {seq: at for seq, at in self.taken_at.items() if seq < self.spool.next}
        past = read_past(self.spool, self.clock.boot)
        self.dating = Dating(self.spool, self.clock, past, wait_s=self.wait_s)
        self.recorder = Recorder(self.spool, self.clock, self.dating, dict.fromkeys(DEVICES, "air"))
        self.decided = 0
        self.dating.on_decided(self._on_decided)

    def _on_decided(self) -> None:
        self.decided += 1

    async def stop(self) -> None:
        """It ends in order."""
        self.dating.close()
        await self.spool.close()

    def kill(self) -> None:
        """It ends by force: what was not committed is gone."""
        self.spool.release()

    def record(self, device: str = DEVICES[0], age_s: float = 0.0) -> int:
        """A reading whose last byte came so long ago, but since this process began."""
        machine = self.machine
        age_ns = min(round(age_s * SECOND), machine.true_ns - self._started_ns)
        seq = self.recorder.reading(device, machine.wall_ns() - age_ns, machine.mono_ns() - age_ns, {"pm2_5": 1.0}, {})
        self.taken_at[seq] = machine.true_ns - age_ns
        return seq

    async def tick(self, *, is_online: bool = True, commit: bool = True) -> None:
        """What the node does once a second."""
        self.steps += self.dating.look(is_online=is_online)
        if commit:
            await self.dating.keep()

    async def wait(self, seconds: float, *, is_online: bool = True) -> None:
        """Time passes, tick by tick."""
        for _ in range(round(seconds)):
            self.machine.advance(1)
            await self.tick(is_online=is_online)

    async def publish(self, *, commit: bool = True) -> list[int]:
        """Commit what was recorded and publish what may be; the numbers that must wait."""
        if commit:
            await self.spool.flush()
        held = []
        first = self.spool.first
        while first <= self.spool.committed and (found := self.spool.read(first, self.spool.committed)):
            for seq, data in found:
                entry = unpack(data)
                t = self.dating.time_of(seq, entry)
                if t is UNDECIDED:
                    held.append(seq)
                    if seq in self.published:
                        raise RuleBroken(f"{seq} was published with {self.published[seq]} and waits again")
                    continue
                assert not isinstance(t, type(UNDECIDED))
                if self.published.setdefault(seq, t) != t:
                    raise RuleBroken(f"{seq} was published with {self.published[seq]}, and again with {t}")
                self.entries[seq] = entry
            first = found[-1][0] + 1
        return held

    def error_ms(self, seq: int) -> float:
        """How wrong the published time of a reading is."""
        t = self.published[seq]
        assert t is not None
        return (parse_time(t) - self.taken_at[seq]) / MS

    def check_rising(self) -> None:
        """Times of one device rise with the numbers by at least a millisecond."""
        last: dict[str, tuple[int, int]] = {}
        for seq, t in sorted(self.published.items()):
            if t is None:
                continue
            device, at_ms = self.entries[seq].device, parse_time(t) // MS
            before = last.get(device)
            if before is not None and at_ms <= before[1]:
                raise RuleBroken(f"{device}: {before[0]} has {before[1]}, {seq} has {at_ms}")
            last[device] = (seq, at_ms)


@asynccontextmanager
async def running(path: Path, machine: Machine | None = None, **how: float | bool) -> AsyncIterator[Node]:
    """A node that is ended in order."""
    node = Node(path, machine or Machine(), **how)  # type: ignore[arg-type]  # numbers and booleans by name
    try:
        yield node
    finally:
        await node.stop()
