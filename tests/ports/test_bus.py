"""Turns on a shared line, in virtual time: a line with devices that answer, are late, are dead, come back."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from drivers.core.contract import Line
from gateway.ports import Bus, PortError, PortLost
from gateway.ports.backoff import Backoff
from gateway.ports.inbox import Inbox
from tests.ports.virtual_clock import VirtualClock

LINE = Line(baud=9600)


class FieldLine:
    """A port whose other end is a set of devices: question b"<name>" is answered b"<name>!" after `answer_s`."""

    name = "/dev/field"
    overflowed = 0

    def __init__(self, clock: VirtualClock, devices: dict[str, float | None]) -> None:
        self.clock = clock
        self.devices = devices
        self.inbox = Inbox()
        self.writes: list[tuple[float, str]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_closed = False

    async def read(self) -> bytes:
        return await self.inbox.take()

    async def write(self, data: bytes) -> None:
        self.writes.append((self.clock.mono_ns() / 1e9, data.decode()))
        answer_s = self.devices.get(data.decode())
        if answer_s is not None:
            task = asyncio.create_task(self._answer(data, answer_s))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _answer(self, data: bytes, answer_s: float) -> None:
        await self.clock.sleep_until(self.clock.mono_ns() + round(answer_s * 1e9))
        self.inbox.put(data + b"!")

    async def drain_input(self) -> int:
        return self.inbox.clear()

    async def close(self) -> None:
        self.is_closed = True
        self.unplug()

    def unplug(self) -> None:
        self.inbox.end(PortLost(self.name, "unplugged"))


def make_bus(clock: VirtualClock, line: FieldLine) -> Bus:
    async def opening() -> FieldLine:
        return line

    return Bus("bus-1", opening, LINE, ticks=clock, backoff=Backoff(1.0, 1.0))


async def ask(bus: Bus, device: str, *, patience_s: float = 0.5, quiet_s: float = 0.0) -> bytes | None:
    """One question in a turn of its own; None without an answer."""
    got = bytearray()

    def take(data: bytes) -> bool:
        got.extend(data)
        return bytes(got) == device.encode() + b"!"

    async with bus.turn(device) as turn:
        if await turn.ask(device.encode(), take, quiet_s=quiet_s, patience_s=patience_s):
            return bytes(got)
        return None


async def run(clock: VirtualClock, coroutine, seconds: float = 30.0):
    task = asyncio.create_task(coroutine)
    await clock.settle()
    while not task.done() and seconds > 0:
        await clock.advance(0.001)
        seconds -= 0.001
    return await task


async def test_question_answer_and_silence_between_frames():
    clock = VirtualClock()
    line = FieldLine(clock, {"a": 0.05, "b": 0.05})
    bus = make_bus(clock, line)
    assert await run(clock, ask(bus, "a")) == b"a!"
    assert await run(clock, ask(bus, "b")) == b"b!"
    assert await run(clock, ask(bus, "b", quiet_s=0.2)) == b"b!"
    (t_a, _), (t_b, _), (t_again, _) = line.writes
    assert t_b - (t_a + 0.05) >= 3.5 * 10 / 9600 - 1e-6
    assert t_b - (t_a + 0.05) < 0.01
    assert t_again - (t_b + 0.05) >= 0.2 - 1e-6


async def test_a_late_answer_never_passes_for_the_next():
    clock = VirtualClock()
    line = FieldLine(clock, {"a": 0.6})
    bus = make_bus(clock, line)
    assert await run(clock, ask(bus, "a", patience_s=0.5)) is None
    line.devices["a"] = None
    # The late answer arrives in the silence before the second question: it is thrown away, not taken.
    assert await run(clock, ask(bus, "a", patience_s=0.5, quiet_s=0.5)) is None
    assert bus.flushed == 2
    assert (bus.questions, bus.unanswered) == (2, 2)


async def test_turns_come_in_the_order_they_were_asked_for():
    clock = VirtualClock()
    names = [f"d{number}" for number in range(8)]
    line = FieldLine(clock, dict.fromkeys(names, 0.02))
    bus = make_bus(clock, line)
    served: list[str] = []

    async def device(name: str) -> None:
        while True:
            await ask(bus, name)
            served.append(name)

    tasks = [asyncio.create_task(device(name)) for name in names]
    await clock.advance(4)
    counts = Counter(served)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert min(counts.values()) > 10
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def poll(bus: Bus, clock: VirtualClock, name: str, every_s: float, answered: Counter[str]) -> None:
    due_ns = clock.mono_ns()
    while True:
        await clock.sleep_until(due_ns)
        due_ns = max(due_ns + round(every_s * 1e9), clock.mono_ns())
        answered[name] += await ask(bus, name) is not None


async def test_the_dead_take_a_tenth_of_the_time_while_one_lives():
    """Ten dead devices beside ten living ones on a line that is always busy, for ten minutes."""
    clock = VirtualClock()
    living = [f"l{number}" for number in range(10)]
    dead = [f"d{number}" for number in range(10)]
    line = FieldLine(clock, dict.fromkeys(living, 0.06))
    bus = make_bus(clock, line)
    answered: Counter[str] = Counter()
    tasks = [asyncio.create_task(poll(bus, clock, name, 1.0, answered)) for name in living + dead]
    await clock.advance(60)  # all of them have been found dead
    assert [bus.is_dead(name) for name in dead] == [True] * 10
    assert not any(bus.is_dead(name) for name in living)
    before_s = bus.wasted_s
    await clock.advance(300)
    assert 20 < bus.wasted_s - before_s <= 0.1 * 300 + 0.5

    # Each of ten is seen again within a minute of its return.
    line.devices.update(dict.fromkeys(dead, 0.06))
    answered.clear()
    await clock.advance(60)
    assert [name for name in dead if not answered[name]] == []
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_dead_among_twenty_costs_the_others_little():
    clock = VirtualClock()
    living = [f"l{number}" for number in range(19)]
    line = FieldLine(clock, dict.fromkeys(living, 0.06))
    bus = make_bus(clock, line)
    answered: Counter[str] = Counter()
    tasks = [asyncio.create_task(poll(bus, clock, name, 1.5, answered)) for name in [*living, "dead"]]
    await clock.advance(20)
    answered.clear()
    await clock.advance(150)
    assert min(answered[name] for name in living) >= 0.95 * 100
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_when_all_are_dead_nobody_waits_for_a_budget():
    clock = VirtualClock()
    line = FieldLine(clock, {})
    bus = make_bus(clock, line)
    for _ in range(5):
        assert await run(clock, ask(bus, "a")) is None
    assert bus.is_dead("a")
    before = clock.mono_ns()
    line.devices["a"] = 0.01
    assert await run(clock, ask(bus, "a")) == b"a!"
    assert clock.mono_ns() - before < 0.1e9
    assert not bus.is_dead("a")


async def test_a_lost_port_is_opened_again_with_backoff():
    clock = VirtualClock()
    lines = [FieldLine(clock, {"a": 0.01}), FieldLine(clock, {"a": 0.01})]
    opened: list[FieldLine] = []
    refusals: list[PortError] = []

    async def opening() -> FieldLine:
        if len(opened) == 1 and len(refusals) < 2:
            refusals.append(PortError("absent", "/dev/field"))
            raise refusals[-1]
        opened.append(lines[len(opened)])
        return opened[-1]

    bus = Bus("bus-1", opening, LINE, ticks=clock, backoff=Backoff(1.0, 1.0))
    assert await run(clock, ask(bus, "a")) == b"a!"
    lines[0].unplug()
    with pytest.raises(PortLost):
        await run(clock, ask(bus, "a"))
    assert lines[0].is_closed
    for _ in range(20):  # many ask meanwhile: the port is not tried for each of them
        with pytest.raises((PortLost, PortError)):
            await run(clock, ask(bus, "b"))
    assert refusals == []
    for tries in (1, 2):
        await clock.advance(1.0)
        with pytest.raises(PortError):
            await run(clock, ask(bus, "a"))
        assert len(refusals) == tries
    await clock.advance(1.0)
    assert await run(clock, ask(bus, "a")) == b"a!"
    assert bus.reopened == 1


async def test_a_cancelled_turn_gives_the_line_back():
    clock = VirtualClock()
    line = FieldLine(clock, {"b": 0.01})
    bus = make_bus(clock, line)
    waiting = asyncio.create_task(ask(bus, "a"))
    await clock.advance(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await run(clock, ask(bus, "b")) == b"b!"
    await bus.close()
    assert line.is_closed


def test_backoff_grows_to_its_cap_and_is_scattered():
    backoff = Backoff(0.5, 4.0)
    waits = [backoff.next_s() for _ in range(50)]
    for wait_s, most_s in zip(waits, [0.5, 1.0, 2.0, 4.0] + [4.0] * 46, strict=True):
        assert most_s / 2 <= wait_s <= most_s
    assert len(set(waits)) == len(waits)
    backoff.reset()
    assert backoff.next_s() <= 0.5
