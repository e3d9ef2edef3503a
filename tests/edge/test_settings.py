"""What an instrument stores is told at the start and believed when it has said yes."""

from __future__ import annotations

import asyncio

import pytest

from drivers.air import nova
from drivers.core.commands import TRIES, Command, Setup
from drivers.core.registry import find
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus
from gateway.ports.backoff import Backoff
from tests.edge.field import Ear, Socket, Wire, living
from tests.ports.virtual_clock import VirtualClock

HPMA, SDS, MHZ = find("honeywell-hpma115s0"), find("nova-sds011"), find("winsen-mhz19")
SDS_COMMANDS = nova.COMMANDS


def listening(driver, wire: Wire, ear: Ear, clock: VirtualClock) -> ListeningStation:
    return ListeningStation(
        DeviceSpec("pm", silence_s=10.0), driver, Socket(wire).open, clock, ear.emit, ear.on_state, Backoff(1.0, 1.0)
    )


async def speak(clock: VirtualClock, wire: Wire, instrument, seconds: int) -> None:
    """The instrument talks once a second."""
    for _ in range(seconds):
        await clock.advance(1)
        if data := instrument.tick(clock.wall_ns() / 1e9):
            wire.say(data)
        await clock.settle()


def test_a_setup_repeats_what_is_not_answered_and_goes_on() -> None:
    first, second = Command(b"1", reply=b"y1", refusal=b"n", name="one"), Command(b"2", name="two")
    setup = Setup([first, second])
    for _ in range(TRIES):
        assert setup.command is first
        assert not setup.hear(b"y2")
        setup.timeout()
    assert setup.troubles == [(first, "unanswered")]
    assert setup.command is second
    setup.timeout()
    assert setup.command is None
    assert not setup.hear(b"y1")
    refused = Setup([first, second])
    for _ in range(TRIES):
        assert refused.hear(b"n")
    assert refused.troubles == [(first, "refused")]
    obeyed = Setup([first, second])
    assert obeyed.hear(b"n")
    assert obeyed.hear(b"y1 and more")
    assert (obeyed.command, obeyed.troubles) == (second, [])


async def test_a_sensor_left_asleep_in_query_mode_is_brought_back_through_its_noise() -> None:
    clock, ear = VirtualClock(), Ear()
    one = SDS.simulate(3, 0)
    for name in ("set_period_1min", "set_query_mode", "sleep"):
        one.answer(SDS_COMMANDS[name].data, 1.0)
    wire = Wire(lambda data: one.answer(data, 0.0))
    async with living(station := listening(SDS, wire, ear, clock)):
        await speak(clock, wire, one, 20)
        # Its first answer is five bytes of noise: it is told again, and only then the rest.
        said = [next(name for name, c in SDS_COMMANDS.items() if c.data == data) for data in wire.written]
        assert said == ["wake", "wake", "set_active_mode", "set_period_continuous"]
        assert ear.states == [("ok", "")]
        assert station.counters.rejected == {"FixedBits": 1, "Integrity": 1}


async def test_a_refusal_has_words_and_a_state() -> None:
    clock, ear = VirtualClock(), Ear()
    one = HPMA.simulate(1, 0)
    wire = Wire(lambda data: b"\x96\x96" if data[2] == 0x40 else one.answer(data, 0.0))
    async with living(station := listening(HPMA, wire, ear, clock)):
        await speak(clock, wire, one, 5)
        assert len(wire.written) == 1 + TRIES
        assert station.state == "ok"  # readings come all the same
        assert "enable auto send" in station.why
        one._talks = False
        await speak(clock, wire, one, 12)
        assert station.state == "faulty"
        assert "refused: enable auto send" in station.why


async def test_readings_without_answers_are_ok_and_name_the_wire() -> None:
    clock, ear, wire = VirtualClock(), Ear(), Wire()
    one = SDS.simulate(3, 0)
    async with living(station := listening(SDS, wire, ear, clock)):
        await speak(clock, wire, one, 12)
        assert station.state == "ok"
        assert "wake, set active mode, set period continuous" in station.why
        assert "RX" in station.why
        assert len(ear.reports) == 12


async def test_an_acknowledgement_of_another_command_is_none() -> None:
    clock, ear = VirtualClock(), Ear()
    one = SDS.simulate(3, 0)
    wire = Wire(lambda data: one.answer(SDS_COMMANDS["get_mode"].data, 0.0))
    async with living(station := listening(SDS, wire, ear, clock)):
        await speak(clock, wire, one, 12)
        assert "set active mode" in station.why


@pytest.mark.parametrize(("said", "written"), [("as-is", 0), ("off", 1), ("on", 1)])
async def test_a_polled_instrument_is_told_before_the_first_round(said: str, written: int) -> None:
    clock, ear = VirtualClock(), Ear()
    one = MHZ.simulate(1, 1)
    wire = Wire(lambda data: one.answer(data, clock.wall_ns() / 1e9))

    async def opening() -> Wire:
        return wire

    spec = DeviceSpec("co2", 10.0, options={"self_calibration": said})
    bus = Bus("co2", opening, MHZ.line, ticks=clock)
    async with living(station := PolledStation(spec, MHZ, bus, clock, ear.emit, ear.on_state)):
        await clock.advance(35)
        assert ear.states == [("ok", "")]
        assert sum(data[2] == 0x79 for data in wire.written) == written
        assert len(ear.reports) == 4
        assert station.counters.missed == 0
    assert not any(data[2] in (0x87, 0x88) for data in wire.written)


async def test_a_polled_instrument_that_says_nothing_to_a_setting_still_reads() -> None:
    clock, ear = VirtualClock(), Ear()
    one = MHZ.simulate(1, 1)
    wire = Wire(lambda data: b"" if data[2] == 0x79 else one.answer(data, clock.wall_ns() / 1e9))

    async def opening() -> Wire:
        return wire

    spec = DeviceSpec("co2", 10.0, options={"self_calibration": "off"})
    bus = Bus("co2", opening, MHZ.line, ticks=clock)
    async with living(station := PolledStation(spec, MHZ, bus, clock, ear.emit, ear.on_state)):
        await clock.advance(15)
        assert station.state == "ok"
        assert "abc off" in station.why
        await asyncio.sleep(0)
    assert len(ear.reports) == 2
