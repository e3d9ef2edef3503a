"""A card that comes back without its last seconds, while the database's yes is not durable yet."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.rig.oracle import Counts
from tests.rig.sim_world import SimWorld
from tests.rig.simulate import simulate
from tests.spool.simdisk import SimDisk


@pytest.mark.parametrize("seconds", [3, 20])
def test_no_number_is_given_twice(tmp_path: Path, seconds: float) -> None:
    """The ledger says which numbers it has seen, not only which ones it has for certain."""

    async def play(w: SimWorld) -> tuple[list[str], Counts]:
        await asyncio.sleep(60)
        await w.stop_edge()
        assert w.disk is not None
        image = w.disk.after_cut(random.Random(0))
        w.start_edge()
        await asyncio.sleep(seconds)
        await w.kill_edge()
        w.disk = image
        w.start_edge()
        await asyncio.sleep(60)
        return w.twice, await w.settle(300)

    twice, counts = simulate(tmp_path, 1, play, disk=SimDisk())
    assert not twice
    assert counts.is_clean
    assert counts.owed > 200
