"""`gateway port sniff`: the right driver at the right setting, on ptys and on a line that hears only its own rate."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from drivers.core import registry
from drivers.core.contract import Line
from drivers.core.registry import find
from gateway.cli.port_hearing import Hearing
from gateway.cli.port_settings import all_settings, settings_to_ask, settings_to_hear
from gateway.cli.root import build
from gateway.ops import texts
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line

PMS = find("plantower-pmsx003")
GCJA5 = find("panasonic-sn-gcja5")
SDM = find("eastron-sdm630")


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


@pytest.mark.parametrize("name", ["plantower-pmsx003", "nova-sds011", "panasonic-sn-gcja5", "ultrasonic-ff4"])
def test_an_instrument_is_recognised(name):
    with on_a_line([SimulatedDevice(find(name), period_s=0.02)]) as line:
        done = gateway("port", "sniff", line.path, "--json", "--seconds", 2)
    (heard,) = json.loads(done.stdout)["settings"]
    assert done.exit_code == 0
    best = max(each["readings"] for each in heard["drivers"])
    assert name in [each["driver"] for each in heard["drivers"] if each["readings"] == best]


def test_people_see_bytes_and_what_to_do_next():
    with on_a_line([SimulatedDevice(PMS, period_s=0.02)]) as line:
        shown = gateway("port", "sniff", line.path, "--seconds", 2).stdout
    assert "42 4d 00 1c" in shown
    assert "BM.." in shown
    assert f"gateway device try plantower-pmsx003 {line.path}" in shown
    assert "9600 8N1" in shown


def test_a_silent_line_and_one_where_another_program_asks():
    with on_a_line([SimulatedDevice(SDM)]) as line:
        done = gateway("port", "sniff", line.path, "--seconds", 0.1, "--baud", 9600)
    assert (done.exit_code, "Not one byte" in done.stdout) == (1, True)
    hearing = Hearing(Line(), [PMS])
    meter = SDM.simulate(0, 1)
    for request in SDM.kind.requests(1, {}):
        hearing.feed(b"\x00" + request.data + meter.answer(request.data, 1.0))
    assert hearing.modbus_frames == 6
    assert hearing.hits == []


class _Wire:
    """A port that carries an instrument's bytes whole at its own setting, and rubbish at any other."""

    def __init__(self, driver, line: Line) -> None:
        self.name, self.overflowed = "/dev/wire", 0
        self._instrument = driver.simulate(0, 1)
        self._is_right = (line.baud, line.parity) == (driver.line.baud, driver.line.parity)
        self._t = 0.0

    async def read(self) -> bytes:
        await asyncio.sleep(0.01)
        self._t += 1.0
        frame = self._instrument.tick(self._t)
        return frame if self._is_right else bytes(~byte & 0x7F | 0x80 for byte in frame[::2])

    async def close(self) -> None:
        return


def test_settings_are_tried_until_a_driver_accepts(monkeypatch):
    asked: list[Line] = []

    async def open_port(url: str, line: Line) -> _Wire:
        asked.append(line)
        return _Wire(GCJA5, line)

    monkeypatch.setattr("gateway.ports.open_port", open_port)
    done = gateway_json("port", "sniff", "/dev/wire", "--seconds", 0.1)
    *others, last = done["settings"]
    assert (last["line"]["baud"], last["line"]["parity"]) == (9600, "E")
    assert last["drivers"][0]["driver"] == GCJA5.name
    assert all(each["bytes"] and not each["drivers"] for each in others)
    assert asked[:4] == [Line(9600), Line(115200), Line(2400), Line(19200, parity="E")]


def gateway_json(*args: object) -> dict:
    done = gateway(*args, "--json")
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_settings_cover_the_catalogue():
    drivers = registry.drivers()
    hear = settings_to_hear(drivers)
    assert len(hear) == len(set(hear))
    assert all(any((each.baud, each.parity) == (d.line.baud, d.line.parity) for each in hear) for d in drivers)
    ask = settings_to_ask(drivers)
    assert ask[0] == Line(9600)
    assert {driver.line for driver in drivers} == set(ask)
    rest = all_settings(ask)
    assert not set(rest) & set(ask)
    assert Line(57600, parity="O") in rest
