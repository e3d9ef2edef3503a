"""A node that nobody has told the time: the audit knows which numbers wait for it, and calls none of them missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.audit.account import UNDATED, SpoolAccount, account
from gateway.audit.facts import SpoolFacts
from gateway.audit.sources import read_ledger
from gateway.wire.times import SECOND
from tests.rig.sim_world import SimWorld
from tests.rig.simulate import simulate

HOUR = 3600 * SECOND


def test_numbers_without_a_time_are_not_yet_due_until_the_clock_is_set(tmp_path: Path) -> None:
    def look(w: SimWorld) -> tuple[int, SpoolAccount]:
        now_at = w.loop.true_ns()
        ((spool, said),) = read_ledger(w.folder / "state" / "ledger.sqlite", now_at, 60.0).nodes["node-1"].items()
        return said.horizon, account(SpoolFacts(spool, said), now_at - 24 * HOUR, now_at, now_at)

    async def play(w: SimWorld) -> None:
        await asyncio.sleep(300)
        horizon, found = look(w)
        assert horizon > 20
        waiting = [each for each in found.ranges if each.reason == UNDATED]
        assert sum(each.count for each in waiting) == horizon
        assert not found.count("missing")
        w.computer.sync()
        await asyncio.sleep(180)
        horizon, found = look(w)
        assert not [each for each in found.ranges if each.reason == UNDATED]

    simulate(tmp_path, 1, play, before=lambda w: w.computer.reboot(0), devices=1, period_s=10.0, flush_s=0.0)
