"""What a broker sees of a node whose clock comes late, or never: the real outlet over the real dating."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.edge.outlet import Outlet
from gateway.spool.eras import Eras
from gateway.wire.payload import Backlog, Reading, decode
from gateway.wire.times import MS, parse_time
from tests.edge.machine import Machine, Node
from tests.edge.outlet_bench import Wire


class Seen(Wire):
    """The times that were handed over, by number; a number is never seen with two."""

    @property
    def times(self) -> dict[int, str | None]:
        found: dict[int, str | None] = {}
        for message, _ in self.sent:
            late = message.topic.endswith("/backlog")
            readings = decode(Backlog, message.payload).readings if late else [decode(Reading, message.payload)]
            for reading in readings:
                assert found.setdefault(reading.seq, reading.t) == reading.t
        return found


@asynccontextmanager
async def connected(node: Node) -> AsyncIterator[Seen]:
    eras, wire = Eras(node.spool), Seen()
    eras.checked()
    outlet = Outlet(
        node.spool,
        eras,
        "main",
        root="lanna/v1",
        node="n",
        confirm="broker",
        now=lambda: node.machine.mono_ns() / 1e9,
        times=node.dating,
    )
    task = asyncio.create_task(outlet.use(wire))  # type: ignore[arg-type]  # the parts the outlet needs
    try:
        yield wire
    finally:
        task.cancel()
        await asyncio.wait([task])
        await node.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_booted_in_1970_and_told_the_time_ten_minutes_later(tmp_path: Path) -> None:
    node = Node(tmp_path, Machine())
    async with connected(node) as wire:
        for _ in range(600):
            node.record()
            await node.wait(1)
            if len(node.taken_at) % 100 == 0:
                await node.spool.flush()
                await asyncio.sleep(0.01)
        assert wire.sent == []
        node.machine.sync(error_s=-0.2)
        await node.tick()
        await until(lambda: len(wire.times) == 600)
        assert wire.live == []
        for seq, t in wire.times.items():
            assert t is not None
            assert abs(parse_time(t) - node.taken_at[seq]) <= 201 * MS
        node.record()
        await node.spool.flush()
        await until(lambda: wire.live == [601])


async def test_nobody_ever_tells_the_time(tmp_path: Path) -> None:
    node = Node(tmp_path, Machine(), wait_s=120)
    async with connected(node) as wire:
        for _ in range(5):
            node.record()
        await node.wait(119)
        await node.spool.flush()
        await asyncio.sleep(0.01)
        assert wire.sent == []
        await node.wait(2)
        await until(lambda: wire.times == dict.fromkeys(range(1, 6)))
        for _ in range(5):
            node.record()
        await node.spool.flush()
        await until(lambda: wire.live == [6, 7, 8, 9, 10])
        assert set(wire.times.values()) == {None}
        node.machine.sync()
        seq = node.record()
        await node.spool.flush()
        await until(lambda: seq in wire.live)
        assert wire.times[seq] == "2026-09-21T14:15:21.000Z"


async def test_what_waits_for_its_time_does_not_block_what_has_one(tmp_path: Path) -> None:
    machine = Machine()
    machine.sync()
    node = Node(tmp_path, machine)
    old = [node.record() for _ in range(3)]
    machine.step(-86_400)
    waiting = [node.record() for _ in range(3)]
    await node.stop()
    machine.advance(3600)
    node.start()
    async with connected(node) as wire:
        await until(lambda: list(wire.times) == old)
        node.machine.sync()
        new = node.record()
        await node.tick()
        await until(lambda: len(wire.times) == 7)
        assert wire.live == [new]
        assert sorted(wire.late) == old + waiting
        assert [parse_time(wire.times[seq] or "") - machine.true_ns for seq in (old[0], new)] == [-3600 * 10**9, 0]
