"""Any schedule of boots, crashes, steps, time daemons, networks and publishing keeps the rules of dating."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wire.times import MS, SECOND, parse_time
from tests.edge.machine import DEVICES, Machine, Node

DAY_S = 86_400.0
Move = tuple[str, float, int]

MOVES = st.tuples(
    st.sampled_from(
        ["record"] * 6
        + ["pass"] * 3
        + ["publish"] * 3
        + ["settle", "sync", "unsync", "step", "far step", "offline", "restart", "kill", "reboot", "power cut"]
    ),
    st.floats(0.6, 300.0),
    st.integers(0, 5),
)
"""What happens, how much of it, and a die."""


class Schedule:
    """Plays moves; in the end the time is told, and everything must have been published."""

    def __init__(self, folder: Path, *, believes: bool) -> None:
        self.machine = Machine()
        self.believes = believes
        if believes:
            self.machine.set(self.machine.true_ns)
        self.node = Node(folder, self.machine, wait_s=400.0, believes=believes)
        self.is_online = True
        self.boot_of: dict[int, int] = {}
        self.was_synced_in: set[int] = set()

    async def play(self, what: str, much: float, die: int) -> None:
        node, machine = self.node, self.machine
        if what == "record":
            for _ in range(1 + die % 3):
                self.boot_of[node.record(DEVICES[die % 3], age_s=(0.0, 0.5, 3.0)[die % 3])] = machine.boots
                machine.advance(much / 1000)
        elif what == "pass":
            machine.advance(much)
            await node.tick(is_online=self.is_online)
        elif what == "publish":
            await node.publish()
        elif what == "settle":
            await node.publish()
            for seq in node.published:
                if seq < node.spool.next:
                    node.spool.settle("main", seq, seq)
        elif what == "sync":
            machine.sync(error_s=(die - 2.5) / 10)
            self.was_synced_in.add(machine.boots)
        elif what == "unsync":
            machine.is_kept = False
        elif what in ("step", "far step"):
            machine.step((much if what == "step" else much * DAY_S) * (-1 if die % 2 else 1))
        elif what == "offline":
            self.is_online = not self.is_online
        else:
            await self.end(what, much, die)

    async def end(self, what: str, much: float, die: int) -> None:
        """The process ends, and begins again; with it, or not, the computer."""
        node, machine = self.node, self.machine
        if what in ("restart", "reboot"):
            await node.stop()
        else:
            node.kill()
        if what in ("reboot", "power cut"):
            # A clock without battery begins in 1970 or where it was saved; one with battery goes on.
            saved = (0, machine.wall_ns() - 3600 * SECOND, machine.wall_ns() + round((much + 10) * SECOND))[die % 3]
            machine.reboot(much + 10, saved)
        else:
            machine.advance(0.3 + much / 100)
        node.start()

    async def finish(self) -> None:
        """A good end: the time is told, the network is there."""
        self.machine.sync()
        self.was_synced_in.add(self.machine.boots)
        self.is_online = True
        for _ in range(2):
            self.machine.advance(1)
            await self.node.tick()
        assert await self.node.publish() == [], "nothing waits for ever"
        committed = self.node.spool.committed
        await self.node.stop()
        missing = [seq for seq in range(1, committed + 1) if seq not in self.node.published]
        assert missing == [] or not self.node.spool.read(missing[0], missing[-1]), "all that was kept was published"

    def judge(self) -> None:
        node = self.node
        node.check_rising()
        for seq, t in node.published.items():
            if t is None or self.believes:
                continue
            entry = node.entries[seq]
            at_ms = parse_time(t) / MS
            assert self.boot_of[seq] in self.was_synced_in, f"{seq} was published with {t} in a boot without time"
            # Daemons err by 0.25 s, and where that took the clock back times crept on.
            assert abs(at_ms - node.taken_at[seq] / MS) <= 1000, (seq, t, node.error_ms(seq), entry)


async def _run(moves: list[Move], *, believes: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        schedule = Schedule(Path(folder), believes=believes)
        for what, much, die in moves:
            await schedule.play(what, much, die)
        await schedule.finish()
        schedule.judge()


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=5, max_size=40))
def test_no_schedule_breaks_the_rules(moves: list[Move]) -> None:
    asyncio.run(_run(moves, believes=False))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=5, max_size=40))
def test_nor_where_the_clock_is_said_to_be_right(moves: list[Move]) -> None:
    asyncio.run(_run(moves, believes=True))
