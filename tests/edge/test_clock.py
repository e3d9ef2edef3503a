"""Trust in a clock, look by look; and this computer's own clocks against what else is known about them."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.edge import clock as module
from gateway.edge.clock import Linux, SystemClock
from gateway.edge.device_times import DeviceTimes, series
from gateway.edge.trust import year_doubt
from gateway.wire.times import SECOND
from tests.edge.machine import START_NS, Machine


def at(year: int) -> int:
    return int(datetime(year, 7, 1, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("year", "doubt"),
    [
        (1970, "unset"),
        (2000, "unset"),
        (2023, "unset"),
        (2024, ""),
        (2026, ""),
        (2059, ""),
        (2060, "implausible"),
        (2066, "implausible"),
        (2069, "buddhist-era"),  # 69 of 2569
        (2099, "buddhist-era"),
        (2100, "implausible"),
        (2399, "implausible"),
        (2400, "buddhist-era"),
        (2569, "buddhist-era"),
        (2700, "buddhist-era"),
        (2701, "implausible"),
    ],
)
def test_years(year: int, doubt: str) -> None:
    assert year_doubt(at(year)) == doubt


def clock_of(machine: Machine, *, believes: bool = False) -> SystemClock:
    return SystemClock(believes=believes, system=machine)


def test_no_trust_without_evidence_however_good_the_clock_is() -> None:
    machine = Machine()
    machine.set(machine.true_ns)
    clock = clock_of(machine)
    assert clock.offset_ns() is None
    assert (clock.doubt, clock.now()) == ("unsynchronized", None)
    machine.sync()
    assert clock.offset_ns() == machine.wall_ns() - machine.mono_ns()
    assert clock.doubt == ""
    assert clock.now() == "2026-09-21T14:13:20.000Z"


def test_evidence_does_not_help_a_year_that_cannot_be() -> None:
    machine = Machine()
    machine.sync(error_s=543 * 365.25 * 86_400)
    clock = clock_of(machine)
    assert (clock.is_trusted(), clock.doubt) == (False, "buddhist-era")
    machine.sync(error_s=-56 * 365.25 * 86_400)
    assert (clock.is_trusted(), clock.doubt) == (False, "unset")


@pytest.mark.parametrize(("by_s", "steps"), [(0.49, 0), (-0.49, 0), (0.51, 1), (-0.51, 1), (3e7, 1)])
def test_more_than_half_a_second_is_a_step(by_s: float, steps: int) -> None:
    machine = Machine()
    machine.sync()
    clock = clock_of(machine)
    assert clock.is_trusted()
    machine.step(by_s)
    assert clock.is_trusted() == (steps == 0)
    assert clock.steps == steps
    assert [round(step.by_ns / SECOND, 2) for step in clock.take_steps()] == [by_s] * steps
    assert clock.take_steps() == []


def test_a_slow_drift_is_no_step_however_far_it_goes() -> None:
    machine = Machine()
    machine.sync()
    clock = clock_of(machine)
    assert clock.is_trusted()
    for _ in range(100):
        machine.step(0.3)
        assert clock.is_trusted()
    assert clock.steps == 0


def test_time_alone_is_no_step_and_ends_no_trust() -> None:
    machine = Machine()
    machine.sync()
    clock = clock_of(machine)
    assert clock.is_trusted()
    machine.is_kept, machine.mark = False, None
    machine.advance(400 * 86_400)
    assert clock.is_trusted()
    assert clock.steps == 0


def test_there_and_back_between_two_looks_was_nothing() -> None:
    machine = Machine()
    machine.sync()
    clock = clock_of(machine)
    assert clock.is_trusted()
    machine.step(86_400)
    machine.step(-86_400)
    assert clock.is_trusted()


def test_many_steps_are_counted_and_few_are_kept() -> None:
    machine = Machine()
    clock = clock_of(machine)
    for _ in range(101):
        machine.step(10)
        clock.is_trusted()
    assert clock.steps == 100
    assert len(clock.take_steps()) == 16


def test_the_daemons_mark_counts_only_where_the_kernel_cannot_be_asked() -> None:
    machine = Machine()
    machine.sync()
    machine.step(0.1)
    assert machine.mark == 1
    assert not clock_of(machine).is_trusted(), "the kernel knows that somebody set the clock since"
    machine.can_ask = False
    clock = clock_of(machine)
    assert clock.is_trusted()
    machine.step(5)
    assert not clock.is_trusted()
    assert not clock.is_trusted(), "that mark is older than the step"
    assert clock.doubt == "stepped"
    machine.sync()
    assert clock.is_trusted()


def test_remembered_trust_holds_unless_the_clock_was_stepped_meanwhile() -> None:
    for by_s, is_trusted in ((0.2, True), (-3.0, False)):
        machine = Machine()
        machine.set(machine.true_ns)
        clock = clock_of(machine)
        clock.remember(machine.offset_ns)
        machine.step(by_s)
        assert clock.is_trusted() == is_trusted


def test_a_clock_that_is_believed_is_believed_after_steps_too() -> None:
    machine = Machine()
    machine.set(machine.true_ns)
    clock = clock_of(machine, believes=True)
    for by_s in (0.0, 86_400.0, -100.0):
        machine.step(by_s)
        assert clock.offset_ns() == machine.offset_ns
    assert [step.is_explained for step in clock.take_steps()] == [True, True]


def test_times_rise_whatever_is_asked_for() -> None:
    times = DeviceTimes()
    asked = [100, 100, 99, 500, 200, 501, 503, 700]
    assert [times.date("a", at_ms) for at_ms in asked] == [100, 101, 102, 500, 501, 502, 503, 700]
    assert times.crept == 1
    assert times.date("b", 100) == 100, "each series for itself"
    assert times.date(series("a", "state"), 600) == 600
    assert [times.mono("a", mono_ms) for mono_ms in (5, 5, 4, 9)] == [5, 6, 7, 9]
    times.decided(1000)
    assert times.date("a", 0) == 1010
    times.learn_all(2000)
    assert [times.least(name) for name in ("a", "b", "new")] == [2001, 2001, 2001]
    assert times.latest(2) == {"a": 2001, "b": 2001}


class Interrupted(Machine):
    """A process that loses the processor between two readings of a clock, now and then."""

    reads = 0

    def wall_ns(self) -> int:
        self.reads += 1
        wall_ns = super().wall_ns()
        if self.reads % 3:
            self.advance(0.2)
        return wall_ns


def test_a_sample_is_not_spoiled_by_a_lost_processor() -> None:
    machine = Interrupted()
    machine.sync()
    machine.reads = 0
    assert clock_of(machine).offset_ns() == machine.offset_ns


# This computer.


def test_the_clocks_of_this_computer() -> None:
    linux = Linux()
    assert linux.boot == Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:8]
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(linux.mono_ns() / 1e9 - uptime_s) < 1
    assert abs(linux.wall_ns() - time.time_ns()) < SECOND
    offset_ns = SystemClock(believes=True).offset_ns()
    assert offset_ns is not None
    assert abs(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) - offset_ns) < 50_000_000


def test_the_kernel_is_asked_as_it_expects() -> None:
    """The fields around `status` hold what the kernel always says: tolerance 500 ppm, ticks of about 10 ms."""
    timex = module._Timex()
    ask = module._adjtimex()
    assert ask is not None
    assert ask(ctypes.byref(timex)) >= 0
    word = ctypes.sizeof(ctypes.c_long)
    behind = -(-(module._Timex.status.offset + 4) // word) * word
    constant, precision, tolerance, seconds, fraction, tick = struct.unpack_from("6l", bytes(timex), behind)
    assert tolerance == 500 << 16
    assert 9_000 <= tick <= 11_000
    assert abs(seconds - time.time()) < 2
    assert constant >= 0
    assert precision >= 1
    assert fraction >= 0
    assert 0 <= timex.maxerror <= 16_000_000
    assert Linux().is_synchronized() == (not timex.status & 0x40)


def test_a_kernel_that_may_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_adjtimex", lambda: lambda _: -1)
    assert Linux().is_synchronized() is None


def test_timesyncd_leaves_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "synchronized"
    monkeypatch.setattr(module, "_TIMESYNCD", mark)
    linux = Linux()
    assert linux.daemon_mark() is None
    mark.touch()
    first = linux.daemon_mark()
    assert first is not None
    os.utime(mark, ns=(0, START_NS))
    assert linux.daemon_mark() not in (None, first)


def test_a_boot_that_cannot_be_told_from_others_is_taken_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOOT_ID", Path("/nowhere"))
    assert Linux().boot != Linux().boot
