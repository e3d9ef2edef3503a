"""Sending entries again: as backlog, to the broker, from a spool that is only read. Repeats change nothing anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import gateway.wire.entry as wire
from gateway.cli.spool_entries import Items
from gateway.mqtt.link import Broker, Connection, Message, connect

_MAX_BATCH_BYTES = 64 << 10
_OVERHEAD_BYTES = 512
_MAX_OPEN = 20
_ANSWER_TIMEOUT_S = 30.0


def batches(items: Items, root: str, node: str, limit_bytes: int) -> Iterator[tuple[Message, int]]:
    """Backlog messages of one spool and class each, with how many entries each holds.

    None is above the limit unless a single entry is. What has no final time yet is left out: its node will send it.
    """
    parts: dict[tuple[str, str], list[bytes]] = {}
    sizes: dict[tuple[str, str], int] = {}
    for item in items:
        if not item.is_decided:
            continue
        kind = item.spool, item.entry.device_class
        part = wire.late_part(item.seq, item.entry, item.t)
        if kind in parts and sizes[kind] + len(part) > limit_bytes:
            yield _message(root, node, kind, parts.pop(kind))
        if kind not in parts:
            parts[kind], sizes[kind] = [], _OVERHEAD_BYTES
        parts[kind].append(part)
        sizes[kind] += len(part) + 1
    for kind, rest in parts.items():
        yield _message(root, node, kind, rest)


def _message(root: str, node: str, kind: tuple[str, str], parts: list[bytes]) -> tuple[Message, int]:
    spool, device_class = kind
    return Message(*wire.late_message(root, node, device_class, spool, parts)), len(parts)


async def send(
    broker: Broker,
    items: Items,
    *,
    root: str,
    node: str,
    per_s: float,
    on_sent: Callable[[int], None],
) -> None:
    """Publish all items; `on_sent` hears of each batch that the broker took. `per_s` 0: as fast as it takes them.

    Raises LinkError where the broker refuses or the connection ends.
    """
    try:
        await _send(broker, lambda limit: batches(items, root, node, limit), per_s, on_sent)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _send(
    broker: Broker, make: Callable[[int], Iterator[tuple[Message, int]]], per_s: float, on_sent: Callable[[int], None]
) -> None:
    async with connect(broker) as connection:
        limit = min(_MAX_BATCH_BYTES, connection.peer_maximum_packet or _MAX_BATCH_BYTES)
        slots = asyncio.Semaphore(min(_MAX_OPEN, connection.peer_receive_maximum))
        made = make(limit)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                batch = await asyncio.to_thread(next, made, None)
                if batch is None:
                    return
                message, count = batch
                group.create_task(_publish(connection, message, count, slots, on_sent), name="replay")
                if per_s:
                    await asyncio.sleep(count / per_s)


async def _publish(
    connection: Connection, message: Message, count: int, slots: asyncio.Semaphore, on_sent: Callable[[int], None]
) -> None:
    async with asyncio.timeout(_ANSWER_TIMEOUT_S):
        await connection.publish(message)
    on_sent(count)
    slots.release()
