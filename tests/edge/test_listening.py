"""The station of a device that talks by itself, in virtual time."""

from __future__ import annotations

from dataclasses import replace

from drivers.core.contract import Decoded, Listening
from drivers.core.registry import find
from gateway.edge.listening import ListeningStation
from gateway.edge.station import DeviceSpec
from gateway.ports.backoff import Backoff
from tests.edge.field import Ear, Socket, Wire, living
from tests.ports.virtual_clock import VirtualClock

PMS = find("plantower-pmsx003")


def frame(pm2_5: int, error: int = 0) -> bytes:
    words = [pm2_5, pm2_5, pm2_5] * 2 + [0] * 6
    head = b"\x42\x4d\x00\x1c" + b"".join(word.to_bytes(2, "big") for word in words) + bytes([0x97, error])
    return head + sum(head).to_bytes(2, "big")


def pms() -> Wire:
    """The port of a sensor that acknowledges what it is told."""
    commands = {command.data: command.reply for command in PMS.kind.start}
    return Wire(lambda data: commands[data])


START = [command.data for command in PMS.kind.start]


def build(socket: Socket, ear: Ear, clock: VirtualClock, driver=PMS, **spec) -> ListeningStation:
    device = DeviceSpec("pms", **{"silence_s": 10.0, **spec})
    return ListeningStation(device, driver, socket.open, clock, ear.emit, ear.on_state, Backoff(1.0, 1.0))


def mass(ear: Ear) -> list[float]:
    return [report.decoded.values["pm2_5"] for report in ear.reports]


async def test_each_frame_is_a_reading_stamped_when_its_last_byte_came():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock)
    async with living(station):
        await clock.advance(1)
        assert wire.written == START
        wire.say(frame(7)[:31])
        await clock.advance(0.03)
        assert ear.reports == []
        wire.say(frame(7)[31:])
        await clock.settle()
        [report] = ear.reports
        assert report.mono_ns == clock.mono_ns()
        assert report.at_ns == clock.wall_ns()
        assert (report.device, report.frames, report.decoded.values["pm2_5"]) == ("pms", 1, 7)
        assert ear.states == [("ok", "")]
        wire.say(frame(8) + frame(9))
        await clock.settle()
        assert mass(ear) == [7, 8, 9]
        assert ear.states == [("ok", "")]
    assert wire.is_closed
    counters = station.counters
    assert (counters.readings, counters.frames, counters.merged, counters.reconnects) == (
        3,
        4,
        0,
        0,
    )  # with the acknowledgement


async def test_one_reading_a_period_stamped_by_its_last_frame():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock, every_s=60.0, combine="mean")
    start_ns = clock.mono_ns()
    async with living(station):
        for second in range(1, 120):
            await clock.advance(1)
            wire.say(frame(second))
            await clock.settle()
            assert len(ear.reports) == second // 60
        assert ear.reports[0].mono_ns == start_ns + 59 * 10**9
        assert ear.reports[0].frames == 59  # the frame at 60 s came after the end of the first period
        assert mass(ear) == [30.0]
        await clock.advance(1)
        assert mass(ear) == [30.0, 89.5]
        await clock.advance(240)
        assert mass(ear) == [30.0, 89.5]  # nothing came: nothing is reported
        assert station.state == "silent"
        wire.say(frame(5))
        await clock.settle()
        assert len(ear.reports) == 2
    # What the last period held is not lost when the station ends.
    assert mass(ear) == [30.0, 89.5, 5]
    assert station.counters.merged == 58 + 59
    assert station.counters.readings == 3
    assert station.counters.merged + station.counters.readings == 59 + 60 + 1


async def test_a_stall_gives_one_late_reading_and_no_burst():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock, every_s=10.0, combine="last")
    start_ns = clock.mono_ns()
    async with living(station):
        await clock.advance(4)
        wire.say(frame(1))
        await clock.settle()
        clock.stall(100)
        wire.say(frame(2))
        await clock.advance(0)
        assert mass(ear) in ([1], [2])
        before = len(ear.reports)
        await clock.advance(5.9)
        assert len(ear.reports) == before
        wire.say(frame(3))
        await clock.advance(0.2)
        assert len(ear.reports) == before + 1  # the grid is where it was: 110 s after the start
        assert clock.mono_ns() - start_ns == 110_100_000_000


async def test_silence_and_recovery():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock)
    async with living(station):
        await clock.advance(9.9)
        assert ear.states == []
        await clock.advance(0.2)
        assert ear.words == ["silent"]
        assert "10 s" in station.why
        # It is told again what it was told at the start: it may have lost its power meanwhile.
        assert wire.written[len(START) :] == START
        wire.say(frame(1))
        await clock.advance(9.9)
        assert ear.words == ["silent", "ok"]
        await clock.advance(0.2)
        assert ear.words == ["silent", "ok", "silent"]
        await clock.advance(1000)
        assert ear.words == ["silent", "ok", "silent"]
        assert mass(ear) == [1]


async def test_bytes_that_are_no_reading_are_not_silence():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock)
    damaged = frame(1)[:-1] + b"\xff"
    async with living(station):
        for _ in range(12):
            await clock.advance(1)
            wire.say(damaged)
        assert ear.words == ["faulty"]
        assert "Integrity" in station.why
        assert "plantower" in station.why
        await clock.advance(30)
        assert ear.words == ["faulty", "silent"]
        for _ in range(12):
            await clock.advance(1)
            wire.say(frame(1, error=2))
        assert ear.words == ["faulty", "silent", "faulty"]
        assert "0x02" in station.why  # the device's own words
        wire.say(frame(4))
        await clock.settle()
        assert ear.words[-1] == "ok"
    assert mass(ear) == [4]
    assert station.counters.rejected == {"Integrity": 12, "DeviceFault": 12}
    assert station.counters.discarded_bytes == 12 * 32


async def test_absent_at_the_start_lost_and_back_again():
    clock, socket, ear = VirtualClock(), Socket(), Ear()
    station = build(socket, ear, clock, every_s=2.0)
    async with living(station):
        await clock.advance(100)
        assert ear.words == ["absent"]
        assert Wire.name in station.why
        assert 90 <= socket.tries <= 210
        first = socket.wire = pms()
        await clock.advance(1.1)
        first.say(frame(1) + frame(2)[:20])
        await clock.advance(0)
        assert ear.words == ["absent", "ok"]
        first.unplug()
        await clock.advance(0)
        assert ear.words == ["absent", "ok", "absent"]
        assert first.is_closed
        await clock.advance(5)
        second = socket.wire = pms()
        await clock.advance(1.1)
        # The half frame of before the unplug does not spoil the first frame after it.
        second.say(frame(3))
        await clock.advance(2)
        assert ear.words[-1] == "ok"
        assert mass(ear) == [1, 3]
        assert station.counters.reconnects == 1
        assert station.counters.rejected == {"Truncated": 1}


async def test_a_driver_or_a_taker_that_fails_does_not_end_the_station(caplog):
    def decode(data: bytes, options: object) -> Decoded | None:
        if len(data) == 8:
            return None
        if data[5] == 13:
            raise ZeroDivisionError("a driver's own mistake")
        return Decoded({"pm2_5": float(data[5])})

    clock, wire, ear = VirtualClock(), pms(), Ear()
    kind = PMS.kind
    assert isinstance(kind, Listening)
    station = build(Socket(wire), ear, clock, replace(PMS, kind=replace(kind, decode=decode)))

    def emit(report: object) -> None:
        ear.emit(report)
        if len(ear.reports) == 2:
            raise OSError("no room")

    station._desk._emit = emit
    async with living(station):
        await clock.advance(0.2)
        for value in (1, 13, 2, 3):
            wire.say(frame(value))
            await clock.settle()
    assert mass(ear) == [1, 2, 3]
    assert station.counters.failures == 2
    assert "ZeroDivisionError" in caplog.text
    assert "no room" in caplog.text


async def test_bytes_that_overflow_are_counted():
    clock, wire, ear = VirtualClock(), pms(), Ear()
    station = build(Socket(wire), ear, clock)
    async with living(station):
        await clock.advance(0.2)
        wire.say(bytes(100_000))
        await clock.settle()
        assert station.counters.overflowed_bytes == 100_000 - 65536
        wire.unplug()
        await clock.settle()
    assert station.counters.overflowed_bytes == 100_000 - 65536
