"""Real stations and meters on one simulated RS-485 line: late, dead, echoing, noisy; and two adapters replugged."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, Driver, Exchange, Line, Options, Polled, Request
from drivers.core.registry import find
from drivers.core.simulated_slave import SimulatedSlave
from tests.bench import _buses
from tests.bench._replug import LIMIT_S, first_reading_s
from tests.edge.field import living
from tests.rig.busline import Field, field

STARTS = (0, 100, 200)


class Echoing(SimulatedSlave):
    """Each register holds its own number, so that an answer says what was asked."""

    def data(self, read: modbus.Read, t: float) -> bytes:
        return b"".join((read.start + i).to_bytes(2, "big") for i in range(read.count))


def _ask(data: bytes, options: Options) -> Request:
    return Request(data, partial(modbus.ReplyFramer, data), modbus.parse_question(data).reply_bytes, 0.5, 0.0)


def _decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    found = {}
    for request, reply in exchanges:
        if reply is not None:
            read = modbus.parse_question(request.data)
            found[f"r{read.start}"] = float(int.from_bytes(modbus.reply_data(reply, read)[:2], "big"))
    return Decoded(found)


THREE_ALIKE = Driver(
    name="three-alike",
    title="Three questions whose answers have one length",
    device_class="energy",
    models=(),
    kind=Polled(
        lambda address, options: tuple(
            _ask(modbus.question(modbus.Read(address, 3, start, 2)), options) for start in STARTS
        ),
        _decode,
        _ask,
        lambda reply, options: (b"", False),
    ),
    quantities=(),
    line=Line(),
    sources=(),
    simulate=lambda seed, address: Echoing(address, 125),
)


def own(made: Field) -> list[bool]:
    """Of each value reported, whether it is the answer to its own question."""
    return [
        value == float(name[1:])
        for reports in made.reports.values()
        for report in reports
        for name, value in report.decoded.values.items()
    ]


@pytest.mark.parametrize("longest_s", [0.4, 0.9, 1.5])
async def test_a_late_answer_of_the_same_length_never_passes_for_the_next(longest_s: float) -> None:
    made = field(THREE_ALIKE, 2, 5.0, seed=round(longest_s * 10))
    late: Callable[[random.Random], float] = lambda dice: dice.uniform(0, longest_s) if dice.random() < 0.4 else 0.0  # noqa: E731
    made.line.late = late
    async with living(*made.stations.values()):
        await made.live(900)
    values = own(made)
    assert len(values) > 200
    assert all(values)
    assert made.bus.flushed > 0 or longest_s < 0.5


async def test_one_that_is_always_late_is_given_more_time() -> None:
    made = field(THREE_ALIKE, 1, 5.0)
    made.line.late = lambda dice: 0.7
    async with living(*made.stations.values()):
        await made.live(120)
    values = own(made)
    assert len(values) > 30
    assert all(values)


@pytest.mark.parametrize("name", ["eastron-sdm120", "pzem-004t-v3"])
async def test_echo_and_glitches_cost_nothing(name: str) -> None:
    made = field(find(name), 3, 2.0, Line(9600))
    made.line.has_echo, made.line.glitch = True, 0.3
    async with living(*made.stations.values()):
        await made.live(100)
    assert min(made.taken().values()) >= 49
    assert all(station.counters.missed == 0 for station in made.stations.values())
    assert all(not station.counters.rejected for station in made.stations.values())


async def test_one_dead_of_twenty_and_ten_dead_of_twenty() -> None:
    one = await _buses.with_dead(1, seconds=60.0, find_s=20.0)
    assert one.rate >= 0.95
    ten = await _buses.with_dead(10, seconds=60.0, find_s=20.0)
    assert ten.rate >= 0.95
    assert ten.dead_time <= 0.1


async def test_ten_that_come_back_together_are_seen_within_a_minute() -> None:
    waits = await _buses.all_return(10, down_s=100.0)
    assert len(waits) == 10
    assert max(waits) <= 60


@pytest.mark.parametrize("names", [("nova-sds011", "eastron-sdm120"), ("plantower-pmsx003", "plantower-pmsx003")])
async def test_two_adapters_that_swap_their_ttys_keep_their_identity(names: tuple[str, str]) -> None:
    assert await first_reading_s(names, out_s=0.05) <= LIMIT_S
