"""Stations on real ttys, with simulated instruments at the other end and everything a line can do to their bytes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from drivers.core.registry import find
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus, open_port
from gateway.ports.backoff import Backoff
from gateway.ports.ticks import SystemTicks
from gateway.sim.faults import Faults
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from tests.edge.field import Ear, living
from tests.ports.waiting import until

PMS = find("plantower-pmsx003")
FF4 = find("ultrasonic-ff4")
SDM = find("eastron-sdm630")


class Clock(SystemTicks):
    def wall_ns(self) -> int:
        return time.time_ns()


class Simulation:
    """A line that runs as long as the stack."""

    def __init__(self, line: SimulatedLine) -> None:
        self.line = line
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SimulatedLine:
        self._task = asyncio.create_task(self.line.run())
        return self.line

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])


def listening(driver, path: str, ear: Ear, **spec) -> ListeningStation:
    device = DeviceSpec("sensor", **{"silence_s": 0.4, **spec})
    backoff = Backoff(0.02, 0.1)
    return ListeningStation(
        device, driver, lambda: open_port(path, driver.line), Clock(), ear.emit, ear.on_state, backoff
    )


async def quiesce(device: SimulatedDevice, ear: Ear) -> None:
    """Stop the instrument, and wait until what it sent has been read."""
    device.is_mute = True
    seen = -1
    while seen != len(ear.reports):
        seen = len(ear.reports)
        await asyncio.sleep(0.08)


@pytest.mark.parametrize(
    ("driver", "faults"),
    [
        (PMS, Faults()),
        (PMS, Faults(chunk_bytes=1)),
        (PMS, Faults(noise=0.1, loss=0.1, wrong=0.1, drop=0.1)),
        (PMS, Faults(duplicate=0.2, delay=0.2, delay_s=0.01, chunk_bytes=5)),
        (FF4, Faults(chunk_bytes=1)),
    ],
)
async def test_what_was_whole_on_the_line_is_reported_once_and_in_order(driver, faults):
    ear = Ear()
    device = SimulatedDevice(driver, seed=11, period_s=0.002)
    async with Simulation(SimulatedLine([device], faults=faults, seed=11)) as line:
        station = listening(driver, line.path, ear)
        async with living(station):
            await until(lambda: device.owed >= 100)
            await quiesce(device, ear)
    owed = [dict(entry.values) for entry in device.log]
    reported = [dict(report.decoded.values) for report in ear.reports]
    assert reported == owed
    assert station.counters.readings == len(owed)
    damaged = faults.noise or faults.loss
    assert bool(station.counters.rejected) == bool(damaged)
    times = [report.mono_ns for report in ear.reports]
    assert times == sorted(times)


async def test_an_eight_bit_check_after_noise_loses_but_never_invents():
    ear = Ear()
    device = SimulatedDevice(FF4, seed=2, period_s=0.002)
    faults = Faults(noise=0.1, loss=0.1, wrong=0.1)
    line = SimulatedLine([device], faults=faults, seed=2)
    async with Simulation(line), living(listening(FF4, line.path, ear)):
        await until(lambda: device.owed >= 200)
        await quiesce(device, ear)
    owed = iter([dict(entry.values) for entry in device.log])
    # Every report is one that was owed, in order; the first after noise is not believed and missing here.
    assert all(any(report.decoded.values == values for values in owed) for report in ear.reports)
    assert 0.5 * device.owed < len(ear.reports) < device.owed


async def test_unplugged_in_the_middle_and_back_under_the_same_name(tmp_path: Path):
    ear = Ear()
    device = SimulatedDevice(PMS, seed=4, period_s=0.01)
    async with Simulation(SimulatedLine([device], link=tmp_path / "sensor")) as line:
        station = listening(PMS, line.path, ear)
        async with living(station):
            for times in range(1, 4):
                before = len(ear.reports)
                await until(lambda before=before: len(ear.reports) > before + 10)
                line.unplug()
                await until(lambda: station.state == "absent")
                assert str(tmp_path) in station.why
                before = len(ear.reports)
                line.replug()
                await until(lambda before=before: len(ear.reports) > before)
                assert station.state == "ok"
                assert station.counters.reconnects == times
            await quiesce(device, ear)
    owed = iter([dict(entry.values) for entry in device.log])
    # What was in the cable when it was pulled is gone; nothing is invented, doubled or out of order.
    assert all(any(report.decoded.values == values for values in owed) for report in ear.reports)
    assert len(ear.reports) >= device.owed - 3 * 3


async def test_silence_and_recovery_of_a_real_line():
    ear = Ear()
    device = SimulatedDevice(PMS, seed=4, period_s=0.02)
    async with Simulation(SimulatedLine([device])) as line:
        station = listening(PMS, line.path, ear)
        async with living(station):
            await until(lambda: station.state == "ok")
            device.is_mute = True
            await until(lambda: station.state == "silent")
            device.is_mute = False
            await until(lambda: station.state == "ok")
    assert ear.words == ["ok", "silent", "ok"]


async def test_a_port_that_another_process_holds_is_absent_until_it_lets_go():
    ear = Ear()
    device = SimulatedDevice(PMS, seed=4, period_s=0.02)
    code = (
        "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True);"
        "sys.stdin.read(); port.close()"
    )
    async with Simulation(SimulatedLine([device])) as line:
        other = subprocess.Popen(  # noqa: ASYNC220 - a test may wait for a process
            [sys.executable, "-c", code, line.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            station = listening(PMS, line.path, ear)
            async with living(station):
                await until(lambda: station.state == "absent")
                assert "fuser" in station.why
                other.stdin.close()
                other.wait(5)
                await until(lambda: station.state == "ok")
    assert ear.words == ["absent", "ok"]


async def test_meters_of_a_bus_with_faults_and_an_unplug(tmp_path: Path):
    meters = [SimulatedDevice(SDM, seed=address, address=address, name=f"m{address}") for address in (1, 2, 3)]
    ears = {f"m{address}": Ear() for address in (1, 2, 3)}
    line = SimulatedLine(meters, link=tmp_path / "bus", faults=Faults(chunk_bytes=7, noise=0.02), seed=9)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Simulation(line))
        bus = Bus("bus", lambda: open_port(line.path, SDM.line), SDM.line, backoff=Backoff(0.02, 0.1))
        stations = [
            PolledStation(
                DeviceSpec(f"m{address}", every_s=0.1, silence_s=2.0, address=address),
                SDM,
                bus,
                Clock(),
                ears[f"m{address}"].emit,
                ears[f"m{address}"].on_state,
            )
            for address in (1, 2, 3)
        ]
        await stack.enter_async_context(living(*stations))
        await until(lambda: min(len(ear.reports) for ear in ears.values()) >= 2, 10)
        line.unplug()
        await until(lambda: all(station.state == "absent" for station in stations))
        line.replug()
        before = {name: len(ear.reports) for name, ear in ears.items()}
        await until(lambda: all(len(ear.reports) > before[name] + 1 for name, ear in ears.items()), 10)
    for meter in meters:
        reports = [r.decoded.values for r in ears[meter.name].reports if not r.decoded.quality]
        owed = iter([entry.values for entry in meter.log])
        # Each whole report of a meter is one that this very meter gave: identities are never mixed.
        assert all(any(dict(values) == dict(given) for given in owed) for values in reports)
        assert len(reports) >= 3
    await bus.close()
