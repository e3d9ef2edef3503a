"""What the tests of the running ingest share: a sink that remembers and obeys a script, an ingest, and a node."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.ingest.ledger import SqliteLedger
from gateway.ingest.parked import ParkedStore
from gateway.ingest.pipeline import Ingest, IngestSettings
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Held, Rejection, Sink, Span, Unavailable
from gateway.mqtt.link import Broker, Connection, Message, connect
from gateway.spool.intervals import Intervals
from gateway.wire.times import MS, SECOND, format_time

STARTED_AT = time.time_ns() - 60 * SECOND
ROOT, NODE, SPOOL = "lanna/v1", "n1", "9f3c71aa"


class MemorySink:
    """Keeps numbered points by identity. While `trouble` is set it refuses to write; `bad` numbers it rejects.

    `life` stands for the database's process: `crash` changes it and forgets what was written in the last one.
    """

    name = "memory"

    def __init__(self, *, durable_after_s: float = 0.0) -> None:
        self.durable_after_s = durable_after_s
        self.trouble: Unavailable | None = None
        self.bad: set[int] = set()
        self.kept: dict[tuple[str, int, int], Point | Note] = {}
        self.notes: list[Note] = []
        self.writes: list[int] = []
        self.repeats = 0
        self.gate = threading.Event()
        self.gate.set()
        self._life = 1
        self._fresh: set[tuple[str, int, int]] = set()

    def mark(self) -> str | None:
        return str(self._life)

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        assert self.gate.wait(10)
        if self.trouble is not None:
            raise self.trouble
        self.writes.append(len(points))
        for point in points:
            key = (point.origin.node, point.spool, point.seq)
            if isinstance(point, Note) and not point.seq:
                self.notes.append(point)
            elif point.seq not in self.bad:
                self.repeats += key in self.kept
                self.kept[key] = point
                self._fresh.add(key)
        return [Rejection(index, "type conflict") for index, point in enumerate(points) if point.seq in self.bad]

    def crash(self, keeps: Collection[int] = ()) -> None:
        """Everything since the last crash is gone but these numbers."""
        self._life += 1
        for key in self._fresh:
            if key[2] not in keeps:
                del self.kept[key]
        self._fresh.clear()

    def confirm(self, mark: str | None, last: Point | Note) -> bool:
        if self.trouble is not None:
            raise self.trouble
        return mark == str(self._life)

    def held(self, spans: Sequence[Span]) -> Held | None:
        if self.trouble is not None:
            raise self.trouble
        found: Held = {}
        for node, spool, seq in self.kept:
            found.setdefault((node, f"{spool:08x}"), Intervals()).add(seq)
        return found

    def count(self, node: str, device: str, from_at: int, to_at: int) -> int:
        return len(self.kept)

    def close(self) -> None:
        """Nothing to give back."""

    @property
    def seqs(self) -> list[int]:
        return sorted(seq for _, _, seq in self.kept)


class Running:
    """A running ingest, its stores, and the states it told."""

    def __init__(self, folder: Path, sink: Sink, broker: Broker, settings: IngestSettings, parked_bytes: int) -> None:
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.parked = ParkedStore(folder / "parked.db", max_bytes=parked_bytes)
        self.states: list[tuple[str, str, str]] = []
        self.changed = asyncio.Event()
        self.ingest = Ingest(settings, sink, self.ledger, self.parked, broker, self._on_state)
        self.counters = self.ingest.counters

    def _on_state(self, part: str, state: str, why: str) -> None:
        self.states.append((part, state, why))

    def state(self, part: str) -> str:
        """The present state of a part."""
        return next((state for name, state, _ in reversed(self.states) if name == part), "")


@asynccontextmanager
async def running(
    folder: Path,
    sink: Sink,
    url: str,
    *,
    client_id: str = "ingest",
    receive_maximum: int = 1000,
    protocol: Any = "auto",
    parked_bytes: int = 1 << 20,
    **settings: Any,
) -> AsyncIterator[Running]:
    """An ingest for the length of the block; it is connected when the block begins."""
    chosen = IngestSettings(
        **({"publish_every_s": 0.05, "retry_min_s": 0.02, "retry_max_s": 0.1, "retry_slow_s": 0.1} | settings)
    )
    broker = Broker(url, client_id, session_expiry_s=3600, receive_maximum=receive_maximum, protocol=protocol)
    made = Running(folder, sink, broker, chosen, parked_bytes)
    task = asyncio.create_task(made.ingest.run(), name="ingest under test")
    try:
        await until(lambda: task.done() or made.ingest.is_subscribed, "the ingest subscribes")
        yield made
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))
        made.ledger.close()
        made.parked.close()


async def until(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """Waits for a condition, looking often; fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout_s} s: {what}")
        await asyncio.sleep(0.005)


class Node:
    """A node's side of the broker: publishes readings and hears `stored`."""

    def __init__(self, connection: Connection, node: str = NODE) -> None:
        self._connection = connection
        self._node = node
        self.stored: list[dict[str, Any]] = []

    async def publish(self, path: str, message: Any, *, retain: bool = False) -> None:
        """A message under the node's topic, until the broker has it."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self._connection.publish(Message(f"{ROOT}/{self._node}/{path}", data, 1, retain))

    async def readings(self, *seqs: int, **changes: Any) -> None:
        """Live readings with these numbers."""
        for seq in seqs:
            await self.publish("air/pms/reading", {"spool": SPOOL, **entry(seq), **changes})

    async def backlog(self, first: int, last: int) -> None:
        """One batch of readings with these numbers, both included."""
        await self.publish("air/backlog", {"spool": SPOOL, "readings": [entry(seq) for seq in range(first, last + 1)]})

    async def birth(self, first: int, following: int, state: str = "online") -> None:
        """The retained status."""
        status = {"state": state, "spools": {SPOOL: {"first": first, "next": following}}}
        await self.publish("status", status, retain=True)

    async def hear(self, condition: Callable[[dict[str, Any]], object], what: str, timeout_s: float = 30.0) -> Any:
        """Waits for a `stored` that meets the condition, and returns it."""
        async with asyncio.timeout(timeout_s):
            while True:
                for message in await self._connection.receive():
                    self._connection.ack(message.token)
                    self.stored.append(json.loads(message.payload))
                    if condition(self.stored[-1]):
                        return self.stored[-1]
        raise AssertionError(what)

    async def upto(self, number: int) -> None:
        """Waits until everything up to a number is told stored."""
        await self.hear(lambda said: said["spools"].get(SPOOL, {}).get("upto", -1) >= number, f"stored up to {number}")


def entry(seq: int) -> dict[str, Any]:
    """A reading of a minute ago, as a member of a backlog; times rise with the numbers."""
    return {"device": "pms", "t": format_time(STARTED_AT + seq * MS), "seq": seq, "v": {"pm10": float(seq)}}


@asynccontextmanager
async def a_node(url: str, node: str = NODE) -> AsyncIterator[Node]:
    """A connected node that hears its `stored`."""
    async with connect(Broker(url, f"node-{node}")) as connection:
        await connection.subscribe(f"{ROOT}/{node}/stored")
        yield Node(connection, node)
