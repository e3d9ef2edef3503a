"""Serial ports: opened by pyserial in a thread of its own, read by the event loop.

Opening can block for seconds in a driver, so it never runs in the loop, nor in the loop's shared pool of threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
import termios
import threading
from collections.abc import Callable
from concurrent.futures import Future

import serial

from drivers.core.contract import Line

from .contract import PortError, PortLost, Reason
from .inbox import Inbox
from .wires import PTY_MAJORS, drain_output, possible, send_break, set_line

OPEN_TIMEOUT_S = 10.0
WIRES_TIMEOUT_S = 10.0
_CHUNK = 4096
_DRAIN_READS = 16
_REASONS: dict[int, Reason] = {
    errno.ENOENT: "absent",
    errno.ENXIO: "absent",
    errno.ENODEV: "absent",
    errno.EIO: "absent",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EBUSY: "busy",
    errno.EAGAIN: "busy",
    errno.ENOTTY: "not-a-tty",
    errno.EISDIR: "not-a-tty",
    errno.EINVAL: "bad-settings",
}
_stuck: set[str] = set()
"""Paths whose open has not come back yet: a second thread must not hang on the same driver."""


class SerialPort:
    """A tty, already set up. Owns the descriptor `fd`."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._inbox = Inbox()
        self._writable: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._take_in)

    @property
    def name(self) -> str:
        """The path it was opened with."""
        return self._path

    @property
    def overflowed(self) -> int:
        """Bytes lost because nobody read them in time."""
        return self._inbox.overflowed

    async def read(self) -> bytes:
        """See `Port.read`."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """See `Port.write`."""
        rest = memoryview(data)
        while rest:
            if self._fd < 0:
                raise PortLost(self._path, os.strerror(errno.ENODEV))
            try:
                rest = rest[os.write(self._fd, rest) :]
            except (BlockingIOError, InterruptedError):
                await self._wait_writable()
            except OSError as error:
                why = os.strerror(error.errno or errno.EIO)
                self._lose(why)
                raise PortLost(self._path, why) from None

    async def drain_input(self) -> int:
        """See `Port.drain_input`. Takes what the system holds, too."""
        for _ in range(_DRAIN_READS):
            if not self._take_in():
                break
        return self._inbox.clear()

    async def drain_output(self) -> None:
        """See `Port.drain_output`."""
        await self._on_wires(drain_output)

    async def set_line(self, line: Line) -> None:
        """See `Port.set_line`."""
        await self._on_wires(lambda fd: set_line(fd, line))

    async def send_break(self, seconds: float) -> None:
        """See `Port.send_break`."""
        await self._on_wires(lambda fd: send_break(fd, seconds))

    async def close(self) -> None:
        """See `Port.close`."""
        self._lose("closed")

    async def _on_wires(self, work: Callable[[int], None]) -> None:
        """Work in a thread, on a descriptor of its own: the port may be lost meanwhile, and its number used again."""
        if self._fd < 0:
            raise PortLost(self._path, os.strerror(errno.ENODEV))
        own = os.dup(self._fd)

        def run() -> int:
            try:
                work(own)
            finally:
                os.close(own)
            return 0

        try:
            async with asyncio.timeout(WIRES_TIMEOUT_S):
                await asyncio.wrap_future(_in_thread(f"wires of {self._path}", run))
        except ValueError as error:
            raise PortError("bad-settings", self._path, str(error)) from None
        except TimeoutError:
            self._lose("stuck")
            raise PortLost(self._path, "stuck") from None
        except (OSError, termios.error) as error:
            why = os.strerror(error.args[0])
            self._lose(why)
            raise PortLost(self._path, why) from None

    def _take_in(self) -> int:
        """Move what the system holds into the inbox; returns how many bytes, 0 also when the port is gone."""
        if self._fd < 0:
            return 0
        try:
            data = os.read(self._fd, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(os.strerror(error.errno or errno.EIO))
            return 0
        if data:
            self._inbox.put(data)
        else:
            # With VMIN = 1 a tty that has nothing says EAGAIN; nothing at all is what it says after a hangup.
            self._lose("unplugged")
        return len(data)

    async def _wait_writable(self) -> None:
        self._writable = self._loop.create_future()
        self._loop.add_writer(self._fd, self._on_writable)
        try:
            await self._writable
        finally:
            self._writable = None
            if self._fd >= 0:
                self._loop.remove_writer(self._fd)

    def _on_writable(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def _lose(self, detail: str) -> None:
        """Give the descriptor back at once: a tty that is held cannot come back under its old name."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            _release(self._fd)
            self._fd = -1
            self._on_writable()
        self._inbox.end(PortLost(self._path, detail))


async def open_serial(path: str, line: Line, *, dtr: bool | None = None, exclusive: bool = True) -> SerialPort:
    """Open a tty with the line settings. `dtr` None leaves that wire as it is, so that boards do not reset.

    `exclusive` holds off every other program that asks (flock) and, but for root and on real ttys, any that does not.
    Raises PortError. Cancelling it leaves no descriptor behind.
    """
    if path in _stuck:
        raise PortError("stuck", path)
    opening = _in_thread(f"open {path}", lambda: _open(path, line, dtr, exclusive))
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            fd = await asyncio.wrap_future(opening)
    except TimeoutError:
        _stuck.add(path)
        opening.add_done_callback(lambda late: _close_late(path, late))
        raise PortError("stuck", path) from None
    except asyncio.CancelledError:
        opening.add_done_callback(lambda late: _close_late(path, late))
        raise
    return SerialPort(path, fd)


def _close_late(path: str, late: Future[int]) -> None:
    """In the opening thread: nobody waits for this descriptor any more."""
    _stuck.discard(path)
    if late.exception() is None:
        _release(late.result())


def _open(path: str, line: Line, dtr: bool | None, exclusive: bool) -> int:
    """The descriptor of a tty that is set up, non-blocking and locked."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise _explain(path, error) from None
    if not stat.S_ISCHR(facts.st_mode):
        raise PortError("not-a-tty", path)
    line = possible(line, facts)
    port = serial.Serial()
    try:
        # pyserial leaves DTR alone only for a port that claims to use it for flow control, which it then does not do.
        port.dsrdtr = dtr is None
        if dtr is not None:
            port.dtr = dtr
        port.exclusive = True if exclusive else None
        port.port, port.baudrate, port.bytesize = path, line.baud, line.bits
        port.parity, port.stopbits = line.parity, line.stop
    except ValueError as error:
        raise PortError("bad-settings", path, str(error)) from None
    try:
        port.open()
        try:
            fd = os.dup(port.fileno())
        finally:
            port.close()
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise _explain(path, error) from None
    try:
        _finish(fd, exclusive)
    except (OSError, termios.error) as error:
        os.close(fd)
        raise _explain(path, error) from None
    return fd


def _finish(fd: int, exclusive: bool) -> None:
    os.set_blocking(fd, False)
    settings = termios.tcgetattr(fd)
    settings[6][termios.VMIN] = 1  # see SerialPort._take_in
    settings[2] &= ~termios.HUPCL  # do not drop DTR at close: the next open would raise it, and reset the board
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    # A pty keeps this flag after our death for as long as its other side lives; a tty forgets it at the last close.
    if exclusive and os.major(os.fstat(fd).st_rdev) not in PTY_MAJORS:
        fcntl.ioctl(fd, termios.TIOCEXCL)


def _release(fd: int) -> None:
    if os.major(os.fstat(fd).st_rdev) not in PTY_MAJORS:
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, termios.TIOCNXCL)
    os.close(fd)


def _explain(path: str, error: BaseException) -> PortError:
    """pyserial wraps what the system said in different ways; the number is what counts."""
    if isinstance(error, (ValueError, OverflowError)):
        return PortError("bad-settings", path, str(error))
    seen: BaseException | None = error
    while seen is not None:
        number = getattr(seen, "errno", None)
        if not isinstance(number, int) and isinstance(seen, termios.error):
            number = seen.args[0]
        if isinstance(number, int):
            return PortError(_REASONS.get(number, "failed"), path, os.strerror(number))
        seen = seen.__context__
    return PortError("failed", path, str(error))


def _in_thread(name: str, work: Callable[[], int]) -> Future[int]:
    """Run `work` in a thread of its own that nobody has to wait for at exit."""
    future: Future[int] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
