"""Ingest: from the broker to the sink, in an order that loses nothing.

    received → checked → batch → sink's yes → refused ones parked → broker ack → durable → ledger → `stored`

While one batch is written the next one fills; when that is full too, nothing more is read, and the broker keeps the
rest (it sends no more than receive_maximum unacknowledged). A dead database stops the acknowledgements, no more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway.ingest.alarms import Alarms
from gateway.ingest.batch import Batch, Gathering, backoff
from gateway.ingest.counters import Counters
from gateway.ingest.ledger import Ledger, LedgerError
from gateway.ingest.messages import Reader
from gateway.ingest.parked import ParkedError, ParkedStore, Refused
from gateway.ingest.points import Note, Point
from gateway.ingest.presence import AnotherIngest, Presence, hold
from gateway.ingest.retries import Abouts, Retries
from gateway.ingest.settle import Settler
from gateway.ingest.sinks.base import Rejection, Sink, Unavailable
from gateway.mqtt.link import Broker, Connection, stay_connected
from gateway.wire.times import SECOND
from gateway.wire.topics import DEFAULT_ROOT

_GC_THRESHOLD = 50_000
"""Objects between looks for reference cycles: at Python's 700 a third of a backlog's cost is looking for none."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What ingest is told. `confirms`: it publishes `stored`, one such ingest a root.

    `retention_s` bounds how old a reading may be. A batch ends at `batch_readings`, at half of the broker's
    receive_maximum, or `batch_age_s` after the last one. A failed write is repeated after `retry_min_s`, doubling up to
    `retry_max_s`; after `retry_slow_s` where a person has to do something.
    """

    root: str = DEFAULT_ROOT
    confirms: bool = False
    retention_s: float = 365 * 86_400.0
    batch_readings: int = 5000
    batch_age_s: float = 0.02
    max_payload_bytes: int = 262_144
    grace_s: float = 60.0
    publish_every_s: float = 2.0
    retry_min_s: float = 0.25
    retry_max_s: float = 30.0
    retry_slow_s: float = 30.0


class Ingest:
    """The backbone's service. `on_state(part, state, why)` hears what changes: broker, presence, sink, parked, ledger.

    It owns the threads in which `sink`, `ledger` and `parked` are used while it runs; the caller closes them later.
    """

    def __init__(
        self,
        settings: IngestSettings,
        sink: Sink,
        ledger: Ledger,
        parked: ParkedStore,
        broker: Broker,
        on_state: Callable[[str, str, str], None],
    ) -> None:
        self.counters = Counters()
        self._settings = settings
        self._sink = sink
        self._ledger = ledger
        self._parked = parked
        self._broker = broker
        self._on_state = on_state
        self._states: dict[str, tuple[str, str]] = {}
        self._alarms = Alarms(settings.root)
        self._reader = Reader(
            settings.root,
            retention_ns=int(settings.retention_s * SECOND),
            max_payload_bytes=settings.max_payload_bytes,
        )
        self.is_subscribed = False
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Runs until it is cancelled. Raises AnotherIngest when this one confirms and another one does so already."""
        settings = self._settings
        self._gathering = Gathering(
            max_readings=settings.batch_readings,
            # Half of the window is written while the other half fills.
            max_messages=max(1, self._broker.receive_maximum // 2),
            age_s=settings.batch_age_s,
        )
        thresholds = gc.get_threshold()
        gc.set_threshold(_GC_THRESHOLD, *thresholds[1:])
        in_sink = ThreadPoolExecutor(1, thread_name_prefix="ingest sink")
        in_ledger = ThreadPoolExecutor(1, thread_name_prefix="ingest ledger")
        self._in_sink, self._in_ledger = in_sink, in_ledger
        self._settler = Settler(
            root=settings.root,
            ledger=self._ledger,
            sink=self._sink,
            confirms=settings.confirms,
            grace_s=settings.grace_s,
            publish_every_s=settings.publish_every_s,
            counters=self.counters,
            in_ledger=in_ledger,
            in_sink=in_sink,
            on_state=self._state,
        )
        self._abouts = Abouts(self._reader, self._gathering)
        self._retries = Retries(self._parked, self._reader, self._gathering, in_ledger, self._state)
        try:
            async with asyncio.TaskGroup() as group:
                if settings.confirms:
                    is_alone = asyncio.Event()
                    presence = Presence(settings.root, self._ledger.id)
                    group.create_task(
                        hold(presence, self._broker, is_alone, self._state_of("presence")), name="ingest presence"
                    )
                    await is_alone.wait()
                group.create_task(self._stay_connected(), name="ingest link")
                group.create_task(self._write_batches(), name="ingest writer")
                group.create_task(self._settler.run(), name="ingest settler")
                group.create_task(self._retries.run(), name="ingest retries")
                group.create_task(self._abouts.run(), name="ingest descriptions")
        except BaseExceptionGroup as group:
            another, _ = group.split(AnotherIngest)
            if another is None:
                raise
            # Not from an `except*`: what is raised there comes out in a group again.
            raise another.exceptions[0] from None
        finally:
            # A write that is under way cannot be called back; it ends within its timeout.
            in_sink.shutdown(wait=True, cancel_futures=True)
            in_ledger.shutdown(wait=True, cancel_futures=True)
            gc.set_threshold(*thresholds)

    def _state_of(self, part: str) -> Callable[[str, str], None]:
        return lambda state, why: self._state(part, state, why)

    def _state(self, part: str, state: str, why: str) -> None:
        if self._states.get(part) != (state, why):
            self._states[part] = (state, why)
            self._on_state(part, state, why)
            self._alarms.changed(part, state, why)

    async def _stay_connected(self) -> None:
        await stay_connected(self._broker, lambda: None, self._use, on_state=self._state_of("broker"))

    async def _use(self, connection: Connection) -> None:
        self._connection = connection
        # At once: the broker's answers come behind all that waits in the session, and only while that is received.
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receive(connection), name="ingest receiver")
            group.create_task(self._subscribe(connection), name="ingest subscriber")

    async def _subscribe(self, connection: Connection) -> None:
        of_node = f"{self._settings.root}/+"
        kinds = [f"{of_node}/+/+/{kind}" for kind in ("reading", "event", "status", "about")]
        kinds += [f"{of_node}/{kind}" for kind in ("+/backlog", "status", "about", "health", "lost")]
        await connection.subscribe(*kinds)
        self.is_subscribed = True
        self._settler.connected(connection)
        if self._settings.confirms:
            self._alarms.connected(connection)

    async def _receive(self, connection: Connection) -> None:
        while True:
            messages = await connection.receive()
            self._reader.now_at(time.time_ns())
            for message in messages:
                if self._gathering.is_full:
                    await self._gathering.room()
                    self._reader.now_at(time.time_ns())
                self.counters.messages += 1
                part = self._reader.read(message.topic, message.payload, message.token)
                if not part.spool:
                    self._abouts.keep(message.topic, message.payload)
                self._gathering.add(part)

    async def _write_batches(self) -> None:
        settings = self._settings
        while True:
            batch = await self._gathering.take()
            await self._settle_times(batch)
            batch.put_together()
            refused = batch.own_refusals()
            rejections, mark, is_marked = await self._write(batch)
            refused += batch.sink_refusals(settings.root, rejections)
            await self._park(refused)
            await self._retries.done(batch, refused)
            self._acknowledge(batch)
            self._count(batch, refused, rejections)
            self._settler.written(batch.parts, refused, mark, is_marked)
            self._gathering.ended()

    async def _settle_times(self, batch: Batch) -> None:
        """Undated points get the time under which they are stored, the same one at every repeat."""
        if not batch.has_undated:
            return
        pause = backoff(self._settings.retry_min_s, self._settings.retry_max_s)
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._in_ledger, self._date, batch)
            except LedgerError as error:
                self._state("ledger", "down", str(error))
                await asyncio.sleep(pause())
            else:
                return

    def _date(self, batch: Batch) -> None:
        now_at = time.time_ns()
        for part in batch.parts:
            if part.has_undated:
                part.points = [self._dated(part.node, part.spool, point, now_at) for point in part.points]
        self._ledger.commit()

    def _dated(self, node: str, spool: str, point: Point | Note, now_at: int) -> Point | Note:
        if point.is_dated:
            return point
        at = self._ledger.date(node, spool, point.seq, now_at)
        return point._replace(at=at) if isinstance(point, Point) else dataclasses.replace(point, at=at)

    async def _write(self, batch: Batch) -> tuple[list[Rejection], str | None, bool]:
        """The sink's yes, however long it takes; what it refused, and the database's life when it was asked for."""
        settings = self._settings
        pause = backoff(settings.retry_min_s, settings.retry_max_s)
        loop = asyncio.get_running_loop()
        while batch.points:
            try:
                answer = await loop.run_in_executor(
                    self._in_sink, self._write_once, batch.points, self._settler.wants_mark()
                )
            except Unavailable as error:
                self.counters.retries += 1
                self._settler.end_group()
                self._state("sink", "refused" if error.needs_person else "down", error.why)
                wait_s = settings.retry_slow_s if error.needs_person else pause()
                await asyncio.sleep(max(wait_s, error.retry_after_s or 0.0))
            else:
                self._state("sink", "up", "")
                return answer
        return [], None, False

    def _write_once(self, points: list[Point | Note], is_marked: bool) -> tuple[list[Rejection], str | None, bool]:
        mark = self._sink.mark() if is_marked else None
        return self._sink.write(points), mark, is_marked

    async def _park(self, refused: list[Refused]) -> None:
        """Returns when all of it is kept; a full store stops everything here until a person makes room."""
        pause = backoff(self._settings.retry_min_s, self._settings.retry_max_s)
        while refused:
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._in_ledger, self._parked.add, refused, time.time_ns()
                )
            except ParkedError as error:
                self._state("parked", "full", str(error))
                await asyncio.sleep(pause())
            else:
                self._state("parked", "up", "")
                return

    def _acknowledge(self, batch: Batch) -> None:
        connection = self._connection
        for part in batch.parts:
            if part.token is None:
                continue
            if connection is not None and connection.ack(part.token):
                self.counters.acknowledged += 1
            else:
                self.counters.stale_acks += 1

    def _count(self, batch: Batch, refused: list[Refused], rejections: list[Rejection]) -> None:
        counters = self.counters
        counters.batches += 1
        counters.points += len(batch.points) - len(rejections)
        counters.readings += sum(len(part.points) for part in batch.parts if part.spool)
        counters.readings -= sum(1 for one in rejections if batch.points[one.index].seq)
        counters.notes_refused += sum(1 for one in rejections if not batch.points[one.index].seq)
        counters.parked.update(one.reason for one in refused)
