"""`gateway port scan`: who answers, at which address and setting, and which known meter it is."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from drivers.core import registry
from drivers.core.contract import Driver, FixedBits, Line
from drivers.core.modbus import closed
from drivers.core.registry import find
from gateway.cli import scan_plan
from gateway.cli.root import build
from gateway.cli.scanning import Scan
from gateway.ops import texts
from gateway.ports import PortLost
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line

SDM = find("eastron-sdm630")
ABB = find("abb-b2x")
QUICK = Line(1_000_000)
"""What the wire takes would be most of the time of these tests."""


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


def test_a_meter_at_an_unusual_address_is_found_on_a_real_tty():
    with on_a_line([SimulatedDevice(SDM, address=7)]) as line:
        done = gateway("port", "scan", line.path, "--json", "--patience", 0.01, "--baud", 1_000_000)
    (found,) = json.loads(done.stdout)["found"]
    assert (done.exit_code, found["address"], found["line"]["baud"]) == (0, 7, 1_000_000)
    best = found["meters"][0]
    assert (best["driver"], best["identified"]) == ("eastron-sdm630", False)
    assert best["values"] == best["of"]


class Bus:
    """Slaves that hear only their own setting; at another rate they stir up rubbish now and then."""

    def __init__(self, *slaves: tuple[Driver, int, Line], delay_s: float = 0.0, rubbish: bytes = b"") -> None:
        self.slaves = [(driver.simulate(0, address), line) for driver, address, line in slaves]
        self.delay_s = delay_s
        self.rubbish = rubbish
        self.opened: list[Line] = []
        self.asked: list[bytes] = []

    async def open_port(self, url: str, line: Line) -> _Port:
        self.opened.append(line)
        return _Port(self, line)


class _Port:
    def __init__(self, bus: Bus, line: Line) -> None:
        self.name, self.overflowed = "/dev/bus", 0
        self._bus, self._line = bus, line
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self._inbox.get()

    async def write(self, data: bytes) -> None:
        self._bus.asked.append(data)
        for slave, line in self._bus.slaves:
            if line == self._line:
                answer = slave.answer(data, 1.0)
                if answer:
                    asyncio.get_running_loop().call_later(self._bus.delay_s, self._inbox.put_nowait, answer)
            elif self._bus.rubbish:
                self._inbox.put_nowait(self._bus.rubbish)

    async def drain_input(self) -> int:
        return 0

    async def close(self) -> None:
        return


def scan_of(bus: Bus, probes, monkeypatch, *, every: bool = False, patience_s: float = 0.005) -> Scan:
    monkeypatch.setattr("gateway.ports.open_port", bus.open_port)
    scan = Scan("/dev/bus", registry.drivers(), patience_s, lambda probe, left_s: None)

    async def run() -> None:
        await scan.run(list(probes), every=every)
        await scan.identify()

    asyncio.run(run())
    return scan


def test_a_meter_that_tells_its_model_is_identified(monkeypatch):
    scan = scan_of(Bus((ABB, 1, ABB.line)), scan_plan.usual([ABB, SDM]), monkeypatch)
    (found,) = scan.found
    assert (found.address, found.line) == (1, ABB.line)
    assert [(match.driver.name, match.is_identified) for match in found.matches] == [("abb-b2x", True)]
    assert found.matches[0].decoded.info["model"] == "B23 112-100"


@pytest.mark.parametrize(("name", "model"), [("carlogavazzi-em340", 345), ("schneider-pm5110", 15270)])
def test_a_meter_with_a_number_for_its_model_is_identified_and_another_is_not(monkeypatch, name, model):
    meter = registry.find(name)
    scan = scan_of(Bus((meter, 1, meter.line)), scan_plan.usual([meter, SDM]), monkeypatch)
    assert [(match.driver.name, match.is_identified) for match in scan.found[0].matches] == [(name, True)]
    assert scan.found[0].matches[0].decoded.info["model"] == model
    kind = meter.kind
    [asked] = kind.identify(1, {})[:1]
    foreign = closed(asked.data[:2] + bytes((asked.reply_bytes - 5,)) + bytes(asked.reply_bytes - 5))
    with pytest.raises(FixedBits, match="another meter"):
        kind.decode(((asked, foreign),), {})


def test_two_meters_on_one_bus_and_the_setting_that_answered_is_kept(monkeypatch):
    bus = Bus((SDM, 2, QUICK), (SDM, 5, QUICK))
    scan = scan_of(bus, scan_plan.low([QUICK, Line(115200)]), monkeypatch)
    assert [each.address for each in scan.found] == [2, 5]
    assert Line(115200) not in bus.opened
    bus = Bus((SDM, 2, QUICK), (SDM, 5, Line(115200)))
    scan = scan_of(bus, scan_plan.low([QUICK, Line(115200)]), monkeypatch, every=True)
    assert [(each.address, each.line.baud) for each in scan.found] == [(2, QUICK.baud), (5, 115200)]


def test_what_is_left_is_searched_by_rate_and_parity(monkeypatch):
    odd = Line(57600, parity="O")
    lines = [Line(38400), odd]
    scan = scan_of(Bus((SDM, 11, odd)), scan_plan.rest(lines, [odd], range(9, 13)), monkeypatch)
    assert [(each.address, each.line) for each in scan.found] == [(11, odd)]


def test_a_late_answer_is_its_own_devices_and_rubbish_is_told(monkeypatch):
    probes = [probe for probe in scan_plan.low([QUICK]) if probe.address < 6]
    scan = scan_of(Bus((SDM, 2, QUICK), delay_s=0.01), probes, monkeypatch, patience_s=0.006)
    assert [each.address for each in scan.found] == [2]
    scan = scan_of(Bus((SDM, 2, Line(9600)), rubbish=b"\xfe\x80\xf8"), probes, monkeypatch)
    assert scan.found == []
    assert scan.unclear[QUICK, 1] == b"\xfe\x80\xf8"


def test_an_echo_is_no_answer(monkeypatch):
    bus = Bus()

    async def write(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    monkeypatch.setattr(_Port, "write", write)
    scan = scan_of(bus, [p for p in scan_plan.low([QUICK]) if p.address < 4], monkeypatch)
    assert (scan.found, scan.unclear) == ([], {})


def test_every_polled_driver_is_found_as_it_is_shipped(monkeypatch):
    polled = [each for each in registry.drivers() if scan_plan.speaks_modbus(each) and each.simulate]
    assert len(polled) > 20
    for driver in polled[::14]:
        address = driver.default_address or 1
        scan = scan_of(Bus((driver, address, driver.line)), scan_plan.usual([driver]), monkeypatch)
        assert [(each.address, each.line) for each in scan.found] == [(address, driver.line)]
        assert driver.name in [match.driver.name for match in scan.found[0].matches]


def test_only_reading_questions_are_sent():
    drivers = registry.drivers()
    lines = scan_plan.lines_of(drivers)
    for probe in [*scan_plan.low(lines), *scan_plan.rest(lines, lines, scan_plan.EVERY)]:
        assert probe.request.data[1] in (3, 4)
        assert 1 <= probe.request.data[0] <= 247
        assert closed(probe.request.data[:-2]) == probe.request.data


def test_nobody_answers_and_the_port_goes_away(monkeypatch):
    async def open_port(url: str, line: Line) -> _Port:
        return _Port(Bus(), line)

    monkeypatch.setattr("gateway.ports.open_port", open_port)
    done = gateway("port", "scan", "/dev/bus", "--quick", "--patience", 0.01, "--baud", 4_000_000)
    assert (done.exit_code, "Nobody answered" in done.stdout) == (1, True)
    assert "left. Ctrl-C" in done.stderr

    async def lost(self, data: bytes) -> None:
        raise PortLost("/dev/bus", "unplugged")

    monkeypatch.setattr(_Port, "write", lost)
    done = gateway("port", "scan", "/dev/bus", "--json")
    assert (done.exit_code, "unplugged" in done.stderr, json.loads(done.stdout)["found"]) == (1, True, [])
