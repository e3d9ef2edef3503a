"""The station of a device that is asked, in virtual time, on a line of simulated meters."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.core.contract import Polled
from drivers.core.registry import find
from gateway.edge.making import make_station
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus
from gateway.ports.backoff import Backoff
from tests.edge.field import Ear, Socket, Wire, living
from tests.ports.virtual_clock import VirtualClock

SDM = find("eastron-sdm630")
PMS = find("plantower-pmsx003")
ANSWER_S = 0.08


class MeterLine(Wire):
    """A bus with meters; `mute` are dead, `spoil` changes an answer before it goes out."""

    def __init__(self, clock: VirtualClock, *addresses: int) -> None:
        super().__init__()
        assert SDM.simulate is not None
        self.clock = clock
        self.meters = {address: SDM.simulate(address, address) for address in addresses}
        self.mute: set[int] = set()
        self.answer_s = ANSWER_S
        self.spoil = lambda answer: answer
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, data: bytes) -> None:
        await super().write(data)
        address = data[0]
        if address in self.meters and address not in self.mute:
            answer = self.spoil(self.meters[address].answer(data, self.clock.wall_ns() / 1e9))
            task = asyncio.create_task(self._later(answer, self.answer_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _later(self, answer: bytes, wait_s: float) -> None:
        await self.clock.sleep_until(self.clock.mono_ns() + round(wait_s * 1e9))
        self.say(answer)


def questions() -> int:
    assert isinstance(SDM.kind, Polled)
    return len(SDM.kind.requests(1, {}))


def build(bus: Bus, ear: Ear, clock: VirtualClock, address: int = 1, driver=SDM, **spec) -> PolledStation:
    device = DeviceSpec(f"meter-{address}", **{"every_s": 10.0, "silence_s": 30.0, "address": address, **spec})
    return PolledStation(device, driver, bus, clock, ear.emit, ear.on_state)


def make(clock: VirtualClock, socket: Socket) -> Bus:
    return Bus("bus-1", socket.open, SDM.line, ticks=clock, backoff=Backoff(1.0, 1.0))


async def test_a_round_at_once_and_then_every_period():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    station = build(make(clock, Socket(line)), ear, clock)
    start_ns = clock.mono_ns()
    async with living(station):
        await clock.advance(35)
        assert len(ear.reports) == 4
        took_s = [(report.mono_ns - start_ns) / 1e9 for report in ear.reports]
        for number, took in enumerate(took_s):
            assert number * 10 + questions() * ANSWER_S <= took < number * 10 + 2
        assert set(ear.reports[0].decoded.values) == set(SDM.quantities)
        assert all(210 < report.decoded.values["voltage_l1"] < 250 for report in ear.reports)
        assert ear.states == [("ok", "")]
    assert station.counters.frames == 4 * questions()
    assert station.counters.readings == 4
    assert station.counters.rejected == {}


async def test_a_timeout_is_missing_and_never_zero():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    station = build(make(clock, Socket(line)), ear, clock)
    async with living(station):
        await clock.advance(5)
        assert len(ear.reports) == 1
        line.mute.add(1)
        await clock.advance(100)
        assert len(ear.reports) == 1
        assert ear.words == ["ok", "silent"]
        assert "address 1" in station.why
        # The first question is asked twice while the device is thought alive; the others are not asked at all.
        assert station.counters.missed == 10
        written = len(line.written)
        assert written - questions() == 2 + 2 + 8
        line.mute.clear()
        await clock.advance(10)
        assert ear.words == ["ok", "silent", "ok"]
        assert len(ear.reports) == 2


async def test_half_a_round_is_a_reading_with_the_rest_missing():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    answers = 0

    def only_first(answer: bytes) -> bytes:
        nonlocal answers
        answers += 1
        return answer if answers == 1 else b""

    line.spoil = only_first
    station = build(make(clock, Socket(line)), ear, clock)
    async with living(station):
        await clock.advance(9)
    [report] = ear.reports
    assert report.decoded.values
    assert 0.0 not in [report.decoded.values.get("energy_import"), report.decoded.values.get("frequency")]
    missing = {name for name, flag in report.decoded.quality.items() if flag == 9}
    assert missing
    assert missing | set(report.decoded.values) == set(SDM.quantities)
    assert not missing & set(report.decoded.values)


async def test_late_answers_are_thrown_away():
    """Every answer comes after its patience ended: none may pass for the answer to the question after it."""
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    line.answer_s = 3.0
    bus = make(clock, Socket(line))
    station = build(bus, ear, clock)
    async with living(station):
        await clock.advance(60)
        assert ear.reports == []
        assert ear.words == ["silent"]
        assert bus.flushed + station.counters.discarded_bytes > 0


async def test_damaged_answers_are_faulty_not_silent():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    line.spoil = lambda answer: answer[:-1] + bytes([answer[-1] ^ 1])
    station = build(make(clock, Socket(line)), ear, clock)
    async with living(station):
        await clock.advance(60)
        assert ear.reports == []
        assert ear.words == ["faulty"]
        assert "Integrity" in station.why
        assert station.counters.rejected["Integrity"] > 0


async def test_a_stall_skips_polls_and_makes_no_burst():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    station = build(make(clock, Socket(line)), ear, clock)
    async with living(station):
        await clock.advance(5)
        clock.stall(100)  # to 105 s
        await clock.advance(0)
        await clock.advance(4)
        assert len(ear.reports) == 2
        assert station.counters.skipped == 9
        await clock.advance(6)  # the grid is where it was: 110 s
        assert len(ear.reports) == 3


async def test_the_port_is_lost_and_comes_back():
    clock, ear, socket = VirtualClock(), Ear(), Socket()
    stations = [build(make(clock, socket), ear, clock)]
    async with living(*stations):
        await clock.advance(20)
        assert ear.words == ["absent"]
        first = socket.wire = MeterLine(clock, 1)
        await clock.advance(3)
        assert ear.words == ["absent", "ok"]
        first.unplug()
        await clock.advance(20)
        assert first.is_closed
        assert ear.words[2:4] == ["absent", "absent"]  # lost, then not there
        reports = len(ear.reports)
        socket.wire = MeterLine(clock, 1)
        await clock.advance(3)
        assert ear.words[-1] == "ok"
        assert len(ear.reports) == reports + 1
        assert stations[0].counters.reconnects == 1
        assert stations[0].counters.missed == 0


async def test_one_dead_among_many_does_not_keep_the_others_waiting():
    clock, ear, dead_ear = VirtualClock(), Ear(), Ear()
    line = MeterLine(clock, *range(1, 7))
    bus = make(clock, Socket(line))
    stations = [build(bus, ear, clock, address, every_s=5.0) for address in range(1, 7)]
    dead = build(bus, dead_ear, clock, 9, every_s=5.0)
    async with living(*stations, dead):
        await clock.advance(30)
        ear.reports.clear()
        await clock.advance(200)
        assert len(ear.reports) >= 0.95 * 6 * 40
        assert dead_ear.words == ["silent"]
        assert bus.is_dead("meter-9")
        assert SDM.simulate is not None
        line.meters[9] = SDM.simulate(9, 9)
        await clock.advance(60)
        assert dead_ear.words == ["silent", "ok"]
        assert not bus.is_dead("meter-9")


async def test_a_driver_that_fails_does_not_end_the_station():
    def decode(*_: object) -> None:
        raise ZeroDivisionError

    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    assert isinstance(SDM.kind, Polled)
    driver = replace(SDM, kind=replace(SDM.kind, decode=decode))
    station = build(make(clock, Socket(line)), ear, clock, driver=driver)
    async with living(station):
        await clock.advance(25)
        assert station.counters.failures == 3
        assert ear.reports == []


def test_each_kind_gets_its_station():
    clock, ear = VirtualClock(), Ear()
    bus = make(clock, Socket())
    spec = DeviceSpec("d")
    assert make_station(spec, SDM, bus, clock, ear.emit, ear.on_state).state is None
    assert make_station(spec, PMS, Socket().open, clock, ear.emit, ear.on_state).counters.readings == 0
    with pytest.raises(ValueError, match="bus"):
        make_station(spec, PMS, bus, clock, ear.emit, ear.on_state)
    with pytest.raises(ValueError, match="bus"):
        make_station(spec, SDM, Socket().open, clock, ear.emit, ear.on_state)


async def test_one_lost_answer_is_no_silence_however_long_the_period():
    clock, ear = VirtualClock(), Ear()
    line = MeterLine(clock, 1)
    station = build(make(clock, Socket(line)), ear, clock, every_s=600.0)
    async with living(station):
        await clock.advance(5)
        line.mute.add(1)
        await clock.advance(600)
        assert station.counters.missed == 1
        assert ear.words == ["ok"]
        await clock.advance(1200)
        assert ear.words == ["ok", "silent"]


async def test_an_opening_that_fails_in_its_own_way_does_not_end_the_station():
    async def opening() -> Wire:
        raise ZeroDivisionError

    clock, ear = VirtualClock(), Ear()
    polled = build(Bus("bus", opening, SDM.line, ticks=clock), ear, clock)
    async with living(polled):
        await clock.advance(25)
        assert polled.counters.failures == 3
    assert ear.words == ["faulty"]

    socket = Socket()
    socket.open = opening
    listening = make_station(DeviceSpec("d"), PMS, socket.open, clock, ear.emit, ear.on_state)
    async with living(listening):
        await clock.advance(25)
        assert listening.counters.failures > 3
    assert ear.words == ["faulty", "absent"]
