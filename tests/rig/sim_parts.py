"""Parts of a simulated installation: an instrument that is owed, its port, and a computer with a wrong clock."""

from __future__ import annotations

import asyncio
from collections import deque

from drivers.core.contract import Driver, Instrument, Line
from gateway.ports import PortError, PortLost
from tests.rig.instrument import Boot, Name, Sent, frame_of
from tests.rig.sim_time import SimLoop


class SimComputer:
    """A computer's clocks, as gateway.edge.clock.System wants them."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.boots = 0
        self.boot = ""
        self.reboot()

    def reboot(self, wall_ns: int | None = None) -> None:
        """Start again; the wall clock shows this and nobody told it, or is right and kept by a daemon (None)."""
        self.boots += 1
        self.boot = f"{self.boots:08x}"
        self._booted_ns = self._loop.true_ns() - 5_000_000_000
        self.offset_ns, self.is_kept, self.mark = 0, False, 0
        if wall_ns is None:
            self.sync()
        else:
            self.set(wall_ns)

    def set(self, wall_ns: int) -> None:
        """Somebody sets the clock; the kernel no longer calls it synchronized."""
        self.offset_ns = wall_ns - self.mono_ns()
        self.is_kept = False

    def step(self, seconds: float) -> None:
        """Somebody moves the clock."""
        self.set(self.wall_ns() + round(seconds * 1e9))

    def sync(self) -> None:
        """A time daemon sets the clock right."""
        self.offset_ns = self._loop.true_ns() - self.mono_ns()
        self.is_kept = True
        self.mark += 1

    def mono_ns(self) -> int:
        """See System."""
        return self._loop.true_ns() - self._booted_ns

    def wall_ns(self) -> int:
        """See System."""
        return self.mono_ns() + self.offset_ns

    def is_synchronized(self) -> bool | None:
        """See System."""
        return self.is_kept

    def daemon_mark(self) -> object | None:
        """See System."""
        return self.mark


class SimInstrument:
    """A Plantower that says a numbered frame every `period_s` to whoever has its port open."""

    def __init__(self, device: int, period_s: float, loop: SimLoop, *, remembers: bool = True) -> None:
        self.device, self.period_s, self._loop, self._remembers = device, period_s, loop, remembers
        self.count = 0
        """Frames said, remembered or not."""
        self.boots: list[Boot] = []
        self.is_plugged = True
        self._port: SimPort | None = None

    @property
    def sent(self) -> int:
        """How many frames were said so far."""
        return sum(len(boot.sent) for boot in self.boots)

    def open(self, url: str) -> SimPort:
        """The host opens the port. Raises PortError while it is unplugged or somebody has it."""
        if not self.is_plugged:
            raise PortError("absent", url)
        self.hang_up()
        self.boots.append(Boot(self._loop.time()))
        self._port = SimPort(url, self)
        return self._port

    def hang_up(self) -> None:
        """Whoever had the port has it no more."""
        if self._port is not None:
            self._port, port = None, self._port
            self.boots[-1].ended_mono = self._loop.time()
            port.end()

    def unplug(self) -> None:
        """The cable is pulled."""
        self.is_plugged = False
        self.hang_up()

    async def run(self) -> None:
        """Talk for ever."""
        due = self._loop.time() + self.period_s * (self.device % 7) / 7
        while True:
            due += self.period_s
            await asyncio.sleep(due - self._loop.time())
            if self._port is not None:
                boot = self.boots[-1]
                self.count += 1
                name = Name(self.device, len(self.boots), self.count)
                self._port.arrive(frame_of(name))
                at = self._loop.true_ns()
                if self._remembers:
                    boot.sent.append(Sent(name, self._loop.time(), at, at))


class SimPort:
    """One end of an opened port; gateway.ports.Port. Ends with `SimInstrument.hang_up` or `close`."""

    overflowed = 0

    def __init__(self, url: str, instrument: SimInstrument | None = None, answering: Instrument | None = None) -> None:
        self.name = url
        self._instrument, self._answering = instrument, answering
        self._inbox: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._is_ended = False
        self.written: list[float] = []
        """When the host wrote, in the loop's time."""

    def arrive(self, data: bytes) -> None:
        """The instrument says something."""
        self._inbox.append(data)
        self._some.set()

    def end(self) -> None:
        """The port is gone."""
        self._is_ended = True
        self._some.set()

    async def read(self) -> bytes:
        """See Port."""
        while not self._inbox:
            if self._is_ended:
                raise PortLost(self.name, "unplugged")
            self._some.clear()
            await self._some.wait()
        return self._inbox.popleft()

    async def write(self, data: bytes) -> None:
        """See Port."""
        if self._is_ended:
            raise PortLost(self.name, "unplugged")
        loop = asyncio.get_running_loop()
        self.written.append(loop.time())
        if self._answering is not None:
            answer = self._answering.answer(data, loop.time())
            if answer:
                loop.call_later(0.05, self.arrive, answer)

    async def drain_input(self) -> int:
        """See Port."""
        count = sum(map(len, self._inbox))
        self._inbox.clear()
        return count

    async def drain_output(self) -> None:
        """See Port."""

    async def set_line(self, line: Line) -> None:
        """See Port."""

    async def send_break(self, seconds: float) -> None:
        """See Port."""

    async def close(self) -> None:
        """See Port."""
        self.end()
        if self._instrument is not None and self._instrument._port is self:
            self._instrument.hang_up()


class SimPolled:
    """A polled instrument of a driver's own simulation behind a port; every question is answered within 50 ms."""

    def __init__(self, driver: Driver, address: int, seed: int) -> None:
        assert driver.simulate is not None
        self._instrument = driver.simulate(seed, address)
        self.ports: list[SimPort] = []

    def open(self, url: str) -> SimPort:
        """The host opens the port."""
        self.ports.append(SimPort(url, answering=self._instrument))
        return self.ports[-1]


class Switchboard:
    """Takes the place of open_port: urls to what stands behind them."""

    def __init__(self) -> None:
        self.lines: dict[str, SimInstrument | SimPolled] = {}

    async def open_port(self, url: str, line: Line, *, dtr: bool | None = None, exclusive: bool = True) -> SimPort:
        """See gateway.ports.open_port."""
        return self.lines[url].open(url)
