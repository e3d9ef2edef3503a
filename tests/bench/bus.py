"""One RS-485 line with twenty meters: what the dead cost, when they are seen again, and a replug on a real tty."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tests.bench import _buses
from tests.bench._replug import first_reading_s


def run() -> Iterator[dict[str, object]]:
    """The figures; about a minute. All but the replug in virtual time."""
    one = asyncio.run(_buses.with_dead(1))
    yield _figure("20 meters at 9600 baud every 10 s: the line is busy", 100 * one.busy, "%")
    yield _figure("1 dead of 20: poll rate of the slowest other", 100 * one.rate, "%")
    for dead in (1, 10, 19):
        share = asyncio.run(_buses.with_dead(dead))
        yield _figure(f"{dead} dead of 20: their share of the line's time", 100 * share.dead_time, "%")
    waits = asyncio.run(_buses.returns(10))
    yield _figure("10 dead, one returns: until its next reading, worst of 10", max(waits), "s")
    together = asyncio.run(_buses.all_return(10))
    yield _figure("10 dead return together: until the last one's reading", max(together), "s")
    replugs = [asyncio.run(first_reading_s()) for _ in range(5)]
    yield _figure("replug under another tty: first reading, worst of 5", max(replugs), "s")


def _figure(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "unit": unit}
