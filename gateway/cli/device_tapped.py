"""Trying a driver on a port that a running gateway holds: what it hears, and asks, through this driver's eyes."""

from __future__ import annotations

import asyncio
import contextlib
import time

from drivers.core.contract import Decoded, Driver, Options
from gateway.cli.device_trial import SAMPLE_BYTES, OnReading, Tally
from gateway.cli.overheard import Item, Overheard
from gateway.cli.reaching import Tap
from gateway.ports import PortLost

TAPPED_S = 20.0
"""How long is listened where nothing is said: the gateway asks when it wants to."""
_EXAMPLES = 3


async def listen_in(
    tap: Tap, driver: Driver, address: int | None, options: Options, seconds: float, count: int, on_reading: OnReading
) -> Tally:
    """Listen for `seconds`, or until `count` readings came where that is not 0; the tally of it. Nothing is sent."""
    hearing, tally, began = Overheard(driver, options, address), Tally(is_tapped=True), time.monotonic()

    def take(item: Item) -> None:
        _, outcome = item
        if isinstance(outcome, Decoded):
            tally.readings += 1
            tally.last = outcome
            on_reading(time.monotonic() - began, outcome)
        else:
            tally.rejected[outcome.reason] += 1
            tally.examples = [*tally.examples, f"{outcome.reason}: {outcome}"][-_EXAMPLES:]

    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not count or tally.readings < count:
                    record = await tap.record()
                    if record.direction == "<":
                        tally.arrived += len(record.data)
                        tally.flat += record.data.count(0x00) + record.data.count(0xFF)
                        tally.received = (tally.received + record.data)[:SAMPLE_BYTES]
                    else:
                        tally.sent += len(record.data)
                    for item in hearing.feed(record):
                        take(item)
    except PortLost as error:
        tally.lost = str(error)
    if not tally.readings:
        for item in hearing.finish():
            take(item)
    tally.seconds, tally.asked, tally.discarded = time.monotonic() - began, hearing.asked, hearing.discarded
    return tally
