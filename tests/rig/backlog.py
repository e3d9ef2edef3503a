"""A spool that is full of readings before the node ever starts: numbered, dated, and of a device of the rig's own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.edge.clock import Linux
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack

DEVICE = "earlier"
AGE_S = 3600.0
"""The newest of them is so old: nothing that is said later may collide with it."""


def fill(folder: Path, count: int, max_bytes: int, spacing_ms: int = 5) -> None:
    """Write `count` readings `spacing_ms` apart. Blocking; where no loop runs."""
    asyncio.run(_fill(folder, count, max_bytes, spacing_ms))


async def _fill(folder: Path, count: int, max_bytes: int, spacing_ms: int) -> None:
    spool = Spool.open(folder, outlets=["main"], max_bytes=max_bytes)
    first_ms = int((time.time() - AGE_S) * 1000) - count * spacing_ms
    boot = Linux().boot
    values = {"pm1": 21.0, "pm2_5": 37.0, "pm10": 52.0, "pn_above_0_3": 61.2, "pn_above_0_5": 17.4, "pn_above_1": 2.9}
    try:
        for number in range(1, count + 1):
            at_ms = first_ms + number * spacing_ms
            v = {**values, "pm2_5": float(number % 500)}
            spool.append(pack(Entry("air", DEVICE, at_ms, at_ms, boot, True, v, {"*": 2})))
            if number % 5000 == 0:
                await spool.flush()
    finally:
        await spool.close()
