"""What simulated instruments owe is what stations hear: devices whose questions follow from answers, and dialogues."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from drivers.core.registry import find
from gateway.edge.making import make_station
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus, open_port
from gateway.ports.backoff import Backoff
from gateway.ports.ticks import SystemTicks
from gateway.sim.account import account_of
from gateway.sim.faults import Faults
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from tests.edge.field import Ear, living
from tests.ports.waiting import until


class Clock(SystemTicks):
    def wall_ns(self) -> int:
        return time.time_ns()


@pytest.mark.parametrize(
    ("name", "every_s", "options", "faults", "count"),
    [
        ("sunspec-meter", 0.05, {}, Faults(chunk_bytes=9), 2),
        ("sunspec-meter", 0.05, {}, Faults(drop=0.05, duplicate=0.2), 2),
        ("sdi12", 0.05, {"values": "water_depth m, -, water_temperature Cel"}, Faults(), 2),
        ("sdi12", 0.05, {"values": "M: water_depth m; M1: -, x_test_2"}, Faults(chunk_bytes=1), 1),
        ("vegapuls-c-sdi12", 0.05, {"command": "C"}, Faults(duplicate=0.2), 2),
        ("iec62056-21", 0.05, {}, Faults(), 1),
    ],
)
async def test_what_is_owed_is_what_is_heard(tmp_path: Path, name, every_s, options, faults, count):
    driver = find(name)
    told = {key: option.default for key, option in driver.options.items()} | options
    device = SimulatedDevice(driver, seed=5, options=told)
    line = SimulatedLine([device], link=tmp_path / "line", faults=faults, seed=5)
    ear = Ear()
    running = asyncio.create_task(line.run())
    try:
        bus = Bus("bus", lambda: open_port(line.path, driver.line), driver.line, backoff=Backoff(0.02, 0.1))
        spec = DeviceSpec("d", every_s=every_s, silence_s=5.0, address=driver.at(None), options=told)
        station = make_station(spec, driver, bus, Clock(), ear.emit, ear.on_state)
        async with living(station):
            await until(lambda: len(ear.reports) >= count, 15)
            device.is_mute = True
            await asyncio.sleep(0.3)
        await bus.close()
    finally:
        running.cancel()
        await asyncio.wait([running])
    heard = [dict(report.decoded.values) for report in ear.reports if not report.decoded.quality]
    owed = [dict(each.values) for each in device.log]
    if faults.drop or faults.duplicate:  # an answer may come when the question was asked again, and is then flushed
        rest = iter(owed)
        assert all(any(values == given for given in rest) for values in heard)
    else:
        assert heard == owed


def test_a_host_that_begins_anew_is_followed():
    driver = find("sdi12")
    assert driver.simulate is not None
    sensor, account = driver.simulate(1, 0), account_of(driver, 0, {})

    def ask(*commands: bytes) -> list[dict[str, float]]:
        found = []
        for command in commands:
            account.heard(command)
            found += account.said(sensor.answer(command, 10.0))
        return [dict(values) for values in found]

    whole = (b"0I!", b"0MC!", b"0D0!")
    (first,) = ask(*whole)
    assert set(first) == {"x_sdi12_1", "x_sdi12_2", "x_sdi12_3"}
    assert ask(*whole[1:]) == [first]  # the same host again
    assert ask(*whole) == [first]  # another one
    assert ask(whole[1], whole[1], whole[2]) == [first]  # it did not hear the first time
    assert ask(whole[2]) == []  # it asks for the values again: they were owed once
    assert ask(whole[0], whole[1]) == []


def test_an_exception_is_no_reading():
    driver = find("sunspec-meter")
    assert driver.simulate is not None
    other = driver.simulate(1, 1)
    account = account_of(driver, 1, {"meter": 2})
    from drivers.core.polling import Round

    one = Round.of(driver.kind, 1, {"meter": 2})
    while (request := one.request) is not None:
        answer = other.answer(request.data, 10.0)
        account.heard(request.data)
        assert account.said(answer) == []
        if not one.feed(answer):
            one.timeout()
