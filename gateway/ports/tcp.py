"""`tcp://host:port`: a serial line behind a raw TCP server (ser2net, USR, Moxa in raw mode)."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from drivers.core.contract import Line

from .contract import PortError, PortLost
from .inbox import Inbox

CONNECT_TIMEOUT_S = 10.0
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 15), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""A peer that vanished without a word is noticed after 30 s."""


class TcpPort(asyncio.Protocol):
    """A connected raw serial server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._inbox = Inbox()
        self._transport: asyncio.Transport | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_paused = False

    @property
    def name(self) -> str:
        """The url it was opened with."""
        return self._url

    @property
    def overflowed(self) -> int:
        """Bytes lost because nobody read them in time."""
        return self._inbox.overflowed

    async def read(self) -> bytes:
        """See `Port.read`."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """See `Port.write`."""
        while self._is_paused and self._transport is not None:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable
        if self._transport is None:
            raise PortLost(self._url, "closed")
        self._transport.write(data)

    async def drain_input(self) -> int:
        """See `Port.drain_input`."""
        # Two turns of the loop: one to ask the system for what it holds, one to take it in.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._inbox.clear()

    async def drain_output(self) -> None:
        """See `Port.drain_output`: nobody tells when the server has passed a byte on."""
        raise PortError("no-wires", self._url)

    async def set_line(self, line: Line) -> None:
        """See `Port.set_line`: the line is the server's."""
        raise PortError("no-wires", self._url)

    async def send_break(self, seconds: float) -> None:
        """See `Port.send_break`: raw TCP has no word for it."""
        raise PortError("no-wires", self._url)

    async def close(self) -> None:
        """See `Port.close`. What was not sent yet is dropped: a peer that does not read must not hold us."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        self._inbox.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._inbox.end(PortLost(self._url, str(exc) if exc else "closed"))
        self.resume_writing()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)


def split_tcp(url: str) -> tuple[str, int]:
    """Host and port number of `tcp://host:port`. Raises PortError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise PortError("bad-url", url, str(error)) from None
    if parts.scheme != "tcp" or not host or not port or parts.path.strip("/") or parts.query or parts.username:
        raise PortError("bad-url", url, "tcp://host:port")
    return host, port


async def open_tcp(url: str) -> TcpPort:
    """Connect within CONNECT_TIMEOUT_S. Raises PortError."""
    host, port = split_tcp(url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connected = await loop.create_connection(lambda: TcpPort(url), host, port)
    except TimeoutError:
        raise PortError("unreachable", url, f"{CONNECT_TIMEOUT_S:g} s") from None
    except (socket.gaierror, UnicodeError) as error:
        raise PortError("unknown-host", url, str(error)) from None
    except ConnectionRefusedError:
        raise PortError("refused", url) from None
    except OSError as error:
        raise PortError("unreachable", url, error.strerror or str(error)) from None
    return connected
