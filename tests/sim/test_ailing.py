"""Faults inside an instrument and of its speed: stuck, its own error code, another baud rate."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from drivers.core.contract import Decoded, DeviceFault, Driver, Listening, Polled
from drivers.core.listening import Listener
from drivers.core.polling import Round
from drivers.core.registry import drivers, find
from gateway.cli.root import build
from gateway.ports import open_port
from gateway.sim.ailing import CanFail
from gateway.sim.faults import Faults
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from gateway.sim.speeds import as_heard
from tests.sim.test_instrument import running

WIRED = [driver for driver in drivers() if isinstance(driver.kind, Listening | Polled)]
CAN_FAIL = [driver for driver in WIRED if driver.simulate and isinstance(driver.simulate(1, 1), CanFail)]


def readings(driver: Driver, device: SimulatedDevice, count: int = 4) -> list[Decoded | BaseException]:
    """What the driver makes of so many frames or rounds."""
    found: list[Decoded | BaseException] = []
    options = {name: option.default for name, option in driver.options.items()}
    listener = Listener(driver, options) if isinstance(driver.kind, Listening) else None
    for _ in range(count):
        if listener is not None:
            found += listener.feed(device.tick())
            time.sleep(0.002)
            continue
        assert isinstance(driver.kind, Polled)
        one = Round.of(driver.kind, driver.default_address or 1, options)
        while (request := one.request) is not None:
            if not one.feed(device.answer(request.data)):
                one.timeout()
        try:
            decoded = one.result()
        except DeviceFault as fault:
            found.append(fault)
        else:
            found += [decoded] if decoded else []
    return found


@pytest.mark.parametrize("driver", CAN_FAIL, ids=lambda driver: driver.name)
def test_an_error_code_is_told_and_no_value(driver: Driver) -> None:
    device = SimulatedDevice(driver, 1)
    device.ail(Faults(error=1.0))
    found = readings(driver, device)
    assert found
    for one in found:
        # Some say it beside their values: then those are not good.
        assert isinstance(one, DeviceFault) or (
            isinstance(one, Decoded) and all(one.quality.get(name, 1) > 2 for name in one.values)
        )
    assert device.ailing.errors


@pytest.mark.parametrize("driver", WIRED, ids=lambda driver: driver.name)
def test_a_simulated_instrument_moves_and_is_understood_at_this_hour(driver: Driver) -> None:
    """Its values of today are in the spans, its frames are whole, and it does not stand still over a day."""
    assert driver.simulate is not None
    instrument = driver.simulate(5, driver.default_address or 1)
    options = {name: option.default for name, option in driver.options.items()}
    listener = Listener(driver, options) if isinstance(driver.kind, Listening) else None
    seen: set[tuple[float, ...]] = set()
    for t in (time.time() + 3613.0 * hour for hour in range(24)):
        if listener is not None:
            found = [one for one in listener.feed(instrument.tick(t)) if isinstance(one, Decoded)]
        else:
            assert isinstance(driver.kind, Polled)
            one = Round.of(driver.kind, driver.default_address or 1, options)
            asked = 0.0
            while (request := one.request) is not None:
                asked += 0.1
                if not one.feed(instrument.answer(request.data, t + asked)):
                    one.timeout()
            found = [decoded] if (decoded := one.result()) else []
        assert len(found) == 1
        seen.add(tuple(found[0].values.values()))
    assert len(seen) > 1 or driver.quantities == ("smoke_alarm",)


def test_most_instruments_have_an_error_code() -> None:
    assert len(CAN_FAIL) > 40


@pytest.mark.parametrize("name", ["plantower-pmsx003", "maxbotix-mb73xx", "eastron-sdm630"])
def test_a_stuck_value_stands_while_frames_come(name: str) -> None:
    driver = find(name)
    device = SimulatedDevice(driver, 1)
    device.ail(Faults(stuck=1.0))
    found = readings(driver, device, 20)
    assert len(found) == 20
    assert all(isinstance(one, Decoded) and one.values == found[0].values for one in found)
    assert device.ailing.stuck >= 19


def test_another_speed_is_noise_and_the_same_is_none() -> None:
    frame = find("plantower-pmsx003").simulate(1, 1).tick(1.0)
    assert as_heard(frame, 9600, 9600) == frame
    # Sent at half the speed each bit counts twice; sent at twice the speed, a lone start bit is no start at all.
    assert as_heard(b"\x00", 4800, 9600) == b"\x00"
    assert as_heard(b"\xff", 4800, 9600) == b"\xfe"
    assert as_heard(b"\xff", 9600, 4800) == b""
    assert as_heard(b"\x00", 9600, 4800) == b"\xf8"
    for sent, read in ((4800, 9600), (19200, 9600), (115200, 9600), (2400, 115200)):
        listener = Listener(find("plantower-pmsx003"))
        for _ in range(20):
            listener.feed(as_heard(frame, sent, read))
        assert listener.readings == 0


async def test_the_right_speed_heals_it() -> None:
    device = SimulatedDevice(find("plantower-pmsx003"), 1, period_s=0.02)
    async with running(SimulatedLine([device], faults=Faults(baud=4800))) as line:
        for baud, is_read in ((9600, False), (4800, True)):
            listener = Listener(device.driver)
            port = await open_port(line.path, replace(device.driver.line, baud=baud))
            got = 0
            async with asyncio.timeout(10):
                while got < 400:
                    data = await port.read()
                    got += len(data)
                    listener.feed(data)
            await port.close()
            assert bool(listener.readings) == is_read
    assert line.counts["baud"] > 5


def test_what_has_no_error_code_says_so(tmp_path) -> None:
    said = CliRunner().invoke(build(), ["sim", "nova-sds011", "--port-out", str(tmp_path / "p"), "--faults", "error=1"])
    assert said.exit_code == 2
    assert "no error code" in said.output
