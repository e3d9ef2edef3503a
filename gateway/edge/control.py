"""The control socket: who may open it can listen in on the node's ports, or borrow one. See `gateway.wire.control`.

Nothing that a client sends, or does not read, costs the node more than a bounded buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path

import gateway.wire.control as wire
from gateway.edge.control_place import LONGEST
from gateway.edge.loans import Loans, SharedPort
from gateway.ops.texts import say
from gateway.ports.capture import Direction

log = logging.getLogger(__name__)

MODE = 0o660
MOST_CLIENTS = 8
_ASK_S = 5.0
_PIECE = 2048
_WAITING_BYTES = 256 * 1024
_BY_CHARS = 64
_CREDENTIALS = struct.Struct("3i")


class Control:
    """Serves one node's ports. `run` until cancelled; what was borrowed then is taken back."""

    def __init__(
        self,
        loans: Loans,
        node: str,
        mono_ns: Callable[[], int],
        explain: Callable[[str], list[wire.Explained] | None] = lambda device: None,
    ) -> None:
        self.clients = 0
        self.refused = 0
        """Connections that were one too many, or did not ask for anything that can be had."""
        self._loans, self._node, self._mono_ns, self._explainer = loans, node, mono_ns, explain

    async def run(self, path: Path) -> None:
        """Serve at `path`. Where that cannot be, say so and return: a node works without."""
        try:
            seat = _Seat(path)
        except OSError as error:
            log.warning("%s", say("control.no_socket", path=path, why=error.strerror or str(error)))
            return
        try:
            async with asyncio.TaskGroup() as group:

                def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    group.create_task(self._serve(reader, writer), name="control client")

                server = await asyncio.start_unix_server(begin, sock=seat.listening, limit=wire.LINE_BYTES)
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    server.close()
        finally:
            seat.leave()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients += 1
        try:
            if self.clients > MOST_CLIENTS:
                self._refuse(writer, "too-many")
            else:
                await self._answer(reader, writer)
        except (OSError, TimeoutError):
            pass  # it went away, or never came to the point
        except Exception:  # a mistake of ours here must not take the node with it
            log.exception("a client of the control socket was not served")
        finally:
            self.clients -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_ASK_S):
            try:
                line = await reader.readuntil(b"\n")
                ask = wire.decode(wire.Ask, line)
            except (ValueError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
                self._refuse(writer, "unreadable")
                await _flush(writer)
                return
        port = self._loans.find(ask.port)
        if ask.ask == "explain":
            self._explain(ask.device, writer)
        elif ask.ask == "ports":
            self._accept(writer, *self._loans.ports.values())
        elif port is None:
            self._refuse(writer, "unknown-port")
        elif port.borrower:
            self._refuse(writer, "borrowed", port)
        elif ask.ask == "tap":
            await self._tap(port, reader, writer)
        else:
            await self._lend(port, ask.by, reader, writer)
        await _flush(writer)

    def _explain(self, device: str, writer: asyncio.StreamWriter) -> None:
        parts = self._explainer(device)
        if parts is None:
            self._refuse(writer, "unknown-device")
            return
        self._accept(writer)
        for part in parts:
            line = wire.encode(part)
            if len(line) < wire.LINE_BYTES:
                writer.write(line + b"\n")

    async def _tap(self, port: SharedPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = _Waiting(self._mono_ns)
        end = port.tap(waiting.add)

        async def pass_on() -> None:
            while True:
                writer.write(wire.encode(await waiting.take()) + b"\n")
                await writer.drain()

        try:
            self._accept(writer, port)
            await _until_gone(reader, pass_on())
        finally:
            end()

    async def _lend(
        self, port: SharedPort, by: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def hold() -> None:
            await asyncio.get_running_loop().create_future()

        borrower = _borrower(by, writer)
        try:
            await self._loans.lend(port, borrower)
            self._accept(writer, port)
            await _until_gone(reader, hold())
        finally:
            self._loans.take_back(port)

    def _accept(self, writer: asyncio.StreamWriter, *ports: SharedPort) -> None:
        answer = wire.Answer(self._node, os.getpid(), [_facts(port) for port in ports])
        writer.write(wire.encode(answer) + b"\n")

    def _refuse(self, writer: asyncio.StreamWriter, why: wire.Refusal, *ports: SharedPort) -> None:
        self.refused += 1
        answer = wire.Answer(self._node, os.getpid(), [_facts(port) for port in ports], why)
        writer.write(wire.encode(answer) + b"\n")


class _Waiting:
    """Bytes on their way to a client; where it is too slow the oldest give way, and that is told."""

    def __init__(self, mono_ns: Callable[[], int]) -> None:
        self._mono_ns, self._began_ns = mono_ns, mono_ns()
        self._held: deque[tuple[float, Direction, bytes]] = deque()
        self._bytes = self._lost = 0
        self._has_some = asyncio.Event()

    def add(self, direction: Direction, data: bytes) -> None:
        """Bytes that have just gone over the port."""
        t_s = (self._mono_ns() - self._began_ns) / 1e9
        for at in range(0, len(data), _PIECE):
            self._held.append((t_s, direction, data[at : at + _PIECE]))
        self._bytes += len(data)
        while self._bytes > _WAITING_BYTES:
            lost = len(self._held.popleft()[2])
            self._bytes -= lost
            self._lost += lost
        self._has_some.set()

    async def take(self) -> wire.Heard:
        """The oldest piece, waiting for one."""
        while not self._held:
            self._has_some.clear()
            await self._has_some.wait()
        t_s, direction, data = self._held.popleft()
        self._bytes -= len(data)
        lost, self._lost = self._lost, 0
        return wire.Heard(round(t_s, 6), direction, data.hex(), lost)


async def _until_gone(reader: asyncio.StreamReader, work: Coroutine[None, None, None]) -> None:
    """Do the work until the client goes; one that says more than was asked of it is gone, too."""
    working = asyncio.create_task(work, name="control client's work")
    leaving = asyncio.create_task(reader.read(1), name="control client leaves")
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _flush(writer: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(_ASK_S):
        writer.close()
        await writer.wait_closed()


def _facts(port: SharedPort) -> wire.HeldPort:
    line = port.line
    return wire.HeldPort(
        port.url,
        "borrowed" if port.borrower else "open" if port.is_open else "closed",
        line.baud,
        line.bits,
        line.parity,
        line.stop,
        list(port.devices.values()),
        port.borrower,
    )


def _borrower(by: str, writer: asyncio.StreamWriter) -> str:
    """`gateway port scan (process 4711)`; the number is the system's word."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, _, _ = _CREDENTIALS.unpack(raw)
    plain = "".join(char for char in by[:_BY_CHARS] if " " <= char <= "~").strip()
    return say("control.borrower", by=plain or "?", pid=pid)


class _Seat:
    """A listening socket at `path`, for its user and group alone. One that nobody serves any more gives way.

    Raises OSError: FileExistsError where something else is in the place, or somebody serves it.
    """

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > LONGEST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise FileExistsError(errno.EEXIST, say("control.no_place"))
            if _is_served(path):
                raise FileExistsError(errno.EEXIST, say("control.served"))
        # Under another name first, so that nobody finds it half made.
        new = path.with_name(f".{os.getpid()}")
        new.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(self.listening.fileno(), MODE)
            self.listening.bind(os.fspath(new))
            self.listening.setblocking(False)
            self.listening.listen(MOST_CLIENTS)
            new.chmod(MODE)
            new.replace(path)
        except OSError:
            self.listening.close()
            new.unlink(missing_ok=True)
            raise
        self._path, self._inode = path, path.lstat().st_ino

    def leave(self) -> None:
        """Take the socket away, if it is still ours."""
        self.listening.close()
        with contextlib.suppress(OSError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is there, but does not take us
            return True
    return True
