"""Plays something in a world of virtual time, from a seed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.rig.sim_time import SimLoop
from tests.rig.sim_world import SimWorld

T = TypeVar("T")


def simulate(
    folder: Path,
    seed: int,
    play: Callable[[SimWorld], Coroutine[Any, Any, T]],
    *,
    before: Callable[[SimWorld], None] = lambda world: None,
    **options: Any,
) -> T:
    """What `play` returns; `before` sees the world before anything runs, `options` are the world's."""
    random.seed(seed)  # the jitter of the product's own pauses
    loop = SimLoop()
    loop.disk_s = 0.001
    loop.set_exception_handler(lambda _, context: None)
    asyncio.set_event_loop(loop)
    speaks = logging.getLogger("gateway")
    level = speaks.level
    speaks.setLevel(logging.CRITICAL)

    async def run() -> T:
        try:
            before(world)
            await world.begin()
            return await play(world)
        finally:
            await world.end()

    try:
        world = SimWorld(folder, loop, **options)
        with world.patched():
            return loop.run_until_complete(run())
    finally:
        speaks.setLevel(level)
        asyncio.set_event_loop(None)
        loop.close()
