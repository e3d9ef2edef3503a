"""Raw serial servers over TCP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from drivers.core.contract import Line
from gateway.ports import PortError, PortLost, open_port
from gateway.ports import tcp as tcp_module
from tests.ports.waiting import until

LINE = Line()


class RawServer:
    """A serial server: one peer at a time, seen from its wire side."""

    def __init__(self) -> None:
        self.peers: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []

    async def on_peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.peers.put_nowait((reader, writer))


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listening = await asyncio.start_server(raw.on_peer, "127.0.0.1", 0)
    raw.url = f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield raw
    for writer in raw.writers:
        writer.transport.abort()
    listening.close()
    await listening.wait_closed()


async def test_bytes_both_ways_and_a_peer_that_hangs_up(server):
    port = await open_port(server.url, LINE)
    reader, writer = await server.peers.get()
    writer.write(b"\x01\x02")
    async with asyncio.timeout(5):
        assert await port.read() == b"\x01\x02"
        await port.write(b"question")
        assert await reader.readexactly(8) == b"question"
        writer.write(b"late")
        await writer.drain()
        while not (dropped := await port.drain_input()):
            pass
        assert dropped == 4
        writer.close()
        with pytest.raises(PortLost, match=server.url):
            await port.read()
        with pytest.raises(PortLost):
            await port.write(b"x")
    await port.close()


async def test_keepalive_is_on(server):
    port = await open_port(server.url, LINE)
    sock = port._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    await port.close()


async def test_a_peer_that_does_not_read_ends_with_the_port(server):
    port = await open_port(server.url, LINE)
    await server.peers.get()

    async def write_for_ever() -> None:
        while True:
            await port.write(bytes(65536))

    writing = asyncio.create_task(write_for_ever())
    async with asyncio.timeout(5):
        await until(lambda: port._is_paused)
        await port.close()
        with pytest.raises(PortLost):
            await writing
        with pytest.raises(PortLost):
            await port.read()


async def test_why_a_connection_fails(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(PortError) as refused:
            await open_port(url, LINE)
    assert refused.value.reason == "refused"
    assert url in str(refused.value)

    for bad in [
        "tcp://",
        "tcp://host",
        "tcp://host:x",
        "tcp://host:70000",
        "tcp://a:1/path",
        "tcp://u@h:1",
        "tcp://[::1",
    ]:
        with pytest.raises(PortError) as refused:
            await open_port(bad, LINE)
        assert (bad, refused.value.reason) == (bad, "bad-url")

    async def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", nowhere)
    with pytest.raises(PortError) as refused:
        await open_port("tcp://no-such-host:1", LINE)
    assert refused.value.reason == "unknown-host"
    monkeypatch.undo()
    with pytest.raises(PortError) as refused:
        await open_port("tcp://a..b:1", LINE)
    assert refused.value.reason == "unknown-host"
    monkeypatch.setattr(loop, "create_connection", never)
    monkeypatch.setattr(tcp_module, "CONNECT_TIMEOUT_S", 0.01)
    with pytest.raises(PortError) as refused:
        await open_port("tcp://silent:1", LINE)
    assert refused.value.reason == "unreachable"


async def test_what_a_raw_server_cannot_do_is_said(server):
    port = await open_port(server.url, LINE)
    for use in (port.drain_output, lambda: port.set_line(LINE), lambda: port.send_break(0.01)):
        with pytest.raises(PortError, match="no break and no change of speed") as refused:
            await use()
        assert refused.value.reason == "no-wires"
        assert server.url in str(refused.value)
    await port.close()
