"""What a station needs in a test: a port in memory, a recorder of what it said, and a task that ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.core.contract import Line
from gateway.edge.station import DeviceState, Report, Station
from gateway.ports import PortError, PortLost
from gateway.ports.inbox import Inbox


class Wire:
    """A port in memory. The test speaks with `say` and reads what was written in `written`; `obey` answers commands."""

    name = "/dev/wire"

    def __init__(self, obey: Callable[[bytes], bytes] = lambda data: b"") -> None:
        self.obey = obey
        self.inbox = Inbox()
        self.written: list[bytes] = []
        self.is_closed = False

    @property
    def overflowed(self) -> int:
        return self.inbox.overflowed

    def say(self, data: bytes) -> None:
        self.inbox.put(data)

    def unplug(self) -> None:
        self.inbox.end(PortLost(self.name, "unplugged"))

    async def read(self) -> bytes:
        return await self.inbox.take()

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        if reply := self.obey(data):
            self.say(reply)

    async def drain_input(self) -> int:
        return self.inbox.clear()

    async def drain_output(self) -> None:
        """See Port."""

    async def set_line(self, line: Line) -> None:
        """See Port."""

    async def send_break(self, seconds: float) -> None:
        """See Port."""

    async def close(self) -> None:
        self.is_closed = True


class Socket:
    """Where a wire may be plugged in or not."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire
        self.tries = 0

    async def open(self) -> Wire:
        self.tries += 1
        if self.wire is None or self.wire.is_closed:
            raise PortError("absent", Wire.name)
        return self.wire


class Ear:
    """Takes what a station says."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.states: list[tuple[DeviceState, str]] = []

    def emit(self, report: Report) -> None:
        self.reports.append(report)

    def on_state(self, device: str, state: DeviceState, why: str) -> None:
        assert device
        self.states.append((state, why))

    @property
    def words(self) -> list[DeviceState]:
        return [state for state, _ in self.states]


@asynccontextmanager
async def living(*stations: Station) -> AsyncIterator[None]:
    """Run the stations; none may have ended by itself at the end."""
    tasks = [asyncio.create_task(station.run()) for station in stations]
    try:
        await asyncio.sleep(0)
        yield
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
