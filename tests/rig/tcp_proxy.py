"""A TCP proxy that misbehaves on demand: drops, holds back, delays, trickles, cuts in mid-packet, hangs, comes back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
"""`up` is from the client to the server."""


class TcpProxy:
    """Forwards a loopback port of its own to `host:port`; an async context manager.

    `accepted` counts connections ever accepted; `bytes_up` and `bytes_down` what was forwarded. `delay_s` holds each
    piece back; `bytes_per_s` (0: no limit) lets them trickle, a few bytes at a time.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)
        self.port = 0
        self.accepted = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self._cut: dict[Direction, int | None] = {"up": None, "down": None}
        self._open: dict[Direction, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._greeted = asyncio.Event()
        self.let_pass()
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._writers: dict[Direction, set[asyncio.StreamWriter]] = {"up": set(), "down": set()}
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._sessions)

    async def listen(self) -> None:
        """Accepts connections again, on the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Closes the listening socket: new connections are refused, present ones stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def drop(self) -> None:
        """Resets every present connection (RST both ways); new ones are accepted."""
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def black_hole(self, *directions: Direction) -> None:
        """Nothing passes any more, in either direction or those given, not even an end: no FIN, no RST."""
        for direction in directions or ("up", "down"):
            self._open[direction].clear()

    def hang(self) -> None:
        """New connections are accepted and hear nothing; present ones pass."""
        self._greeted.clear()

    def let_pass(self) -> None:
        """Ends a black hole and a hanging; what waited arrives."""
        for each in (*self._open.values(), self._greeted):
            each.set()

    def cut_after(self, count: int, direction: Direction = "up") -> None:
        """Lets `count` more bytes pass in that direction, then resets that connection. Works once."""
        self._cut[direction] = count

    def half_close(self, direction: Direction = "up") -> None:
        """Sends FIN that way on every present connection; the other way goes on."""
        for writer in self._writers[direction]:
            if not writer.is_closing():
                writer.write_eof()

    async def wait_accepted(self, count: int, timeout_s: float = 5.0) -> None:
        """Returns when `count` connections have ever been accepted."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.accepted >= count)

    async def wait_connections(self, count: int, timeout_s: float = 5.0) -> None:
        """Returns when exactly `count` connections are open."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.connections == count)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        await self.drop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        await self._count(1)
        upstream: asyncio.StreamWriter | None = None
        try:
            await self._greeted.wait()
            await self._open["up"].wait()
            back, upstream = await asyncio.open_connection(*self.target)
            self._writers["up"].add(upstream)
            self._writers["down"].add(writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream, "up"), name="proxy up")
                group.create_task(self._pump(back, writer, "down"), name="proxy down")
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # A cancelled session is `drop` or the end of the test; the streams module would report it as an error.
            pass
        finally:
            self._sessions.discard(task)
            self._writers["down"].discard(writer)
            if upstream is not None:
                self._writers["up"].discard(upstream)
            for each in (writer, upstream):
                if each is not None:
                    _reset(each)
            await self._count(0)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        """Ends with ConnectionResetError when its source ends: MQTT has no half-closed connections."""
        while data := await reader.read(65536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            while data:
                piece, data = self._piece(data)
                await self._pass(piece, writer, direction)
        await self._open[direction].wait()
        raise ConnectionResetError("ended")

    def _piece(self, data: bytes) -> tuple[bytes, bytes]:
        """What passes at once, and the rest: of a trickle twenty pieces a second."""
        size = max(1, int(self.bytes_per_s / 20)) if self.bytes_per_s else len(data)
        return data[:size], data[size:]

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, direction: Direction) -> None:
        if self.bytes_per_s:
            await asyncio.sleep(len(data) / self.bytes_per_s)
        await self._open[direction].wait()
        left = self._cut[direction]
        if left is not None:
            data = data[:left]
            self._cut[direction] = left - len(data) or None
        if not writer.transport.is_closing() and not _has_said_eof(writer):
            writer.write(data)
            await writer.drain()
        if direction == "up":
            self.bytes_up += len(data)
        else:
            self.bytes_down += len(data)
        if left is not None and left == len(data):
            raise ConnectionResetError("cut")

    async def _count(self, accepted: int) -> None:
        self.accepted += accepted
        with contextlib.suppress(asyncio.CancelledError):
            async with self._changed:
                self._changed.notify_all()


def _has_said_eof(writer: asyncio.StreamWriter) -> bool:
    """After `write_eof` the transport refuses more."""
    return bool(getattr(writer.transport, "_eof", False))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST, so that the peer sees an error and not an orderly end."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
