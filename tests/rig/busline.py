"""An RS-485 line in virtual time: slaves with their own patience, bytes that take their time, echo and glitches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.core.contract import Driver, Line
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec, Report
from gateway.ports import Bus, PortLost
from gateway.ports.backoff import Backoff
from gateway.ports.inbox import Inbox
from tests.ports.virtual_clock import VirtualClock

THINKS_S = (0.02, 0.08)
"""How long a living slave takes to begin its answer."""


class BusLine:
    """A port. `dead` are addresses that say nothing; `late(dice)` is what an answer waits in addition, in seconds."""

    name = "/dev/bus"
    overflowed = 0

    def __init__(
        self, clock: VirtualClock, driver: Driver, addresses: Sequence[int], line: Line, seed: int = 1
    ) -> None:
        assert driver.simulate is not None
        self.line = line
        self.dead: set[int] = set()
        self.has_echo = False
        self.glitch = 0.0
        self.late = lambda dice: 0.0
        self.questions = 0
        self._clock = clock
        self._slaves = {address: driver.simulate(address, address) for address in addresses}
        self._dice = random.Random(seed)
        self._inbox = Inbox()
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self) -> bytes:
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        self.questions += 1
        dice, byte_s = self._dice, self.line.byte_s()
        asked_s = len(data) * byte_s
        if self.has_echo:
            self._later(asked_s, data)
        if dice.random() < self.glitch:
            self._later(asked_s, dice.choice((b"\x00", b"\xff", b"\x00\xff")))
        for address, slave in self._slaves.items():
            if address not in self.dead and (answer := slave.answer(data, self._clock.wall_ns() / 1e9)):
                wait_s = asked_s + dice.uniform(*THINKS_S) + self.late(dice)
                half = len(answer) // 2
                self._later(wait_s + half * byte_s, answer[:half])
                self._later(wait_s + len(answer) * byte_s, answer[half:])

    def _later(self, wait_s: float, data: bytes) -> None:
        async def say() -> None:
            await self._clock.sleep_until(self._clock.mono_ns() + round(wait_s * 1e9))
            self._inbox.put(data)

        task = asyncio.create_task(say())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain_input(self) -> int:
        return self._inbox.clear()

    async def close(self) -> None:
        self._inbox.end(PortLost(self.name, "closed"))


@dataclass
class Field:
    """Stations of the addresses on one line, and the reports of each."""

    clock: VirtualClock
    line: BusLine
    bus: Bus
    stations: dict[int, PolledStation]
    reports: dict[int, list[Report]]

    async def live(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    def taken(self) -> dict[int, int]:
        """Readings by address since the last call."""
        counts = {address: len(reports) for address, reports in self.reports.items()}
        for reports in self.reports.values():
            reports.clear()
        return counts


def field(driver: Driver, count: int, every_s: float, line: Line | None = None, seed: int = 1) -> Field:
    """So many stations of the driver on one line, not yet running."""
    clock = VirtualClock()
    addresses = range(1, count + 1)
    port = BusLine(clock, driver, addresses, line or driver.line, seed)

    async def opening() -> BusLine:
        return port

    bus = Bus("bus", opening, port.line, ticks=clock, backoff=Backoff(1.0, 1.0))
    reports: dict[int, list[Report]] = {address: [] for address in addresses}
    options = {name: option.default for name, option in driver.options.items()}
    stations = {
        address: PolledStation(
            DeviceSpec(f"m{address}", every_s, "last", 30.0, address, options),
            driver,
            bus,
            clock,
            reports[address].append,
            lambda device, state, why: None,
        )
        for address in addresses
    }
    return Field(clock, port, bus, stations, reports)
