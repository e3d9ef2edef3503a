"""Outages, wrong clocks and long waits in virtual time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
from pathlib import Path
from typing import Any

from drivers.core.registry import find
from gateway.mqtt.broker import Message
from tests.faults.scenario import Finding, Form, Tally, scenario
from tests.rig.oracle import Counts
from tests.rig.sim_parts import SimPolled
from tests.rig.sim_time import EPOCH_S
from tests.rig.sim_world import SimWorld
from tests.rig.simulate import simulate
from tests.spool.simdisk import SimDisk

YEAR_S, DAY_S = 365 * 86_400.0, 86_400.0
METER = "eastron-sdm120"


@scenario("L1", "broker stopped for an hour of simulated time", "lost 0")
def broker_away(form: Form) -> Finding:
    """It is stopped, comes back, and everything said in between arrives."""

    async def play(w: SimWorld) -> Finding:
        await asyncio.sleep(60)
        w.broker.stop()
        await asyncio.sleep(3600)
        w.broker.start()
        await asyncio.sleep(60)
        counts = await w.settle(600)
        is_met = counts.is_clean and not w.twice and counts.owed > 3600
        return Finding(f"{counts}; worst timestamp error {max(counts.errors_ms):.1f} ms", is_met, counts)

    with form.in_memory() as folder:
        return simulate(folder, form.seed, play, devices=form.count(2, 10), disk=SimDisk())


@scenario(
    "T2",
    "boot in 1970, clock set 10 min later",
    "untrusted readings published as trusted 0; corrected error ≤ 1 s",
)
def boot_in_1970(form: Form) -> Finding:
    """A machine without a battery; the broker is there all the time, and the process is restarted in between.

    Untrusted readings wait for their time, and health says meanwhile that the clock is not to be trusted. So it is in
    1970, and with a clock that goes on where it stood at the last shutdown, which no year gives away.
    """
    findings = [_boot_with(form, wall_ns) for wall_ns in (12_000_000_000, (EPOCH_S - 7 * 86_400) * 1_000_000_000)]
    tally = Tally(0, 0, 0, 0.0)
    for each in findings:
        assert isinstance(each.counts, Counts)
        tally = tally.with_counts(each.counts)
    figure = f"{findings[0].figure}; with a clock of last week: {findings[1].figure}"
    return Finding(figure, all(each.is_met for each in findings), tally)


def _boot_with(form: Form, wall_ns: int) -> Finding:
    trusted: list[int] = []

    def before(w: SimWorld) -> None:
        w.computer.reboot(wall_ns=wall_ns)
        w.broker.on_publish.append(
            lambda told: trusted.extend(health.get("clock_trusted", 0) for _, health in _health(w, told))
        )

    async def play(w: SimWorld) -> Finding:
        await asyncio.sleep(290)
        await w.kill_edge()
        w.start_edge()
        await asyncio.sleep(300)
        early, said_so, beats = sum(row.at > 0 for row in w.rows()), sum(trusted), len(trusted)
        w.computer.sync()
        await asyncio.sleep(300)
        counts = await w.settle(600)
        worst_s = max(counts.errors_ms) / 1000
        undated = sum(not row.at for row in w.rows())
        figure = (
            f"{counts}; trusted too early {early}; worst error {worst_s:.3f} s; {undated} left undated; health said "
            f"trusted in {said_so} of {beats} minutes before, {trusted[-1]} after"
        )
        is_honest = beats >= 9 and not said_so and trusted[-1] == 1
        is_met = counts.is_clean and not early and worst_s <= 1 and not undated and not w.twice and is_honest
        return Finding(figure, is_met, counts)

    with form.in_memory() as folder:
        return simulate(folder, form.seed, play, before=before, devices=2, disk=SimDisk())


@scenario("T3", "clock stepped + 1 year, − 1 year, − 1 day while running", "no burst, no stall")
def clock_stepped(form: Form) -> Finding:
    """Each step lasts for minutes, until a time daemon repairs it. A talking and a polled instrument go on."""
    meter = SimPolled(find(METER), 1, form.seed)
    beats: list[float] = []

    async def play(w: SimWorld) -> Finding:
        for step_s in (YEAR_S, -YEAR_S, -DAY_S):
            await asyncio.sleep(form.pick(120, 1800))
            w.computer.step(step_s)
            await asyncio.sleep(form.pick(120, 1800))
            w.computer.sync()
        await asyncio.sleep(form.pick(120, 600))
        assert w.node is not None
        frames = w.node.stations["pms-1"].counters.frames
        said, ended = w.instruments[0].count, w.loop.time()
        counts = await w.settle(1200)
        # A round of questions takes its own time; what counts is when the rounds begin.
        asked = [at for port in meter.ports for at in port.written]
        rounds = [later for earlier, later in itertools.pairwise(asked) if later - earlier > 2]
        gaps, pauses = _gaps(rounds, ended), _gaps(beats, ended)
        figure = (
            f"polls every {min(gaps):.2f} to {max(gaps):.2f} s (10 s wanted), health every {min(pauses):.1f} to "
            f"{max(pauses):.1f} s (60 s wanted), {said - frames} frames not taken; {counts}, "
            f"worst error {max(counts.errors_ms):.1f} ms"
        )
        is_even = max(gaps) <= 11 and min(gaps) >= 9 and said - frames <= 1
        is_even = is_even and min(pauses) >= 59 and max(pauses) <= 61
        return Finding(figure, is_even and counts.is_clean and not w.twice, counts)

    def before(w: SimWorld) -> None:
        w.broker.on_publish.append(lambda told: beats.extend(at for at, _ in _health(w, told)))

    with form.in_memory() as folder:
        return simulate(folder, form.seed, play, before=before, devices=1, disk=SimDisk(), polled={METER: meter})


def _gaps(times: list[float], end: float) -> list[float]:
    """The seconds between them, and those up to the end where that is longer: what has stopped is a gap, too."""
    found = [later - earlier for earlier, later in itertools.pairwise(times)]
    left = end - times[-1]
    return [*found, left] if left > max(found) else found


def _health(w: SimWorld, message: Message) -> list[tuple[float, dict[str, Any]]]:
    """When it is said (the loop's time) and what, where the message is a node's health."""
    return [(w.loop.time(), json.loads(message.payload))] if message.topic.endswith("/health") else []


@scenario("M1", "24 simulated hours of outage at full rate", "memory growth ≤ 5 MB")
def long_outage(form: Form) -> Finding:
    """Each instrument speaks once a second, the broker is away; resident memory of all, since it went away."""

    async def play(w: SimWorld) -> Finding:
        await asyncio.sleep(60)
        w.broker.stop()
        gc.collect()
        sizes = [_resident_mb()]
        for _ in range(form.count(3, 24)):
            await asyncio.sleep(form.pick(1200, 3600))
            gc.collect()
            sizes.append(_resident_mb())
        said = sum(each.count for each in w.instruments)
        assert w.node is not None
        held = w.node.spool.stats()
        growth = max(sizes[1:]) - sizes[0]
        # Events have numbers, too: a few states of each device.
        is_whole = said <= held.committed <= said + 4 * len(w.instruments)
        hours = (len(sizes) - 1) * form.pick(1200, 3600) / 3600
        figure = (
            f"{growth:+.1f} MB in {hours:g} h at {len(w.instruments)} readings/s, {held.bytes / 1e6:.0f} MB spooled"
        )
        return Finding(figure, growth <= 5 and is_whole, None, {"sizes_mb": [round(each, 1) for each in sizes]})

    # In memory, but not in this process's: the disk is not what is weighed here.
    with form.in_memory() as folder:
        return simulate(folder, form.seed, play, devices=form.count(5, 20), remembers=False, max_size="2 GB")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
