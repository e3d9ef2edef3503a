"""Rain gauges: whatever is lost, repeated, restarted or wrong, the sums are what fell, or say that they are not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.flags import GOOD, SUSPECT
from gateway.meaning.rain import Rain, RainGauge
from tests.meaning.support import SECOND, START, survives_restarts

MINUTE = 60 * SECOND


def counter(part: RainGauge, item: tuple[Any, ...]) -> Rain:
    return part.add_counter(*item)


def increment(part: RainGauge, item: tuple[Any, ...]) -> Rain:
    return part.add_increment(*item)


def make() -> RainGauge:
    return RainGauge(60)


def shower(minutes: int, seed: int = 1) -> list[float]:
    """Rain of each minute in mm, in tips of 0.2."""
    rng = random.Random(seed)
    return [round(0.2 * rng.choice([0, 0, 0, 1, 2, 5]), 1) for _ in range(minutes)]


def series(tips: list[float]) -> list[tuple[int, float]]:
    return [(START + i * MINUTE, round(17.0 + sum(tips[: i + 1]), 1)) for i in range(len(tips))]


def test_a_counter_tells_everything() -> None:
    tips = shower(1600)
    outputs: list[Any] = survives_restarts(make, counter, series(tips)[:200])
    gauge = make()
    outputs = [gauge.add_counter(*item) for item in series(tips)]
    assert "rain" not in outputs[0].numbers
    for i in (1, 700, 1599):
        assert outputs[i].numbers["rain"] == pytest.approx(tips[i])
        assert outputs[i].numbers["rain_total"] == pytest.approx(sum(tips[1 : i + 1]), abs=1e-6)
    for i in (100, 700, 1599):
        # The window ends with the slot that has begun, so it may hold one slot more than its name says.
        hour = outputs[i].numbers["rain_1h"]
        assert min(abs(hour - sum(tips[i - n : i + 1])) for n in (59, 60, 61)) < 1e-6
        assert outputs[i].flags["rain_1h"] == GOOD
        ten = outputs[i].numbers["rain_rate"] / 6
        assert min(abs(ten - sum(tips[i - n : i + 1])) for n in (9, 10)) < 1e-6
    day = outputs[1599].numbers["rain_24h"]
    assert sum(tips[1600 - 1440 :]) - 1e-6 <= day <= sum(tips[1600 - 1470 :]) + 1e-6
    assert outputs[1599].flags["rain_24h"] == GOOD


def test_sums_are_absent_before_there_is_enough_and_flagged_before_there_is_all() -> None:
    gauge = make()
    outputs = [gauge.add_counter(*item) for item in series(shower(1600))]
    first = {name: next(i for i, o in enumerate(outputs) if name in o.numbers) for name in ("rain_1h", "rain_24h")}
    assert first == {"rain_1h": 45, "rain_24h": 1080}
    assert outputs[45].flags["rain_1h"] == SUSPECT
    assert [outputs[i].flags["rain_24h"] for i in (1300, 1400)] == [SUSPECT, GOOD]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sets(st.integers(1, 298), max_size=150))
def test_lost_messages_do_not_change_a_counters_total(seed: int, lost: set[int]) -> None:
    tips = shower(300, seed)
    gauge, total = make(), 0.0
    for i, item in enumerate(series(tips)):
        if i not in lost:
            rain = gauge.add_counter(*item)
            total += rain.numbers.get("rain", 0)
    assert rain.numbers["rain_total"] == pytest.approx(sum(tips[1:]), abs=1e-6)
    assert total == pytest.approx(sum(tips[1:]), abs=1e-6)


def test_rain_of_an_outage_is_spread_over_it() -> None:
    gauge = make()
    for i in range(120):
        gauge.add_counter(START + i * MINUTE, 10.0)
    after = gauge.add_counter(START + (119 + 300) * MINUTE, 60.0)
    assert after.numbers["rain"] == pytest.approx(50)
    assert after.numbers["rain_total"] == pytest.approx(50)
    assert after.numbers["rain_rate"] == pytest.approx(10)
    # Five hours are far more than the window: an hour's share, and only roughly known.
    assert after.numbers["rain_1h"] == pytest.approx(10, abs=0.35)
    assert after.flags["rain_1h"] == SUSPECT


def test_lost_increments_are_a_hole_that_is_told() -> None:
    gauge = RainGauge(600)
    for i in range(144):
        full = gauge.add_increment(START + i * 10 * MINUTE, 0.2)
    # Ten minutes are spread over their slots, and the window is up to a slot longer than its name.
    assert 1.2 <= full.numbers["rain_1h"] <= 1.2 + 0.04
    assert (full.flags["rain_1h"], full.flags["rain_24h"]) == (GOOD, GOOD)
    # Two of six messages of the hour lost: less than three quarters of it is known.
    assert "rain_1h" not in gauge.add_increment(START + 146 * 10 * MINUTE, 0.2).numbers
    # A gauge that says itself over which interval it counted has no hole.
    gauge = RainGauge(600)
    for i in range(0, 144, 3):
        rain = gauge.add_increment(START + i * 10 * MINUTE, 0.6, 1800.0)
    assert rain.flags["rain_1h"] == GOOD
    assert rain.numbers["rain_total"] == pytest.approx(48 * 0.6)


def test_a_gauge_that_reports_every_twenty_minutes() -> None:
    gauge = RainGauge(1200)
    outputs = [gauge.add_counter(START + i * 20 * MINUTE, 10 + i * 2.0) for i in range(80)]
    assert outputs[-1].numbers["rain_1h"] == pytest.approx(6, abs=0.21)
    assert outputs[-1].numbers["rain_rate"] == pytest.approx(6)
    assert {outputs[-1].flags[name] for name in ("rain_rate", "rain_1h", "rain_24h")} == {GOOD}


def test_time_is_not_covered_twice() -> None:
    gauge = RainGauge(300)
    outputs = [gauge.add_increment(START + i * 5 * MINUTE, 0.2, 1800.0) for i in range(8)]
    # The first interval began before the first message: 30 minutes and seven times 5.
    assert [i for i, o in enumerate(outputs) if "rain_1h" in o.numbers] == [3, 4, 5, 6, 7]
    gauge = make()
    gauge.add_counter(START, 10.0)
    for _ in range(60):
        repeated = gauge.add_counter(START + MINUTE, 10.2)
    assert set(repeated.numbers) == {"rain_total"}


def test_increments_survive_restarts_and_repeats() -> None:
    items = [(START + i // 2 * MINUTE, 0.2) for i in range(400)]
    outputs: list[Any] = survives_restarts(make, increment, items)
    assert outputs[-1].numbers["rain_total"] == pytest.approx(200 * 0.2)
    assert "rain" not in outputs[-1].numbers
    repeated: list[Any] = survives_restarts(make, counter, [(at, 10 + i // 2) for i, (at, _) in enumerate(items)])
    assert repeated[-1].numbers["rain_total"] == pytest.approx(199)


def test_a_daily_reset_is_booked_from_zero_when_it_is_sure() -> None:
    gauge = make()
    registers = [20.0, 20.4, 20.6, 0.2, 0.4, 0.6]
    outputs = [gauge.add_counter(START + i * MINUTE, register) for i, register in enumerate(registers)]
    assert [o.numbers["rain_total"] for o in outputs] == pytest.approx([0, 0.4, 0.6, 0.6, 1.0, 1.2])
    assert [event.kind for o in outputs for event in o.events] == ["counter-reset"]
    assert "rain" not in outputs[3].numbers


@pytest.mark.parametrize("wrong", [0.0, 6553.5, float("nan"), -3.0, None, 1e12])
def test_one_wrong_counter_value_is_no_rain(wrong: float | None) -> None:
    gauge = make()
    registers = [20.0, 20.4, 20.6, wrong, 20.8, 21.0]
    outputs = [gauge.add_counter(START + i * MINUTE, register) for i, register in enumerate(registers)]
    assert outputs[-1].numbers["rain_total"] == pytest.approx(1.0)


def test_a_counter_that_wraps() -> None:
    gauge = RainGauge(60, modulus_mm=13_107.2)
    outputs = [gauge.add_counter(START + i * MINUTE, r) for i, r in enumerate([13_106.8, 13_107.0, 0.2, 0.4])]
    assert outputs[-1].numbers["rain_total"] == pytest.approx(0.8)


def test_an_impossible_increment_is_shown_but_not_booked() -> None:
    gauge = make()
    gauge.add_increment(START, 0.2)
    rain = gauge.add_increment(START + MINUTE, 480.0)
    assert (rain.numbers["rain"], rain.flags["rain"]) == (480.0, SUSPECT)
    assert rain.numbers["rain_total"] == pytest.approx(0.2)
    assert [event.kind for event in rain.events] == ["rain-implausible"]
    for nothing in (None, -1.0, float("inf")):
        assert "rain" not in gauge.add_increment(START + 2 * MINUTE, nothing).numbers
    for i, interval in enumerate((float("inf"), float("nan"), -5.0, 0.0, 1e15)):
        rain = gauge.add_increment(START + (3 + i) * MINUTE, 0.2, interval)
        assert rain.numbers["rain_total"] == pytest.approx(0.4 + 0.2 * i)


def test_time_that_ran_back_breaks_nothing() -> None:
    gauge = make()
    for i in range(60):
        gauge.add_counter(START + i * MINUTE, 10 + i * 0.2)
    back = gauge.add_counter(START - 86400 * SECOND, 22.0)
    assert back.numbers["rain_total"] == pytest.approx(12.0)
    assert "rain_1h" not in back.numbers
    with pytest.raises(ValueError, match="reports every"):
        RainGauge(0)
