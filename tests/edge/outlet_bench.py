"""A real spool with its outlet, a connection that does what the test says, and a clock that the test owns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.outlet import Outlet
from gateway.mqtt.link import Disconnected, Message, PublishRefused
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire.dating import UNDECIDED, Undecided
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import Backlog, Event, Reading, SpoolSettled, Stored, decode

Refuse = Callable[[Message], PublishRefused | None]


class Wire:
    """A connection whose answers the test gives; `sent` is what was handed over, with its future."""

    def __init__(self, receive_maximum: int = 1000, maximum_packet: int | None = None) -> None:
        self.peer_receive_maximum = receive_maximum
        self.peer_maximum_packet = maximum_packet
        self.sent: list[tuple[Message, asyncio.Future[None]]] = []
        self.answers_at_once = True
        self.refuse: Refuse = lambda message: None

    def publish(self, message: Message) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self.sent.append((message, future))
        refused = self.refuse(message)
        if refused is not None:
            future.set_exception(refused)
            future.exception()
        elif self.answers_at_once:
            future.set_result(None)
        return future

    def lose(self) -> None:
        for _, future in self.sent:
            if not future.done():
                future.set_exception(Disconnected("gone"))
                future.exception()

    @property
    def taken(self) -> list[Message]:
        """What was answered with yes."""
        return [m for m, future in self.sent if future.done() and future.exception() is None]

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

    @property
    def names(self) -> set[tuple[str, int]]:
        """(spool, seq) of everything handed over."""
        found: set[tuple[str, int]] = set()
        for message, _ in self.sent:
            if message.topic.endswith("/backlog"):
                batch = decode(Backlog, message.payload)
                found |= {(batch.spool, entry.seq) for entry in batch.readings}
            elif message.topic.endswith("/event"):
                event = decode(Event, message.payload)
                found.add((event.spool, event.seq))
            elif message.topic.endswith("/reading"):
                reading = decode(Reading, message.payload)
                found.add((reading.spool, reading.seq))
        return found


class Times:
    """Everything has a time but the numbers in `undecided`."""

    def __init__(self) -> None:
        self.undecided: set[int] = set()
        self._callbacks: list[Callable[[], None]] = []

    def time_of(self, seq: int, entry: Entry) -> str | Undecided | None:
        return UNDECIDED if seq in self.undecided else "2026-03-20T09:46:40.000Z"

    def on_decided(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def decide(self) -> None:
        self.undecided.clear()
        for told in self._callbacks:
            told()


class Bench:
    """A spool, its outlet, and a clock that the test owns."""

    def __init__(self, spool: Spool, confirm: str, **settings: Any) -> None:
        self.spool, self.eras, self.times = spool, Eras(spool), Times()
        self.time = 1000.0
        self.events: list[tuple[str, dict[str, object]]] = []
        self.outlet = Outlet(
            spool,
            self.eras,
            "main",
            root="lanna/v1",
            node="n",
            confirm=confirm,  # type: ignore[arg-type]  # both words are tried
            now=lambda: self.time,
            times=self.times,
            **settings,
        )
        self.outlet.word.on_event.append(lambda event, data: self.events.append((event, dict(data))))

    async def record(self, count: int, device_class: str = "air", device: str = "d") -> None:
        for _ in range(count):
            entry = Entry(device_class, device, 1_774_000_000_000, 1, "boot", True, {"pm2_5": 1.0})
            self.spool.append(pack(entry))
        await self.spool.flush()

    def hear(self, upto: int, *missing: tuple[int, int], next: int = 0, ledger: str = "led", **options: Any) -> None:
        """The ledger speaks of the present era."""
        settled = SpoolSettled(upto, list(missing), next)
        self.outlet.word.hear(Stored(ledger, {self.eras.current.id: settled}), **{"is_news": True} | options)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the loop turn until the condition holds."""
        try:
            async with asyncio.timeout(5):
                while not condition():
                    await asyncio.sleep(0.001)
        except TimeoutError:
            raise AssertionError(f"not within 5 s: {what}") from None

    async def turn(self, count: int = 50) -> None:
        """Time for what must not happen."""
        for _ in range(count):
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def connected(self, wire: Wire | None = None, *, checks: bool = True) -> AsyncIterator[Wire]:
        wire = wire or Wire()
        if checks:
            self.eras.checked()
        task = asyncio.create_task(self.outlet.use(wire))  # type: ignore[arg-type]  # the parts the outlet needs
        try:
            yield wire
        finally:
            if task.done():
                task.result()
            task.cancel()
            if not task.done():
                with pytest.raises(asyncio.CancelledError):
                    await task
            wire.lose()
            await asyncio.sleep(0)


@asynccontextmanager
async def bench(
    path: Path, confirm: str = "stored", *, max_bytes: int = 1 << 24, **settings: Any
) -> AsyncIterator[Bench]:
    spool = Spool.open(path, outlets=["main"], max_bytes=max_bytes, window_s=0.01)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(spool.run())
            try:
                yield Bench(spool, confirm, **settings)
            finally:
                task.cancel()
    finally:
        await spool.close()


async def sent(b: Bench, wire: Wire, count: int) -> None:
    """`count` more readings, taken by the broker."""
    before = b.outlet.numbers.unconfirmed
    await b.record(count)
    await b.until(lambda: b.outlet.numbers.unconfirmed == before + count, "taken")
