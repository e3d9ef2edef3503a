"""The station of a device that is talked with, in virtual time, on lines that know breaks, speeds and the last byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers.core.contract import Line
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from drivers.water.sdi12_wire import crc
from gateway.edge.dialogue import DialogueStation
from gateway.edge.making import make_station
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus, PortError
from gateway.ports.backoff import Backoff
from tests.edge.field import Ear, Socket, Wire, living
from tests.ports.virtual_clock import VirtualClock

SDI12 = find("sdi12")
HEAD = find("iec62056-21")
MT174 = next(case.data for case in of_driver(HEAD).vectors if case.id == "mt174-constructed")
IDENTITY, BLOCK = MT174[:17], MT174[17:]
SLOW, FAST = Line(300, 7, "E", 1), Line(9600, 7, "E", 1)


class LiveWire(Wire):
    """A tty of which the test sees everything; `answer(data)` gives what the field says, and after how long."""

    def __init__(self, clock: VirtualClock, line: Line) -> None:
        super().__init__()
        self.clock, self.line = clock, line
        self.broken: list[tuple[int, int]] = []
        """Beginnings and ends of breaks."""
        self.left_ns = 0
        """When the last byte written has left."""
        self.spoilt = 0
        self.answer: Callable[[bytes], tuple[bytes, float]] = lambda data: (b"", 0.0)
        self._tasks: set[asyncio.Task[None]] = set()

    async def send_break(self, seconds: float) -> None:
        begun = self.clock.mono_ns()
        await self.clock.sleep_until(begun + round(seconds * 1e9))
        self.broken.append((begun, self.clock.mono_ns()))

    async def set_line(self, line: Line) -> None:
        self.spoilt += self.clock.mono_ns() < self.left_ns  # in the middle of our own byte
        self.line = line

    async def drain_output(self) -> None:
        await self.clock.sleep_until(self.left_ns)

    async def write(self, data: bytes) -> None:
        await super().write(data)
        self.left_ns = self.clock.mono_ns() + round(len(data) * self.line.byte_s() * 1e9)
        answer, wait_s = self.answer(data)
        if answer:
            self.later(answer, self.left_ns + round(wait_s * 1e9))

    def later(self, data: bytes, at_ns: int, line: Line | None = None) -> None:
        """The field says something at this instant; at another speed than ours it is noise."""

        async def speak() -> None:
            await self.clock.sleep_until(at_ns)
            self.say(data if line in (None, self.line) else bytes(byte ^ 0xA5 for byte in data))

        task = asyncio.create_task(speak())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class SensorLine(LiveWire):
    """SDI-12: sensors that are awake for 100 ms after a break, and take `ready_s` to measure."""

    def __init__(self, clock: VirtualClock, letters: str, ready_s: int = 0) -> None:
        super().__init__(clock, SDI12.line)
        self.letters = set(letters)
        self.ready_s = ready_s
        self.asleep = 0
        self.ready_ns: dict[str, int] = {}
        self.answer = self._reply

    def _reply(self, data: bytes) -> tuple[bytes, float]:
        begun, ended = self.broken[-1] if self.broken else (0, 0)
        now = self.clock.mono_ns()
        if not (ended - begun >= 12e6 and 8.33e6 <= now - ended < 100e6):
            self.asleep += 1
            return b"", 0.0
        letter, command = chr(data[0]), data[1:-1]
        if letter not in self.letters:
            return b"", 0.0
        head = letter.encode()
        if command == b"I":
            return head + b"13TESTING GAUGE 001\r\n", 0.015
        if command == b"MC":
            if self.ready_s:
                self.later(head + b"\r\n", now + self.ready_s * 10**9 - 10**8)
            return head + b"%03d2\r\n" % self.ready_s, 0.015
        if command == b"CC":
            self.ready_ns[letter] = now + self.ready_s * 10**9
            return head + b"%03d02\r\n" % self.ready_s, 0.015
        assert command == b"D0"
        if now < self.ready_ns.get(letter, 0):
            return head + crc(head) + b"\r\n", 0.015
        text = head + b"+1.5-%d" % ord(letter)
        return text + crc(text) + b"\r\n", 0.015


def make_bus(clock: VirtualClock, socket: Socket, line: Line) -> Bus:
    return Bus("bus-1", socket.open, line, ticks=clock, backoff=Backoff(1.0, 1.0))


def build(bus: Bus, ear: Ear, clock: VirtualClock, driver=SDI12, **spec) -> DialogueStation:
    options = {name: option.default for name, option in driver.options.items()} | spec.pop("options", {})
    letter = chr(spec["address"]) if "address" in spec else "x"
    said = {"every_s": 10.0, "silence_s": 25.0, "options": options, **spec}
    station = make_station(DeviceSpec(f"d-{letter}", **said), driver, bus, clock, ear.emit, ear.on_state)
    assert isinstance(station, DialogueStation)
    return station


async def test_many_sensors_of_one_line_each_wakes_and_answers():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "abcdefgh")
    bus = make_bus(clock, Socket(line), SDI12.line)
    stations = [build(bus, ear, clock, address=ord(letter)) for letter in "abcdefgh"]
    async with living(*stations):
        await clock.advance(35)
    assert line.asleep == 0
    assert len(ear.reports) == 8 * 4
    for report in ear.reports:
        letter = report.device[-1]
        assert report.decoded.values == {"x_sdi12_1": 1.5, "x_sdi12_2": -ord(letter)}
    assert [station.counters.readings for station in stations] == [4] * 8
    assert not any(station.counters.rejected for station in stations)
    assert stations[0].counters.frames == 1 + 4 * 2  # who it is, once; then time and values


async def test_the_line_waits_for_a_measurement_and_nobody_s_break_aborts_it():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "ab", ready_s=3)
    bus = make_bus(clock, Socket(line), SDI12.line)
    async with living(*(build(bus, ear, clock, address=ord(letter)) for letter in "ab")):
        began_ns = clock.mono_ns()
        await clock.advance(9.9)
    assert len(ear.reports) == 2
    first, second = ((report.mono_ns - began_ns) / 1e9 for report in ear.reports)
    assert 2.9 < first < 3.4  # at the service request, not at the end of the time
    assert 5.8 < second < 6.8


async def test_sensors_that_measure_meanwhile_leave_the_line_to_the_others():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "abcdef", ready_s=5)
    bus = make_bus(clock, Socket(line), SDI12.line)
    sensors = [build(bus, ear, clock, address=ord(letter), options={"command": "C"}) for letter in "abcdef"]
    async with living(*sensors):
        await clock.advance(9.9)
        assert len(ear.reports) == 6  # one after another they would take half a minute
        assert all(not station.counters.rejected for station in sensors)
        await clock.advance(20)
    assert [station.counters.readings for station in sensors] == [3] * 6


async def test_a_dead_sensor_costs_a_tenth_and_is_seen_again_within_a_minute():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "a")
    bus = make_bus(clock, Socket(line), SDI12.line)
    living_one = build(bus, ear, clock, address=ord("a"), every_s=1.0)
    dead = [build(bus, ear, clock, address=ord(letter), every_s=1.0) for letter in "bcdef"]
    async with living(living_one, *dead):
        await clock.advance(60)
        before, asked = living_one.counters.readings, len(line.written)
        await clock.advance(200)
        assert living_one.counters.readings - before >= 0.95 * 200
        assert bus.is_dead("d-b")
        assert all(station.state == "silent" for station in dead)
        assert "gateway driver show sdi12" in dead[0].why
        probes = sum(data[:1] in b"bcdef" for data in line.written[asked:])
        assert 0 < probes < 0.1 * 200 / 0.5
        line.letters |= set("bcdef")
        await clock.advance(60)
        assert all(station.state == "ok" for station in dead)


async def test_an_optical_head_whose_speed_changes_when_our_last_byte_has_left():
    clock, ear = VirtualClock(), Ear()
    line = LiveWire(clock, SLOW)

    def reply(data: bytes) -> tuple[bytes, float]:
        if data == b"/?!\r\n":
            assert line.line == SLOW
            line.later(data + IDENTITY, line.left_ns + 300_000_000, SLOW)
        else:
            assert data == b"\x06050\r\n"
            line.later(BLOCK, line.left_ns + 250_000_000, FAST)
        return b"", 0.0

    line.answer = reply
    station = build(make_bus(clock, Socket(line), HEAD.line), ear, clock, HEAD, every_s=60.0)
    async with living(station):
        await clock.advance(130)
    assert [dict(report.decoded.values) for report in ear.reports] == [
        {"energy_import": 12345.678, "energy_export": 1.0}
    ] * 3
    assert line.spoilt == 0
    assert not line.broken
    assert station.counters.rejected == {}


async def test_the_line_is_given_back_as_it_was():
    clock, ear = VirtualClock(), Ear()
    line = LiveWire(clock, HEAD.line)
    line.answer = lambda data: (IDENTITY, 0.2) if data[:1] == b"/" else (BLOCK, 0.2)
    bus = make_bus(clock, Socket(line), Line(2400))
    async with living(build(bus, ear, clock, HEAD, every_s=60.0)):
        await clock.advance(30)
        assert line.line == FAST
        async with bus.turn("another"):
            assert line.line == Line(2400)
    assert len(ear.reports) == 1


async def test_a_port_without_wires_says_so_and_is_not_asked_all_the_time():
    clock, ear = VirtualClock(), Ear()

    class Raw(LiveWire):
        async def send_break(self, seconds: float) -> None:
            raise PortError("no-wires", "tcp://moxa:4001")

    socket = Socket(Raw(clock, SDI12.line))
    socket.open = lambda: opening()
    opened = []

    async def opening():
        opened.append(clock.mono_ns())
        return Raw(clock, SDI12.line)

    station = build(make_bus(clock, socket, SDI12.line), ear, clock, address=ord("a"))
    async with living(station):
        await clock.advance(20)
        assert station.state == "absent"
        assert "no break" in station.why
    assert 15 <= len(opened) <= 45


async def test_unplugged_in_mid_dialogue_and_back():
    clock, ear = VirtualClock(), Ear()
    socket = Socket(SensorLine(clock, "a", ready_s=5))
    station = build(make_bus(clock, socket, SDI12.line), ear, clock, address=ord("a"))
    async with living(station):
        await clock.advance(2)
        socket.wire.unplug()
        await clock.advance(2)
        assert station.state == "absent"
        socket.wire = SensorLine(clock, "a")
        await clock.advance(3)
        assert station.state == "ok"
        assert station.counters.reconnects == 1
    assert len(ear.reports) == 1


async def test_damaged_answers_are_counted_and_told():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "a")
    whole = line.answer
    line.answer = lambda data: (whole(data)[0].replace(b"+1.5", b"+1.6"), 0.015)
    station = build(make_bus(clock, Socket(line), SDI12.line), ear, clock, address=ord("a"))
    async with living(station):
        await clock.advance(59)
        assert station.state == "faulty"
        assert "Integrity" in station.why
    assert station.counters.missed == 6
    assert station.counters.rejected == {"Integrity": 3 * 6}
    assert not ear.reports


async def test_a_fault_of_the_sensor_is_no_miss():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "a")
    whole = line.answer
    line.answer = lambda data: (b"a0000\r\n", 0.015) if data == b"aMC!" else whole(data)
    station = build(make_bus(clock, Socket(line), SDI12.line), ear, clock, address=ord("a"))
    async with living(station):
        await clock.advance(60)
        assert (station.state, station.counters.missed) == ("faulty", 0)
        assert "promises no value" in station.why
    assert station.counters.rejected["DeviceFault"] >= 6


async def test_a_driver_that_fails_begins_anew():
    clock, ear = VirtualClock(), Ear()
    line = SensorLine(clock, "a")
    calls = []

    def meaning(address, options):
        session = SDI12.kind.begin(address, options)
        calls.append(session)
        if len(calls) == 1:
            session.feed = lambda data: 1 / 0
        return session

    driver = replace(SDI12, kind=replace(SDI12.kind, begin=meaning))
    station = build(make_bus(clock, Socket(line), SDI12.line), ear, clock, driver, address=ord("a"))
    async with living(station):
        await clock.advance(2)
        assert station.state == "faulty"
        await clock.advance(10)
        assert station.state == "ok"
    assert station.counters.failures == 1
    assert len(calls) == 2


async def test_noise_without_end_does_not_hold_the_line():
    clock, ear = VirtualClock(), Ear()
    line = LiveWire(clock, HEAD.line)
    bus = make_bus(clock, Socket(line), HEAD.line)
    station = build(bus, ear, clock, HEAD, every_s=300.0)
    async with living(station):
        for _ in range(4000):
            line.say(b"\0")
            await clock.advance(0.5)
        assert bus.questions == 3 + 6  # each round was over before the next was due; the dead are asked once
        assert station.counters.skipped == 0
    assert not ear.reports


def test_options_that_make_no_sense_are_refused_at_once():
    clock, ear = VirtualClock(), Ear()
    with pytest.raises(ValueError, match="stands twice"):
        build(make_bus(clock, Socket(), SDI12.line), ear, clock, options={"values": "water_depth m, water_depth m"})
