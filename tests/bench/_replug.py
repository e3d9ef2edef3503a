"""Two adapters that are pulled and come back with each other's tty: how long until readings, and whose they are."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from drivers.core.contract import Driver
from drivers.core.registry import find
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec, Station
from gateway.ports import Bus, open_port
from gateway.ports.ticks import SystemTicks
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from tests.edge.field import Ear, living
from tests.ports.waiting import until

LIMIT_S = 5.0


class MixedUp(Exception):
    """A reading under one device's name that the other instrument gave."""


def ttys(lines: Sequence[SimulatedLine]) -> list[str]:
    """What the names of the lines stand for now."""
    return [os.path.realpath(line.path) for line in lines]


class _Clock(SystemTicks):
    def wall_ns(self) -> int:
        return time.time_ns()


async def first_reading_s(names: tuple[str, str] = ("nova-sds011", "eastron-sdm120"), out_s: float = 1.0) -> float:
    """Seconds until the later of the two reads again; raises MixedUp, and TimeoutError after twice the limit.

    Two instruments of one driver have other values, those of two drivers cannot be read by each other's.
    """
    drivers = [find(name) for name in names]
    ears = [Ear(), Ear()]
    with tempfile.TemporaryDirectory(prefix="lanna-replug-") as folder:
        devices = [SimulatedDevice(driver, seed=10 + i, period_s=0.1) for i, driver in enumerate(drivers)]
        lines = [SimulatedLine([device], link=Path(folder) / f"by-id-{i}") for i, device in enumerate(devices)]
        running = [asyncio.create_task(line.run()) for line in lines]
        try:
            stations = [_station(*each) for each in zip(drivers, lines, ears, strict=True)]
            async with living(*stations):
                await until(lambda: all(ear.reports for ear in ears), LIMIT_S)
                before = ttys(lines)
                for line in lines:
                    line.unplug()
                await until(lambda: all(ear.words[-1] == "absent" for ear in ears), LIMIT_S)
                await asyncio.sleep(out_s)
                seen = [len(ear.reports) for ear in ears]
                for line in reversed(lines):  # the lowest free number first: each gets what was the other's
                    line.replug()
                plugged = time.monotonic()
                assert ttys(lines) != before
                await until(lambda: all(len(e.reports) > n for e, n in zip(ears, seen, strict=True)), 2 * LIMIT_S)
                waited = time.monotonic() - plugged
                await until(lambda: all(len(e.reports) > n + 2 for e, n in zip(ears, seen, strict=True)), 2 * LIMIT_S)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
    for device, ear in zip(devices, ears, strict=True):
        given = [dict(entry.values) for entry in device.log]
        if not all(dict(report.decoded.values) in given for report in ear.reports if not report.decoded.quality):
            raise MixedUp(device.name)
    return waited


def _station(driver: Driver, line: SimulatedLine, ear: Ear) -> Station:
    spec = DeviceSpec(driver.name, every_s=0.2 if driver.default_address else 0.0, silence_s=10.0)
    if driver.name.startswith("eastron"):
        bus = Bus(line.path, lambda: open_port(line.path, driver.line), driver.line)
        return PolledStation(spec, driver, bus, _Clock(), ear.emit, ear.on_state)
    return ListeningStation(spec, driver, lambda: open_port(line.path, driver.line), _Clock(), ear.emit, ear.on_state)
