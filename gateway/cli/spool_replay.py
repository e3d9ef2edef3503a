"""Sending entries again: as backlog, to the broker, from a spool that is only read. Repeats change nothing anywhere.

Nothing is marked in the spool, which may be a running gateway's. What the broker has not acknowledged is kept here and
sent over the next connection; what is left when this ends is named.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gateway.wire.entry as wire
from gateway.cli.spool_entries import Items
from gateway.mqtt.link import Broker, ConnectFailed, Connection, Disconnected, Message, connect
from gateway.spool.intervals import Intervals

_MAX_BATCH_BYTES = 64 << 10
_OVERHEAD_BYTES = 512
_MAX_OPEN = 20
_ANSWER_TIMEOUT_S = 30.0
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.5, 10.0

Numbers = dict[str, Intervals]
"""By spool."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One backlog message, and the numbers in it."""

    message: Message
    spool: str
    seqs: tuple[int, ...]


def batches(items: Items, root: str, node: str, limit_bytes: int) -> Iterator[Batch]:
    """Backlog messages of one spool and class each.

    None is above the limit unless a single entry is. What has no final time yet is left out: its node will send it.
    """
    parts: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
    sizes: dict[tuple[str, str], int] = {}
    for item in items:
        if not item.is_decided:
            continue
        kind = item.spool, item.entry.device_class
        part = wire.late_part(item.seq, item.entry, item.t)
        if kind in parts and sizes[kind] + len(part) > limit_bytes:
            yield _batch(root, node, kind, parts.pop(kind))
        if kind not in parts:
            parts[kind], sizes[kind] = [], _OVERHEAD_BYTES
        parts[kind].append((item.seq, part))
        sizes[kind] += len(part) + 1
    for kind, rest in parts.items():
        yield _batch(root, node, kind, rest)


def _batch(root: str, node: str, kind: tuple[str, str], parts: list[tuple[int, bytes]]) -> Batch:
    spool, device_class = kind
    message = Message(*wire.late_message(root, node, device_class, spool, [part for _, part in parts]))
    return Batch(message, spool, tuple(seq for seq, _ in parts))


@dataclass
class Replay:
    """One replay. `make` gives the batches below a size; `per_s` 0: as fast as the broker takes them.

    `patience_s`: without progress for so long, however often it connects, it gives up. `on_wait` hears why it waits.
    """

    make: Callable[[int], Iterator[Batch]]
    per_s: float
    patience_s: float
    on_wait: Callable[[str], None]
    on_progress: Callable[[int], None]
    sent: Numbers = field(default_factory=dict)
    count: int = 0
    """Entries that the broker took."""
    _open: list[Batch] = field(default_factory=list)
    """Given to a connection, and not acknowledged."""
    _made: Iterator[Batch] | None = None
    _reading: asyncio.Future[Batch | None] | None = None

    async def run(self, broker: Broker) -> None:
        """Returns when the broker has taken all. Raises LinkError where it refuses, or patience is at an end."""
        self._progress_mono = time.monotonic()
        pause_s = _MIN_PAUSE_S
        while True:
            before = self.count
            try:
                async with connect(broker) as connection:
                    await self._use(connection)
                return
            except (ConnectFailed, Disconnected, TimeoutError) as error:
                pause_s = _MIN_PAUSE_S if self.count > before else min(_MAX_PAUSE_S, 2 * pause_s)
                left_s = self._progress_mono + self.patience_s - time.monotonic()
                if left_s <= 0:
                    raise
                self.on_wait(str(error) or type(error).__name__)
                await asyncio.sleep(min(pause_s, left_s))

    async def _use(self, connection: Connection) -> None:
        try:
            await self._send(connection)
        except BaseExceptionGroup as group:
            errors = group.exceptions
            refusal = next((each for each in errors if not isinstance(each, Disconnected | TimeoutError)), errors[0])
            raise refusal from None

    async def _send(self, connection: Connection) -> None:
        limit = min(_MAX_BATCH_BYTES, connection.peer_maximum_packet or _MAX_BATCH_BYTES)
        slots = asyncio.Semaphore(min(_MAX_OPEN, connection.peer_receive_maximum))
        again = list(self._open)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                batch = again.pop(0) if again else await self._next(limit)
                if batch is None:
                    return
                group.create_task(self._publish(connection, batch, slots), name="replay")
                if self.per_s:
                    await asyncio.sleep(len(batch.seqs) / self.per_s)

    async def _next(self, limit: int) -> Batch | None:
        """The next new one; a connection that ends while the disk is read takes nothing with it."""
        if self._made is None:
            self._made = self.make(limit)
        if self._reading is None:
            self._reading = asyncio.ensure_future(asyncio.to_thread(next, self._made, None))
        batch = await asyncio.shield(self._reading)
        self._reading = None
        if batch is not None:
            self._open.append(batch)
        return batch

    async def _publish(self, connection: Connection, batch: Batch, slots: asyncio.Semaphore) -> None:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await connection.publish(batch.message)
        self._open.remove(batch)
        numbers = self.sent.setdefault(batch.spool, Intervals())
        for seq in batch.seqs:
            numbers.add(seq)
        self.count += len(batch.seqs)
        self._progress_mono = time.monotonic()
        self.on_progress(self.count)
        slots.release()


def remaining(items: Items, sent: Numbers) -> Numbers:
    """Of these items those that could be sent and were not."""
    found: Numbers = {}
    for item in items:
        if item.is_decided and item.seq not in sent.get(item.spool, ()):
            found.setdefault(item.spool, Intervals()).add(item.seq)
    return found
