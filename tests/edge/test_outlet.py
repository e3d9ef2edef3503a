"""The outlet against a real spool and a connection that does what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.edge import outlet as module
from gateway.edge.clock import SystemClock
from gateway.edge.dating import Dating
from gateway.edge.outlet import Outlet
from gateway.edge.past import read_past
from gateway.mqtt.link import Disconnected, Message, PublishRefused
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import Backlog, Reading, SpoolSettled, Stored, decode


class Wire:
    """A connection whose answers the test gives; `sent` is what was handed over, with its future."""

    def __init__(self, receive_maximum: int = 1000, maximum_packet: int | None = None) -> None:
        self.peer_receive_maximum = receive_maximum
        self.peer_maximum_packet = maximum_packet
        self.sent: list[tuple[Message, asyncio.Future[None]]] = []
        self.answers_at_once = True
        self.changed = asyncio.Event()

    def publish(self, message: Message) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.sent.append((message, future))
        if self.answers_at_once:
            future.set_result(None)
        self.changed.set()
        return future

    def lose(self) -> None:
        for _, future in self.sent:
            if not future.done():
                future.set_exception(Disconnected("gone"))

    @property
    def live(self) -> list[int]:
        return [decode(Reading, m.payload).seq for m, _ in self.sent if m.topic.endswith("/reading")]

    @property
    def batches(self) -> list[list[int]]:
        return [
            [entry.seq for entry in decode(Backlog, m.payload).readings]
            for m, _ in self.sent
            if m.topic.endswith("/backlog")
        ]

    @property
    def late(self) -> list[int]:
        return [seq for batch in self.batches for seq in batch]


class Bench:
    """A spool, its outlet, and a clock that the test owns."""

    def __init__(self, spool: Spool, confirm: str, **settings: float) -> None:
        self.spool = spool
        self.time = 1000.0
        clock = SystemClock(believes=True)
        self.outlet = Outlet(
            spool,
            "main",
            root="lanna/v1",
            node="n",
            confirm=confirm,  # type: ignore[arg-type]  # both words are tried
            now=lambda: self.time,
            times=Dating(spool, clock, read_past(spool, clock.boot), wait_s=60),
            **settings,  # type: ignore[arg-type]  # numbers, as the tests give them
        )

    async def record(self, count: int, device_class: str = "air") -> None:
        for _ in range(count):
            entry = Entry(device_class, "d", 1_774_000_000_000, 1, "boot", True, {"pm2_5": 1.0})
            self.spool.append(pack(entry))
        await self.spool.flush()

    async def until(self, condition: object, what: str) -> None:
        """Let the loop turn until the condition holds."""
        assert callable(condition)
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)
        assert condition(), what

    @asynccontextmanager
    async def connected(self, wire: Wire) -> AsyncIterator[Wire]:
        task = asyncio.create_task(self.outlet.use(wire))  # type: ignore[arg-type]  # the parts the outlet needs
        try:
            yield wire
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            wire.lose()
            await asyncio.sleep(0)


@asynccontextmanager
async def bench(path: Path, confirm: str = "stored", **settings: float) -> AsyncIterator[Bench]:
    spool = Spool.open(path, outlets=["main"], max_bytes=1 << 24, window_s=0.01)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(spool.run())
        try:
            yield Bench(spool, confirm, **settings)
        finally:
            task.cancel()
    await spool.close()


async def test_fresh_readings_go_out_at_once_on_their_own_topic(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected(Wire()) as wire:
        await b.record(3)
        await b.until(lambda: wire.live == [1, 2, 3], "live")
        await b.until(lambda: b.outlet.unconfirmed == 3, "acknowledged")
        assert wire.batches == []
        assert wire.sent[0][0].topic == "lanna/v1/n/air/d/reading"


async def test_what_waited_goes_out_as_backlog_by_class(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(3)
        await b.record(2, "water")
        b.time += module.LIVE_AGE_S + 1
        async with b.connected(Wire()) as wire:
            await b.until(lambda: len(wire.late) == 5, "backlog")
            assert wire.batches == [[1, 2, 3], [4, 5]]
            assert wire.live == []
            await b.record(1)
            await b.until(lambda: wire.live == [6], "live goes on")


async def test_a_short_interruption_keeps_readings_live(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(2)
        b.time += module.LIVE_AGE_S - 1
        async with b.connected(Wire()) as wire:
            await b.until(lambda: wire.live == [1, 2], "live")
            assert wire.late == []


async def test_what_a_lost_connection_left_open_is_sent_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = Wire()
        first.answers_at_once = False
        async with b.connected(first):
            await b.record(4)
            await b.until(lambda: len(first.live) == 4, "sent")
            first.sent[1][1].set_result(None)
            await asyncio.sleep(0)
        assert b.outlet.counters.returned == 3
        async with b.connected(Wire()) as wire:
            await b.until(lambda: len(wire.late) == 3, "again")
            assert wire.late == [1, 3, 4]


async def test_the_window_bounds_what_is_open(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        wire = Wire(receive_maximum=20)
        wire.answers_at_once = False
        async with b.connected(wire):
            await b.record(100)
            await b.until(lambda: len(wire.sent) >= 12, "the window fills")
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert len(wire.sent) == 12, "8 of 20 places are kept for backlog"
            for _, future in list(wire.sent):
                future.set_result(None)
            await b.until(lambda: len(wire.sent) == 24, "and moves on")


async def test_batches_respect_the_smaller_packet(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(50)
        b.time += 60
        async with b.connected(Wire(maximum_packet=1000)) as wire:
            await b.until(lambda: len(wire.late) == 50, "backlog")
            assert max(len(m.payload) for m, _ in wire.sent) <= 1000 - module.PACKET_OVERHEAD + 100
            assert len(wire.batches) > 5


async def test_with_confirm_broker_the_acknowledgement_settles(tmp_path: Path) -> None:
    async with bench(tmp_path, "broker") as b, b.connected(Wire()) as wire:
        await b.record(3)
        await b.until(lambda: len(wire.live) == 3 and b.outlet.unsettled == 0, "settled")
        assert b.spool.settled("main").ranges() == [(1, 3)]


async def test_with_confirm_stored_only_the_ledger_settles(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected(Wire()) as wire:
        await b.record(5)
        await b.until(lambda: b.outlet.unconfirmed == 5, "acknowledged")
        assert b.spool.pending("main") == [(1, 5)]
        b.outlet.on_stored(Stored("led", {b.spool.id: SpoolSettled(3)}))
        assert b.spool.pending("main") == [(4, 5)]
        assert b.outlet.unsettled == 2
        assert wire.late == []


async def test_a_ledger_that_claims_too_much_settles_only_what_exists(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(2)
        b.outlet.on_stored(Stored("led", {b.spool.id: SpoolSettled(10**12), "00000000": SpoolSettled(5)}))
        assert b.spool.settled("main").ranges() == [(1, 2)]


async def test_missing_numbers_are_sent_again_after_a_while_and_no_others(tmp_path: Path) -> None:
    async with bench(tmp_path, resend_after_s=60.0) as b, b.connected(Wire()) as wire:
        await b.record(6)
        await b.until(lambda: b.outlet.unconfirmed == 6, "acknowledged")
        said = Stored("led", {b.spool.id: SpoolSettled(1, [(2, 3), (900, 999)])})
        b.outlet.on_stored(said)
        assert b.outlet.counters.resent == 0, "the ledger may still be writing them"
        b.time += 61
        b.outlet.on_stored(said)
        await b.until(lambda: wire.late == [2, 3], "sent again")
        assert b.outlet.counters.resent == 2
        assert b.outlet.unsettled == 5


async def test_a_refusal_keeps_the_readings_and_is_counted(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        wire = Wire()
        wire.answers_at_once = False
        async with b.connected(wire):
            await b.record(1)
            await b.until(lambda: len(wire.sent) == 1, "sent")
            wire.sent[0][1].set_exception(PublishRefused("t", 0x87, "not authorized"))
            await b.until(lambda: bool(b.outlet.counters.refused), "counted")
            assert b.outlet.counters.refused == {"not authorized": 1}
            assert b.outlet.unsettled == 1


async def test_a_restart_sends_what_was_not_settled(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected(Wire()) as wire:
        await b.record(5)
        await b.until(lambda: len(wire.live) == 5, "sent")
        b.outlet.on_stored(Stored("led", {b.spool.id: SpoolSettled(2)}))
        await b.spool.flush()
    async with bench(tmp_path) as b, b.connected(Wire()) as wire:
        await b.until(lambda: len(wire.late) == 3, "again")
        assert wire.late == [3, 4, 5]
