"""What a bus does with its dead, in virtual time: real stations, real questions, the wire's own speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.core.contract import Line
from drivers.core.registry import find
from tests.edge.field import living
from tests.rig.busline import Field, field

METER = "eastron-sdm120"
EVERY_S = 10.0
LINE = Line(baud=9600)
FIND_S = 60.0


@dataclass(frozen=True)
class Share:
    """The slowest living device's readings as a share of what was due, and the dead ones' share of the line's time."""

    rate: float
    dead_time: float
    busy: float


async def with_dead(dead: int, count: int = 20, seconds: float = 600.0, *, find_s: float = FIND_S) -> Share:
    """Some of so many devices are dead from the beginning; measured after `find_s`, in which that was found out."""
    made = field(find(METER), count, EVERY_S, LINE)
    made.line.dead = set(range(1, dead + 1))
    async with living(*made.stations.values()):
        await made.live(find_s)
        made.taken()
        before_s = made.bus.wasted_s
        await made.live(seconds)
        counts = made.taken()
    rate = min(counts[address] for address in counts if address not in made.line.dead) / (seconds / EVERY_S)
    return Share(rate, (made.bus.wasted_s - before_s) / seconds, _busy(made))


def _busy(made: Field) -> float:
    """The line's time that questions and their thinking take when all answer, as a share; a rough figure."""
    driver = find(METER)
    asked = sum((len(r.data) + r.reply_bytes) * made.line.line.byte_s() + 0.05 for r in driver.kind.requests(1, {}))
    return asked * len(made.stations) / EVERY_S


async def returns(dead: int, count: int = 20, *, down_s: float = 900.0) -> list[float]:
    """Seconds from the return of each of several dead devices, one by one at bad moments, to its next reading."""
    made = field(find(METER), count, EVERY_S, LINE)
    waits = []
    async with living(*made.stations.values()):
        await made.live(FIND_S)
        made.line.dead = set(range(1, dead + 1))
        await made.live(down_s)
        made.taken()
        for address in range(1, dead + 1):
            made.line.dead.discard(address)
            waited = await _until(made, lambda address=address: bool(made.reports[address]))
            waits.append(waited)
            made.line.dead.add(address)
            await made.live(300.0 + 7 * address)
            made.taken()
    return waits


async def all_return(dead: int, count: int = 20, *, down_s: float = 900.0) -> list[float]:
    """The same when the power of all of them comes back at once."""
    made = field(find(METER), count, EVERY_S, LINE)
    waits: dict[int, float] = {}
    async with living(*made.stations.values()):
        await made.live(FIND_S)
        made.line.dead = set(range(1, dead + 1))
        await made.live(down_s)
        made.taken()
        made.line.dead.clear()
        for second in range(1, 200):
            await made.live(1.0)
            for address in range(1, dead + 1):
                if made.reports[address]:
                    waits.setdefault(address, float(second))
            if len(waits) == dead:
                break
    return list(waits.values())


async def _until(made: Field, is_so: Callable[[], bool]) -> float:
    began_ns = made.clock.mono_ns()
    while not is_so() and made.clock.mono_ns() - began_ns < 300e9:
        await made.live(0.5)
    return (made.clock.mono_ns() - began_ns) / 1e9
