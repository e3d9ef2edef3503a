"""The small parts of an outlet: ages, pace, refusals, memory bounds, supply, and losses that become events."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import losses as losses_module
from gateway.edge.ageing import Ageing
from gateway.edge.backlog import runs
from gateway.edge.losses import LossEvents
from gateway.edge.pace import LEAST_BYTES, Pace, Refusals
from gateway.edge.supply import Supply
from gateway.edge.unsettled import LIVE_BOUND, MOST_PIECES, SLOW_S, Unsettled, overlap, without
from gateway.spool.intervals import Intervals

Ranges = list[tuple[int, int]]
WEEK_S = 7 * 86_400


def everything(first: int, last: int) -> Ranges:
    return [(first, last)]


def test_numbers_become_old_after_their_time_and_not_before() -> None:
    ageing = Ageing(60.0)
    ageing.add(1, 3, 0.0)
    ageing.add(4, 4, 30.0)
    for now, old in ((59.0, []), (68.0, [(1, 3)]), (91.0, [(1, 3)]), (98.0, [(1, 4)])):
        ageing.grow(now)
        assert ageing.old.ranges() == old
    ageing.remove(2, 4)
    assert (len(ageing), ageing.all().ranges()) == (1, [(1, 1)])


def test_a_week_of_acknowledgements_that_nobody_confirms_is_a_few_ranges() -> None:
    numbers = Unsettled([], everything, 60.0)
    for at in range(0, WEEK_S, 60):
        numbers.offer([(at // 60 + 1, b"")], at)
        found = numbers.next_live(at)
        assert found is not None
        numbers.taken([(found[0], found[0])], at)
    assert len(numbers) == numbers.unconfirmed == WEEK_S // 60
    assert numbers.pieces <= 12


def test_a_week_without_a_broker_is_one_range_and_what_is_live() -> None:
    numbers = Unsettled([], everything, 60.0)
    for number in range(1, 100_000):
        numbers.offer([(number, b"x")], number / 1000)
    assert len(numbers) == 99_999
    assert len(numbers.live) == LIVE_BOUND
    assert numbers.pieces == 1


def test_a_refused_class_among_others_cannot_fill_the_memory() -> None:
    """Every other number is refused for weeks, the rest is taken and never confirmed: as ragged as it can get."""
    numbers = Unsettled([(1, 8 * MOST_PIECES)], everything, 60.0)
    pieces = []
    for now in range(8):
        span = numbers.claim(MOST_PIECES)
        assert span is not None
        for number in range(span[0], span[1] + 1):
            if number % 2:
                numbers.hold([(number, number)], 300.0, now)
            else:
                numbers.taken([(number, number)], now)
        pieces.append(numbers.pieces)
    assert max(pieces) <= MOST_PIECES + 1
    assert len(numbers) == 8 * MOST_PIECES, "none is forgotten"
    assert not numbers.waiting
    numbers.release(10 + SLOW_S)
    assert len(numbers.waiting) >= 4 * MOST_PIECES, "and all that was refused is tried again"


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), max_size=8), st.integers(1, 40), st.integers(0, 20))
def test_overlap_is_what_sets_say(ranges: Ranges, first: int, length: int) -> None:
    numbers = Intervals((start, start + more) for start, more in ranges)
    last = first + length
    expected = {number for start, more in ranges for number in range(start, start + more + 1)} & set(
        range(first, last + 1)
    )
    assert Intervals(overlap(numbers, first, last)) == Intervals((number, number) for number in sorted(expected))
    rest = Intervals(without(first, last, overlap(numbers, first, last)))
    assert rest == Intervals((number, number) for number in range(first, last + 1) if number not in expected)


@given(st.sets(st.integers(1, 60)))
def test_runs_are_the_ranges_of_the_numbers(numbers: set[int]) -> None:
    assert runs(sorted(numbers)) == Intervals((number, number) for number in sorted(numbers)).ranges()


async def test_backlog_on_its_way_is_bounded_and_the_first_always_goes() -> None:
    pace = Pace(3)
    pace.budget = 100
    await pace.room(5000)
    pace.sent(5000)
    waiting = asyncio.create_task(pace.room(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.answered(5000, 0.3)
    await waiting
    for _ in range(3):
        await pace.room(10)
        pace.sent(10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await pace.room(10)


def test_slow_answers_halve_the_budget_and_quick_ones_let_it_grow() -> None:
    pace = Pace(100)
    start = pace.budget
    for took_s, expected in ((0.3, start), (0.6, start // 2), (None, start // 4), (0.05, start // 4 + 1000)):
        pace.sent(1000)
        pace.answered(1000, took_s)
        assert pace.budget == expected
    for _ in range(30):
        pace.sent(1000)
        pace.answered(1000, 5.0)
    assert pace.budget == LEAST_BYTES


def test_a_refused_topic_is_left_alone_and_others_are_not() -> None:
    refusals = Refusals()
    pauses = []
    now = 0.0
    for _ in range(9):
        until = refusals.refused("a", now)
        assert refusals.refused("a", now) == until, "more refusals of the same moment say nothing new"
        assert refusals.until("a", now) == until
        assert refusals.until("b", now) is None
        pauses.append(until - now)
        now = until
        assert refusals.until("a", now) is None
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    refusals.accepted("a")
    assert refusals.refused("a", now) == now + 5


def test_refusals_are_remembered_within_bounds() -> None:
    refusals = Refusals()
    for number in range(10_000):
        refusals.refused(f"topic-{number}", 0.0)
    assert sum(refusals.until(f"topic-{number}", 1.0) is not None for number in range(10_000)) <= 1000


def test_hours_left_follow_the_rate_and_what_cannot_be_removed() -> None:
    supply = Supply(1_000_000)
    look = {"held_bytes": 100_000, "held": 1000}
    assert supply.look(0.0, committed=1000, unsettled=0, **look) is None
    assert supply.look(3600.0, committed=1000, unsettled=0, **look) is None, "nothing comes"
    supply = Supply(1_000_000)
    supply.look(0.0, committed=1000, unsettled=0, **look)
    # 100 bytes each, one a second: 10,000 fit, of which 1000 are taken.
    assert supply.look(60.0, committed=1060, unsettled=1000, **look) == pytest.approx(2.5)
    assert supply.look(120.0, committed=1120, unsettled=20_000, **look) == 0.0


async def test_losses_become_events_that_sum_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses_module, "EVERY_S", 0.02)
    told: list[tuple[str, dict[str, object]]] = []
    has_room = False

    def tell(event: str, data: object) -> bool:
        if has_room:
            told.append((event, dict(data)))  # type: ignore[call-overload]  # a mapping
        return has_room

    events = LossEvents(tell)
    task = asyncio.create_task(events.run())
    try:
        events.add("spool bound", 1, 10)
        await asyncio.sleep(0.01)
        events.add("spool bound", 21, 30)
        events.add("damaged", 50, 50)
        assert told == [], "a full spool has no room to say so"
        has_room = True
        async with asyncio.timeout(5):
            while len(told) < 2:
                await asyncio.sleep(0.005)
        assert told == [
            ("loss", {"reason": "spool bound", "count": 20, "first": 1, "last": 30}),
            ("loss", {"reason": "damaged", "count": 1, "first": 50, "last": 50}),
        ]
    finally:
        task.cancel()
