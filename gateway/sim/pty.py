"""The instrument's end of a serial cable: a pty under a stable name, which can be unplugged and plugged in again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path

_CHUNK = 4096
_BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}


class Cable:
    """A pty of which we hold the master. `path` is what the host opens: `link` where one is wanted, else the tty."""

    def __init__(
        self, on_bytes: Callable[[bytes], None], on_close: Callable[[], None], link: Path | None = None
    ) -> None:
        self._on_bytes = on_bytes
        self._on_close = on_close
        self._link = link
        self._master = -1
        self._tty = ""
        self._is_read = False
        self.plug()

    @property
    def path(self) -> str:
        """What the host opens; dangles while the cable is unplugged."""
        return str(self._link) if self._link else self._tty

    @property
    def is_plugged(self) -> bool:
        """False between `unplug` and `plug`."""
        return self._master >= 0

    def plug(self) -> None:
        """A new pty, raw from the start, so that nothing is echoed before the host has set it up."""
        if self.is_plugged:
            return
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._tty = os.ttyname(slave)
        os.close(slave)
        if self._link is not None:
            made = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            made.unlink(missing_ok=True)
            made.symlink_to(self._tty)
            made.replace(self._link)

    def unplug(self) -> None:
        """The host's reads and writes fail from now on, and the name is gone."""
        if not self.is_plugged:
            return
        self.stop_reading()
        if self._link is not None:
            with contextlib.suppress(FileNotFoundError):
                self._link.unlink()
        os.close(self._master)
        self._master = -1

    def is_open(self) -> bool:
        """True while a host has the tty open. Bytes sent to nobody would wait in the pty; a real line forgets them."""
        if not self.is_plugged:
            return False
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def baud(self) -> int:
        """What the host has set the line to; 0 where that has no name. Bits and parity a pty does not keep."""
        if not self.is_plugged:
            return 0
        return _BAUDS.get(termios.tcgetattr(self._master)[5], 0)

    def start_reading(self) -> None:
        """Hand what the host writes to `on_bytes`, until it closes the tty or the cable is unplugged."""
        if self.is_plugged and not self._is_read:
            asyncio.get_running_loop().add_reader(self._master, self._on_readable)
            self._is_read = True

    def stop_reading(self) -> None:
        """What the host writes waits from now on."""
        if self._is_read:
            asyncio.get_running_loop().remove_reader(self._master)
            self._is_read = False

    def write(self, data: bytes) -> bool:
        """Put all of `data` on the line; False where nobody listens, or not fast enough to take all of it."""
        if not self.is_open():
            return False
        try:
            return os.write(self._master, data) == len(data)
        except OSError:
            return False

    def _on_readable(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # the host has closed the tty: the descriptor would stay readable for ever
            self.stop_reading()
            self._on_close()
            return
        self._on_bytes(data)
