"""A wall clock that jumps a year on, a day back, into 1970: nothing that waits may notice."""

from __future__ import annotations

import itertools

from tests.edge import test_listening as listening
from tests.edge import test_polled as polled
from tests.edge.field import Ear, Socket, living
from tests.ports.virtual_clock import VirtualClock

YEAR_NS = 365 * 86_400 * 10**9
DAY_NS = 86_400 * 10**9
STEPS = (YEAR_NS, -DAY_NS, -3 * YEAR_NS, -56 * YEAR_NS + 1, 543 * YEAR_NS)


async def test_a_polled_device_is_asked_neither_faster_nor_slower() -> None:
    clock, ear = VirtualClock(), Ear()
    line = polled.MeterLine(clock, 1)
    station = polled.build(polled.make(clock, Socket(line)), ear, clock)
    async with living(station):
        for step_ns in (0, *STEPS):
            clock.wall_offset_ns += step_ns
            before = len(ear.reports)
            await clock.advance(100)
            assert len(ear.reports) - before == 10
            assert all(report.at_ns - report.mono_ns == clock.wall_offset_ns for report in ear.reports[before:])
    gaps_s = [(b.mono_ns - a.mono_ns) / 1e9 for a, b in itertools.pairwise(ear.reports)]
    assert max(abs(gap_s - 10) for gap_s in gaps_s) < 0.5
    assert ear.words == ["ok"]
    assert station.counters.skipped == 0


async def test_a_listening_devices_periods_and_its_silence_are_monotonic() -> None:
    clock, wire, ear = VirtualClock(), listening.pms(), Ear()
    station = listening.build(Socket(wire), ear, clock, every_s=10.0, combine="mean", silence_s=30.0)
    async with living(station):
        for step_ns in (0, *STEPS):
            clock.wall_offset_ns += step_ns
            before = len(ear.reports)
            for _ in range(100):
                await clock.advance(1)
                wire.say(listening.frame(7))
                await clock.settle()
            assert len(ear.reports) - before == 10
        assert {report.frames for report in ear.reports[1:]} == {10}
        assert ear.words == ["ok"], "no step makes a device silent"
        clock.wall_offset_ns += YEAR_NS
        await clock.advance(29)
        assert ear.words == ["ok"]
        await clock.advance(2)
        assert ear.words == ["ok", "silent"]
