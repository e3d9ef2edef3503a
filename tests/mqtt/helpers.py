"""Small things that several tests of the link need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.mqtt.link import Broker, Connection, Incoming, Message, connect

ACL = "user node\ntopic readwrite ok/#\ntopic write out/#\ntopic read in/#\n"
"""For user `node`; everything else is denied."""


async def collect(connection: Connection, count: int, *, ack: bool = True, timeout_s: float = 10.0) -> list[Incoming]:
    """Exactly the next `count` messages, acknowledged as they come."""
    got: list[Incoming] = []
    async with asyncio.timeout(timeout_s):
        while len(got) < count:
            part = await connection.receive(count - len(got))
            for each in part if ack else ():
                assert connection.ack(each.token)
            got += part
    return got


async def send(url: str, *messages: Message, client_id: str = "sender") -> None:
    """Publishes over a connection of its own; returns when all are acknowledged."""
    async with connect(Broker(url, client_id)) as connection:
        await asyncio.gather(*[connection.publish(message) for message in messages])


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Returns when the condition holds; looks at every turn of the loop, so that nothing waits longer than it must."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.002)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def fake_broker(script: Script) -> AsyncIterator[str]:
    """A server that does what `script` says on each connection, for answers no real broker gives; yields its url."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_packet(reader: asyncio.StreamReader) -> bytes:
    """One MQTT packet, whole."""
    packet = await reader.readexactly(2)
    length, shift = packet[1] & 0x7F, 7
    while packet[-1] & 0x80:
        packet += await reader.readexactly(1)
        length |= (packet[-1] & 0x7F) << shift
        shift += 7
    return packet + await reader.readexactly(length)


async def until_goodbye(reader: asyncio.StreamReader) -> None:
    """Takes packets, answers nothing, returns at DISCONNECT or the end."""
    while (await read_packet(reader))[0] != 0xE0:
        pass


CONNACK_5 = bytes.fromhex("2003000000")
CONNACK_311 = bytes.fromhex("20020000")


def publish_packet(topic: bytes, payload: bytes, packet_id: int = 0, *, is_5: bool = True, first: int = 0) -> bytes:
    """A PUBLISH as a broker sends it, QoS 1 when it has a packet id."""
    body = len(topic).to_bytes(2, "big") + topic
    if packet_id:
        body += packet_id.to_bytes(2, "big")
    body += (b"\0" if is_5 else b"") + payload
    length = b""
    left = len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (0x80 if left else 0)])
        if not left:
            break
    return bytes([first or (0x32 if packet_id else 0x30)]) + length + body


def answering(after_connect: bytes, *, connack: bytes = CONNACK_5) -> Script:
    """A script: CONNECT, CONNACK and these bytes, then reading whatever comes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack + after_connect)
        await until_goodbye(reader)

    return script
