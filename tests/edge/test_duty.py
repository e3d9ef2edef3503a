"""Instruments with a laser or fan that sleep between their readings, by the test's clock."""

from __future__ import annotations

import pytest

from drivers.air import nova, plantower
from drivers.core.registry import find
from gateway.edge.life import Duty, RunTime
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus
from gateway.ports.backoff import Backoff
from tests.edge.field import Ear, Socket, Wire, living
from tests.ports.virtual_clock import VirtualClock

PMS, SDS, SPS = find("plantower-pmsx003"), find("nova-sds011"), find("sensirion-sps30")
DUTY = Duty(every_s=600, on_s=60, warm_up_s=30)


class Sensor:
    """A simulated instrument on a port in memory; `frames` counts what it said by itself."""

    def __init__(self, driver, clock: VirtualClock) -> None:
        self.clock = clock
        self.one = driver.simulate(3, driver.default_address or 0)
        self.wire = Wire(lambda data: self.one.answer(data, self.t))
        self.frames = 0

    @property
    def t(self) -> float:
        return self.clock.wall_ns() / 1e9

    async def live(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.clock.advance(1)
            if data := self.one.tick(self.t):
                self.frames += 1
                self.wire.say(data)
            await self.clock.settle()


def listening(driver, socket: Socket, ear: Ear, clock: VirtualClock, duty: Duty = DUTY) -> ListeningStation:
    spec = DeviceSpec("pm", duty.every_s, "mean", 10.0, duty=duty, ran=RunTime(3600.0))
    return ListeningStation(spec, driver, socket.open, clock, ear.emit, ear.on_state, Backoff(1.0, 1.0))


@pytest.mark.parametrize("name", ["plantower-pmsx003", "nova-sds011", "honeywell-hpma115c0", "winsen-zh03b"])
async def test_one_reading_a_waking_of_warm_values_only(name: str) -> None:
    driver, clock, ear = find(name), VirtualClock(), Ear()
    sensor = Sensor(driver, clock)
    start_ns = clock.mono_ns()
    async with living(station := listening(driver, Socket(sensor.wire), ear, clock)):
        await sensor.live(3 * 600)
        assert ear.states == [("ok", "")]  # sleep is no silence
        assert [round((report.mono_ns - start_ns) / 1e9) % 600 for report in ear.reports] == [59, 59, 59]
        assert all(27 <= report.frames <= 30 for report in ear.reports)
        counters = station.counters
        proofs = counters.rejected.get("Integrity", 0)  # the first frame after noise
        assert counters.unbelieved + sum(report.frames for report in ear.reports) + proofs == sensor.frames
        assert sensor.frames <= 3 * 62  # it did sleep
        assert counters.running_s == pytest.approx(3600 + 3 * 58, abs=3)


async def test_warm_is_a_matter_of_time_and_not_of_values() -> None:
    """Zeros are believed when it is warm; plausible values before that are not."""
    clock, ear, wire = VirtualClock(), Ear(), Wire()
    async with living(station := listening(PMS, Socket(wire), ear, clock)):
        for second in range(1, 60):
            await clock.advance(1)
            words = [0 if second > 33 else 25] * 12
            wire.say(plantower.closed(plantower.HEADER + b"\x00\x1c" + plantower.packed(words) + b"\x97\x00"))
            await clock.settle()
        await clock.advance(2)
    [report] = ear.reports
    assert set(report.decoded.values.values()) == {0.0}
    assert station.counters.unbelieved in range(33, 37)  # the wake was not answered: it counts from the last try


async def test_one_that_wakes_by_itself_is_told_again_and_its_words_are_not_believed() -> None:
    clock, ear = VirtualClock(), Ear()
    sensor = Sensor(SDS, clock)
    sleep = nova.COMMANDS["sleep"].data
    async with living(station := listening(SDS, Socket(sensor.wire), ear, clock)):
        await sensor.live(65)
        assert sensor.wire.written.count(sleep) == 1
        sensor.one._is_asleep = False  # it wakes
        await sensor.live(10)
        assert sensor.wire.written.count(sleep) == 2
        assert sensor.one._is_asleep
        sensor.wire.obey = lambda data: b""  # now it hears nothing any more
        sensor.one._is_asleep = False
        await sensor.live(200)
        assert sensor.wire.written.count(sleep) <= 2 + 3 * 3  # three reminders of three tries each
        assert station.state == "ok"
        assert "sleep" in station.why
    assert len(ear.reports) == 1


async def test_one_that_is_plugged_in_while_it_should_sleep_is_put_to_sleep() -> None:
    clock, ear, socket = VirtualClock(), Ear(), Socket()
    sensor = Sensor(SDS, clock)
    async with living(station := listening(SDS, socket, ear, clock)):
        await sensor.live(100)
        assert station.state == "absent"
        socket.wire = sensor.wire
        await sensor.live(20)
        assert sensor.wire.written == [nova.COMMANDS["sleep"].data]
        assert ear.reports == []
        await sensor.live(600)
        assert len(ear.reports) == 1


async def test_a_polled_sensor_is_started_stopped_and_believed_when_warm() -> None:
    clock, ear = VirtualClock(), Ear()
    sensor = Sensor(SPS, clock)

    async def opening() -> Wire:
        return sensor.wire

    spec = DeviceSpec("pm", 600.0, "mean", 30.0, 0, {"output": "float"}, DUTY)
    bus = Bus("pm", opening, SPS.line, ticks=clock)
    async with living(station := PolledStation(spec, SPS, bus, clock, ear.emit, ear.on_state)):
        await clock.advance(50)
        assert (len(ear.reports), sensor.one._state) == (0, "measuring")
        await clock.advance(15)
        assert (len(ear.reports), sensor.one._state) == (1, "asleep")
        asked = len(sensor.wire.written)
        await clock.advance(530)
        assert len(sensor.wire.written) == asked
        await clock.advance(70)
        assert (len(ear.reports), sensor.one._state) == (2, "asleep")
        assert ear.states == [("ok", "")]
        assert station.counters.running_s == pytest.approx(2 * 55, abs=6)
        assert ear.reports[1].frames in (5, 6)
        assert station.counters.unbelieved in (12, 13, 14)
