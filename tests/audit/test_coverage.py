"""What became of the readings that a device could have given."""

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.coverage import CAUSES, Coverage, Day, Hole, Run, cover
from gateway.audit.facts import DeviceFacts, StateChange

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 20_000 * DAY
DAYS: list[Day] = [("one", T0, T0 + DAY), ("two", T0 + DAY, T0 + 2 * DAY)]


def device(times: list[int], *states: StateChange, period_s: float = 60.0, since: int = T0 - DAY) -> DeviceFacts:
    events = sorted(change.at for change in states)
    return DeviceFacts("pms", "air", times, events, list(states), [(since, period_s)])


def minutes(first: int, last: int, offset: int = 7 * SECOND) -> list[int]:
    """One a minute, from minute `first` of day one up to but not `last`."""
    return [T0 + minute * MINUTE + offset for minute in range(first, last)]


def figures(
    facts: DeviceFacts, *holes: Hole, days: list[Day] = DAYS[:1], end: int = T0 + 9 * DAY, heard: int = T0 + 9 * DAY
) -> dict[str, object]:
    """What is not 0 of all days together."""
    total = Coverage()
    for each in cover(facts, days, end, holes, heard).values():
        total.add(each)
    assert (total.possible or total.stored) == total.stored + sum(total.absent.values())
    shown = {"possible": total.possible, "stored": total.stored, **{key: total.absent[key] for key in CAUSES}}
    return {key: value for key, value in shown.items() if value}


def test_a_whole_day() -> None:
    whole = cover(device(minutes(0, 1440)), DAYS[:1], T0 + 9 * DAY, [], T0 + 9 * DAY)["one"]
    assert (whole.possible, whole.expected, whole.stored, whole.completeness) == (1440, 1440, 1440, 100.0)


def test_where_the_first_falls_in_its_minute_does_not_matter() -> None:
    for offset in (0, 1, 20 * SECOND, 59 * SECOND, MINUTE - 1):
        assert figures(device(minutes(0, 1440, offset))) == {"possible": 1440, "stored": 1440}


def test_a_slow_clock_is_no_loss() -> None:
    times = [T0 + n * (60 * SECOND + 300_000_000) for n in range(1433)]
    assert figures(device(times)) == {"possible": 1433, "stored": 1433}


def test_absent_readings_are_counted_everywhere() -> None:
    times = minutes(10, 700) + minutes(710, 1430)
    assert figures(device(times)) == {"possible": 1440, "stored": 1410, "unexplained": 30}
    assert figures(device([])) == {"possible": 1440, "unexplained": 1440}


def test_a_day_begins_with_what_was_before_it() -> None:
    """The neighbours outside of the window say where in the minute the absent ones would have been."""
    times = minutes(-5, -1, 50 * SECOND) + minutes(3, 1440, 50 * SECOND) + minutes(1440, 1443, 50 * SECOND)
    assert figures(device(times)) == {"possible": 1440, "stored": 1437, "unexplained": 3}


def test_each_day_has_its_own() -> None:
    found = cover(device(minutes(0, 1430) + minutes(1460, 2880)), DAYS, T0 + 9 * DAY, [], T0 + 9 * DAY)
    assert [(each.stored, each.possible) for each in found.values()] == [(1430, 1440), (1420, 1440)]
    assert round(found["two"].completeness or 0, 2) == 98.61


def test_silence() -> None:
    """From the last reading on: the event came two minutes after it."""
    states = (
        StateChange("pms", T0 + 602 * MINUTE, "silent", "ok"),
        StateChange("pms", T0 + 700 * MINUTE, "ok", "silent"),
    )
    facts = device(minutes(0, 600) + minutes(700, 1440), *states)
    found = cover(facts, DAYS[:1], T0 + 9 * DAY, [], T0 + 9 * DAY)["one"]
    assert (found.absent["silent"], found.absent["unexplained"], found.stored) == (100, 0, 1340)
    assert (found.possible, found.expected) == (1440, 1340)


def test_silent_since_before_and_until_now() -> None:
    facts = device([], StateChange("pms", T0 - 30 * DAY, "absent", "ok"))
    assert figures(facts) == {"possible": 1440, "silent": 1440}
    facts = device(minutes(0, 60), StateChange("pms", T0 + 61 * MINUTE, "faulty", "ok"))
    assert figures(facts, end=T0 + 120 * MINUTE) == {"possible": 120, "stored": 60, "silent": 60}


def test_a_node_that_was_off() -> None:
    facts = device(minutes(0, 600) + minutes(660, 1440), StateChange("pms", T0 + 660 * MINUTE, "ok", None))
    assert figures(facts) == {"possible": 1440, "stored": 1380, "off": 60}


def test_holes_explain_as_many_as_they_have_numbers() -> None:
    facts = device(minutes(0, 600) + minutes(620, 1440))
    hole = Hole(T0 + 599 * MINUTE, T0 + 621 * MINUTE, 15, "lost")
    assert figures(facts, hole) == {"possible": 1440, "stored": 1420, "lost": 15, "unexplained": 5}
    assert hole.left == 0
    assert figures(facts, hole) == {"possible": 1440, "stored": 1420, "unexplained": 20}
    away = Hole(T0 + 100 * MINUTE, T0 + 200 * MINUTE, 15, "lost")
    assert figures(facts, away) == {"possible": 1440, "stored": 1420, "unexplained": 20}


def test_lost_numbers_before_a_time_that_the_node_was_off() -> None:
    """50 readings were lost, and then the node was off: the hole spans both, and says how many it explains."""
    facts = device(minutes(0, 600) + minutes(800, 1440), StateChange("pms", T0 + 800 * MINUTE, "ok", None))
    hole = Hole(T0 + 599 * MINUTE, T0 + 801 * MINUTE, 50, "lost")
    assert figures(facts, hole) == {"possible": 1440, "stored": 1240, "lost": 50, "off": 150}


def test_what_may_still_come_is_late() -> None:
    facts = device(minutes(0, 600))
    assert figures(facts, heard=facts.times[-1]) == {"possible": 1440, "stored": 600, "late": 840}
    assert figures(facts, end=T0 + 10 * HOUR) == {"possible": 600, "stored": 600}


def test_a_device_that_came_or_went() -> None:
    fresh = device(minutes(900, 1440), since=T0 + 900 * MINUTE)
    assert figures(fresh) == {"possible": 540, "stored": 540}
    gone = device(minutes(0, 300))
    gone.removed_at = T0 + 300 * MINUTE
    assert figures(gone) == {"possible": 300, "stored": 300}
    gone.removed_at = T0 - HOUR
    assert figures(device([], since=T0 + 5 * DAY)) == {}


def test_a_period_that_changes() -> None:
    facts = device(minutes(0, 600) + [T0 + 600 * MINUTE + n * 10 * SECOND for n in range(5040)])
    facts.periods.append((T0 + 600 * MINUTE, 10.0))
    assert figures(facts) == {"possible": 5640, "stored": 5640}
    facts.times = [*facts.times[:3000], *facts.times[3060:]]
    assert figures(facts) == {"possible": 5640, "stored": 5580, "unexplained": 60}


def test_no_fixed_rhythm() -> None:
    for facts in (device(minutes(0, 7), period_s=0.0), DeviceFacts("pms", times=minutes(0, 7))):
        found = cover(facts, DAYS[:1], T0 + DAY, [], T0 + DAY)["one"]
        assert (found.stored, found.possible, found.expected, found.completeness) == (7, None, None, None)
    assert figures(DeviceFacts("nobody")) == {}


@given(st.integers(0, 50), st.floats(0.5, 1e12), st.integers(0, 20), st.integers(0, 10**13), st.integers(0, 10**13))
def test_run_counts_like_counting(start: int, step: float, count: int, one: int, other: int) -> None:
    run = Run(start, step, count)
    first, last = sorted((one, other))
    places = [start + step * number for number in range(1, count + 1)]
    assert run.within(first, last) == sum(first <= place < last for place in places)


@settings(deadline=None)
@given(
    st.sets(st.integers(5, 2870)),
    st.integers(0, MINUTE - 1),
    st.lists(st.integers(-MINUTE // 6, MINUTE // 6), min_size=7, max_size=7),
    st.lists(
        st.tuples(st.integers(0, 2880), st.integers(0, 2880), st.integers(0, 50), st.sampled_from(CAUSES)), max_size=4
    ),
    st.lists(st.tuples(st.integers(0, 2880), st.sampled_from(["ok", "silent", "absent"]), st.booleans()), max_size=4),
)
def test_everything_absent_has_exactly_one_cause(
    absent: set[int],
    offset: int,
    jitter: list[int],
    holes: list[tuple[int, int, int, str]],
    states: list[tuple[int, str, bool]],
) -> None:
    """Jitter of a third of the period, any holes and states: as many are absent as were taken away."""
    whole = [T0 + n * MINUTE + offset + jitter[n % 7] for n in range(-3, 2883)]
    times = [at for n, at in enumerate(whole, -3) if n not in absent]
    changes = [StateChange("pms", T0 + at * MINUTE, state, None if fresh else "ok") for at, state, fresh in states]
    facts = device(times, *changes)
    known = [Hole(T0 + a * MINUTE, T0 + b * MINUTE, n, cause) for a, b, n, cause in holes]  # type: ignore[arg-type]
    budget = {cause: sum(hole.left for hole in known if hole.cause == cause) for cause in ("late", "lost", "parked")}
    found = cover(facts, DAYS, T0 + 9 * DAY, known, T0 + 9 * DAY)
    stored = sum(each.stored for each in found.values())
    assert stored == bisect_left(times, T0 + 2 * DAY) - bisect_left(times, T0)
    total = stored + sum(count for each in found.values() for count in each.absent.values())
    inside = bisect_left(whole, T0 + 2 * DAY) - bisect_left(whole, T0)
    # Where readings at the edge of a day are taken away, evenly put ones may fall on its other side.
    assert abs(total - inside) <= 2
    for cause, most in budget.items():
        assert sum(each.absent[cause] for each in found.values()) <= most  # type: ignore[index]
    assert all(count >= 0 for each in found.values() for count in each.absent.values())
    for each in found.values():
        assert each.possible is not None
        assert 0 <= (each.completeness or 0) <= 100
