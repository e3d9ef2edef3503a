"""Alarms: when they are raised and cleared, and what never does it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.alarms import RECORDS, Change, Rule, SilenceAlarm, ThresholdAlarm
from gateway.meaning.flags import FAIL, GOOD, MISSING, SUSPECT
from tests.meaning.support import SECOND, START, reborn, survives_restarts

FLOOD = Rule("zone-1", "stage", 3.70, level="critical", hysteresis=0.10, despite=RECORDS)


def feed(alarm: ThresholdAlarm, item: tuple[int, float | None]) -> tuple[Change | None, bool]:
    return alarm.add(START + item[0] * SECOND, item[1]), alarm.is_raised


def run(rule: Rule, items: list[tuple[int, float | None]]) -> list[tuple[str, int, int]]:
    """Changes as (state, at, since), in seconds; the same with a restart before each reading."""
    outputs: list[Any] = survives_restarts(lambda: ThresholdAlarm(rule), feed, items)
    changes = [change for change, _ in outputs if change is not None]
    return [(c.state, (c.at - START) // SECOND, (c.since_at - START) // SECOND) for c in changes]


def test_a_threshold_with_hysteresis() -> None:
    stages = [3.6, 3.69, 3.70, 3.75, 3.65, 3.61, 3.70, 3.59, 3.65, 3.71]
    changes = run(FLOOD, [(i * 60, stage) for i, stage in enumerate(stages)])
    assert changes == [("raised", 120, 120), ("cleared", 420, 420), ("raised", 540, 540)]
    change = ThresholdAlarm(FLOOD).add(START, 4.31)
    assert change == Change("raised", START, START, 4.31, 3.70)


def test_below_is_the_mirror_of_above() -> None:
    rule = Rule("low-voltage", "voltage", 207, is_above=False, hysteresis=3)
    assert run(rule, list(enumerate([230, 207.1, 207, 209, 210, 210.1, 206]))) == [
        ("raised", 2, 2),
        ("cleared", 5, 5),
        ("raised", 6, 6),
    ]


def test_a_condition_must_hold() -> None:
    rule = Rule("smoke", "pm2_5", 75, hold_s=300, clear_hold_s=120)
    values = [80] * 5 + [70] + [80] * 6 + [70, 80, 70, 70, 70, 70]
    assert run(rule, [(i * 60, value) for i, value in enumerate(values)]) == [
        ("raised", 11 * 60, 6 * 60),
        ("cleared", 16 * 60, 14 * 60),
    ]


def test_the_top_alarm_wants_two_readings_but_not_for_ever() -> None:
    rule = Rule("top", "stage", 4.2, readings=2, patience_s=60)
    assert run(rule, [(0, 4.3), (10, 4.1), (20, 4.3), (30, 4.3)]) == [("raised", 30, 20)]
    alarm = ThresholdAlarm(rule)
    assert alarm.add(START, 4.3) is None
    assert alarm.tick(START + 59 * SECOND) is None
    assert alarm.tick(START + 60 * SECOND) == Change("raised", START + 60 * SECOND, START, 4.3, 4.2)
    assert alarm.since_at == START
    # Without patience time alone raises nothing: a hold needs a second reading.
    held = ThresholdAlarm(Rule("held", "stage", 4.2, hold_s=60))
    assert held.add(START, 4.3) is None
    assert held.tick(START + 3600 * SECOND) is None


def test_missing_values_neither_raise_nor_clear() -> None:
    assert run(FLOOD, [(0, 3.8), (60, None), (120, float("nan")), (180, 3.8), (240, 3.0)]) == [
        ("raised", 0, 0),
        ("cleared", 240, 240),
    ]


def test_late_readings_do_nothing() -> None:
    alarm = ThresholdAlarm(FLOOD)
    assert alarm.add(START, 9.0, is_late=True) is None
    assert alarm.add(START + SECOND, 3.0) is None
    assert alarm.add(START + SECOND, 9.0) is None, "a repeated reading"
    assert alarm.refused == 2
    assert alarm.add(START + 2 * SECOND, 4.0) is not None
    assert alarm.add(START - 600 * SECOND, 1.0, is_late=True) is None
    assert alarm.is_raised


def test_a_clock_that_was_put_back_does_not_deafen() -> None:
    alarm = ThresholdAlarm(Rule("held", "stage", 3.7, hold_s=60))
    assert alarm.add(START, 4.0) is None
    earlier = START - 86400 * SECOND
    assert alarm.add(earlier, 4.0) is None
    change = alarm.add(earlier + 60 * SECOND, 4.0)
    assert change is not None
    assert change.since_at == earlier


def test_the_gate() -> None:
    strict = ThresholdAlarm(Rule("strict", "pm2_5", 75, gate=frozenset({GOOD})))
    assert strict.add(START, 99, SUSPECT) is None
    assert strict.add(START + SECOND, 99, GOOD) is not None
    alarm = ThresholdAlarm(Rule("plain", "stage", 3.7))
    assert alarm.add(START, 9.9, FAIL, {"gross-range": FAIL}) is None
    assert alarm.add(START + SECOND, 9.9, SUSPECT, {"climatology": SUSPECT}) is not None
    # What the gate refuses does not clear either.
    assert alarm.add(START + 2 * SECOND, 0.0, FAIL) is None
    assert alarm.is_raised


@pytest.mark.parametrize(
    ("results", "is_heard"),
    [
        ({"gross-range": FAIL}, True),
        ({"gross-range": FAIL, "climatology": SUSPECT, "rate-of-change": FAIL, "spike": 2}, True),
        ({"gross-range": FAIL, "flat-line": SUSPECT}, True),
        ({"gross-range": FAIL, "instrument": FAIL}, False),
        ({"instrument": FAIL}, False),
        (None, False),
    ],
)
def test_a_record_flood_is_never_silenced_by_a_range_flag_alone(results: dict[str, int] | None, is_heard: bool) -> None:
    assert (ThresholdAlarm(FLOOD).add(START, 5.30, FAIL, results) is not None) is is_heard
    assert not FLOOD.accepts(MISSING)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 100), st.none() | st.sampled_from([3.5, 3.65, 3.7, 3.9])), max_size=60),
    st.integers(0, 120),
    st.integers(1, 3),
    st.none() | st.integers(0, 200),
    st.integers(0, 120),
)
def test_raised_and_cleared_alternate_and_survive_restarts(
    steps: list[tuple[int, float | None]], hold: int, readings: int, patience: int | None, clear: int
) -> None:
    rule = Rule("any", "stage", 3.7, hysteresis=0.1, hold_s=hold, readings=readings, patience_s=patience,
                clear_hold_s=clear)  # fmt: skip
    now, items = 0, []
    for gap, value in steps:
        now += gap
        items.append((now, value))
    changes = run(rule, items)
    assert [state for state, _, _ in changes] == (["raised", "cleared"] * len(changes))[: len(changes)]
    for state, at, since in changes:
        assert since <= at
        if state == "cleared":
            assert at - since >= clear
        elif patience is None:
            assert at - since >= hold
            assert len([value for second, value in items if since <= second <= at and value]) >= readings


def test_silence() -> None:
    alarm = SilenceAlarm("silent", 300)
    assert alarm.tick(START) is None, "a device that never spoke has its time too"
    assert alarm.tick(START + 299 * SECOND) is None
    alarm = reborn(lambda: SilenceAlarm("silent", 300), alarm)
    raised = alarm.tick(START + 300 * SECOND)
    assert raised == Change("raised", START + 300 * SECOND, START, 300, 300)
    assert alarm.tick(START + 301 * SECOND) is None
    assert alarm.add(START + 302 * SECOND, is_late=True) is None
    alarm = reborn(lambda: SilenceAlarm("silent", 300), alarm)
    cleared = alarm.add(START + 900 * SECOND)
    assert cleared is not None
    assert (cleared.state, cleared.since_at) == ("cleared", START)
    assert alarm.add(START + 960 * SECOND) is None
    # A clock that was put back begins the wait anew.
    assert alarm.tick(START) is None
    assert alarm.tick(START + 300 * SECOND) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Rule("r", "stage", float("nan")),
        lambda: Rule("r", "stage", 1, hysteresis=-1),
        lambda: Rule("r", "stage", 1, readings=0),
        lambda: Rule("r", "stage", 1, hold_s=-1),
        lambda: Rule("r", "stage", 1, patience_s=float("nan")),
        lambda: SilenceAlarm("r", 0),
    ],
)
def test_rules_that_could_never_work_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="rule r"):
        wrong()
