"""The five states: every number in exactly one, and the database's word above the ledger's."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.account import STATES, Range, account
from gateway.audit.facts import LedgerSpool, SpoolFacts, Times
from gateway.spool.intervals import Intervals
from tests.audit.worlds import FATES, HOUR, IN_DATABASE, SECOND, SPOOL, World, worlds

T0 = 400_000 * HOUR


def every_minute(*fates: str, announced: int = 0) -> World:
    return World(list(fates), [T0 + n * 60 * SECOND for n in range(1, len(fates) + 1)], announced)


def shown(facts: SpoolFacts, from_at: int = 0, to_at: int = 2 * T0, due_at: int = 2 * T0) -> list[tuple[object, ...]]:
    return [(r.state, r.reason, r.first, r.last) for r in account(facts, from_at, to_at, due_at).ranges]


def test_each_fate_has_its_state() -> None:
    world = every_minute(*FATES, "stored")
    found = account(world.facts(), 0, 2 * T0, 2 * T0)
    by_number = {n: (r.state, r.reason) for r in found.ranges for n in range(r.first, r.last + 1)}
    assert [by_number[n] for n in range(1, len(FATES) + 1)] == list(FATES.values())
    assert found.counts() == {"stored": 3, "parked": 1, "lost": 3, "missing": 3, "not-yet-due": 0}


def test_a_number_that_the_ledger_calls_stored_and_the_database_has_not() -> None:
    world = every_minute("stored", "deleted", "deleted", "stored")
    (missing,) = [r for r in account(world.facts(), 0, 2 * T0, 0).ranges if r.state == "missing"]
    assert missing == Range("missing", "not-in-database", 2, 3, T0 + 60 * SECOND, T0 + 240 * SECOND)
    assert missing.count == 2


def test_what_was_told_lost_or_missing_and_is_there_is_stored() -> None:
    world = every_minute("lost", "absent", "parked", "old")
    facts = world.facts()
    facts.rows = Times([(n, world.times[n - 1]) for n in range(1, 5)])
    assert shown(facts) == [("stored", "", 1, 4)]


def test_due_and_not_yet_due() -> None:
    world = every_minute("stored", "absent", "stored", "absent", "absent", announced=5)
    assert shown(world.facts(), due_at=world.times[1])[1:] == [
        ("not-yet-due", "", 2, 2),
        ("stored", "", 3, 3),
        ("not-yet-due", "", 4, 5),
    ]
    # A later number was stored a grace period ago: the hole below it is overdue, the end is not.
    assert shown(world.facts(), due_at=world.times[2])[1:] == [
        ("missing", "not-arrived", 2, 2),
        ("stored", "", 3, 3),
        ("not-yet-due", "", 4, 5),
    ]
    world.ledger.due = 4
    assert shown(world.facts(), due_at=0)[3:] == [("missing", "not-arrived", 4, 4), ("not-yet-due", "", 5, 5)]


def test_the_window_is_a_range_of_numbers() -> None:
    world = every_minute("stored", "lost", "stored", "stored", "lost", "stored", "absent", announced=7)
    window = world.times[2], world.times[4]
    assert shown(world.facts(), *window) == [
        ("lost", "spool bound", 2, 2),
        ("stored", "", 3, 4),
        ("lost", "spool bound", 5, 5),
    ]
    # A hole touches both windows that its neighbours stand in.
    world.ledger.due = 7
    assert shown(world.facts(), world.times[5], 2 * T0) == [
        ("lost", "spool bound", 5, 5), ("stored", "", 6, 6), ("missing", "not-arrived", 7, 7)
    ]  # fmt: skip
    assert shown(world.facts(), 0, T0) == []
    assert shown(world.facts(), 0, world.times[0] + 1) == [("stored", "", 1, 1), ("lost", "spool bound", 2, 2)]


def test_nothing_stored_in_the_window() -> None:
    world = every_minute("stored", "lost", "lost", "stored")
    assert shown(world.facts(), world.times[1] - 1, world.times[2] + 1) == [("lost", "spool bound", 2, 3)]
    assert shown(SpoolFacts(SPOOL)) == []
    assert shown(SpoolFacts(SPOOL, LedgerSpool(horizon=3))) == [("not-yet-due", "", 1, 3)]


def test_numbers_before_the_first_stored_one_count_unless_they_were_removed() -> None:
    world = every_minute("deleted", "deleted", "stored", "stored")
    assert shown(world.facts()) == [("missing", "not-in-database", 1, 2), ("stored", "", 3, 4)]
    facts = world.facts()
    facts.is_cut = True
    assert shown(facts) == [("stored", "", 3, 4)]


def test_a_clock_that_went_back_moves_numbers_to_another_window() -> None:
    times = [T0 + 60 * SECOND * n for n in (1, 2, 50, 3, 4)]
    world = World(["stored"] * 5, times)
    assert shown(world.facts(), T0, T0 + 600 * SECOND) == [("stored", "", 1, 2), ("stored", "", 4, 5)]


def test_undated_numbers_are_stored() -> None:
    world = every_minute("stored", "deleted", "stored")
    facts = world.facts()
    facts.undated = Times([(2, T0 + 900 * HOUR)])
    assert shown(facts, 0, T0 + HOUR) == [("stored", "", 1, 3)]
    alone = SpoolFacts(SPOOL, world.ledger, undated=Times([(1, T0), (3, T0)]))
    assert shown(alone) == [("stored", "", 1, 1), ("missing", "not-in-database", 2, 2), ("stored", "", 3, 3)]


def test_duplicates_are_counted() -> None:
    facts = every_minute("stored", "stored").facts()
    facts.rows.add([(1, T0 + 60 * SECOND), (2, T0 + 999 * SECOND)])
    facts.rows.add([(2, T0 + 999 * SECOND)])
    assert account(facts, 0, 2 * T0, 0).duplicated == 1
    facts.undated.add([(1, T0), (9, T0)])
    assert account(facts, 0, 2 * T0, 0).duplicated == 2


@settings(deadline=None)
@given(worlds(), st.data())
def test_every_number_of_the_window_is_in_exactly_one_state(world: World, data: st.DataObject) -> None:
    places = [0, *world.times, *(at + 1 for at in world.times), 10**19 // 4]
    from_at, to_at = sorted(data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=2)))
    due_at = data.draw(st.sampled_from(places))
    found = account(world.facts(), from_at, to_at, due_at)
    numbers = [n for r in found.ranges for n in range(r.first, r.last + 1)]
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)
    assert sum(found.counts().values()) == len(numbers)
    assert set(found.counts()) == set(STATES)
    states = {n: (r.state, r.reason) for r in found.ranges for n in range(r.first, r.last + 1)}
    due = max([n for n, at in world.pairs() if at <= due_at], default=0)
    known = max([world.ledger.horizon, *(n for n, _ in world.pairs())])
    for n, (fate, at) in enumerate(zip(world.fates, world.times, strict=True), 1):
        if fate in IN_DATABASE:
            assert (states.get(n) == ("stored", "")) == (from_at <= at < to_at)
        elif from_at <= at < to_at and n <= known:
            expected = ("not-yet-due", "") if fate == "absent" and n > due else FATES[fate]
            assert states[n] == expected


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5))), st.lists(st.integers(1, 5)))
def test_times_do_not_depend_on_the_order_in_which_they_come(pairs: list[tuple[int, int]], cuts: list[int]) -> None:
    whole, parts = Times(pairs), Times()
    rest = list(pairs)
    for cut in [*cuts, len(pairs)]:
        parts.add(rest[:cut])
        rest = rest[cut:]
    assert list(parts) == list(whole)
    assert [seq for seq, _ in whole] == sorted({seq for seq, _ in pairs})
    for probe in range(32):
        lower, higher = [at for seq, at in whole if seq < probe], [at for seq, at in whole if seq > probe]
        assert (whole.before(probe), whole.after(probe)) == (
            lower[-1] if lower else None,
            higher[0] if higher else None,
        )


def test_intervals_of_a_hole_stay_apart_by_reason() -> None:
    facts = every_minute("stored", "lost", "old", "lost", "stored").facts()
    facts.ledger.lost["disk full"] = Intervals([(4, 4)])
    facts.ledger.lost["spool bound"].remove(4)
    assert shown(facts)[1:-1] == [
        ("lost", "spool bound", 2, 2), ("lost", "before this ledger", 3, 3), ("lost", "disk full", 4, 4)
    ]  # fmt: skip


def test_what_has_no_time_yet_is_not_yet_due_and_says_so() -> None:
    ledger = LedgerSpool(Intervals([(1, 2)]), horizon=9, due=9, waits=Intervals([(1, 1), (4, 6)]))
    facts = SpoolFacts(SPOOL, ledger, Times([(1, HOUR), (2, 2 * HOUR)]))
    assert shown(facts) == [
        ("stored", "", 1, 2),
        ("missing", "not-arrived", 3, 3),
        ("not-yet-due", "undated", 4, 6),
        ("missing", "not-arrived", 7, 9),
    ]
