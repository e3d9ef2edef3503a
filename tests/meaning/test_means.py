"""Running means against a plain list of all readings."""

import math
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.means import HourMeans, RunningMean
from gateway.meaning.window import Points, Slots
from tests.meaning.support import HOUR, SECOND, START, survives_restarts


def feed(mean: RunningMean, reading: tuple[int, float | None]) -> float | None:
    return mean.add(*reading)


@settings(deadline=None)
@given(
    st.sampled_from([(3600.0, 60.0), (3600.0, 10.0), (86400.0, 600.0), (3600.0, 1200.0)]),
    st.lists(st.tuples(st.integers(1, 5), st.none() | st.floats(-50, 1000)), max_size=120),
)
def test_a_running_mean_is_the_mean_of_its_slots(shape: tuple[float, float], steps: list[Any]) -> None:
    window_s, period_s = shape
    mean = RunningMean(window_s, period_s)
    slots = min(48, round(window_s / period_s))
    slot_ns = round(window_s / slots * SECOND)
    at, seen = START, []
    for gap, value in steps:
        at += round(gap * period_s * SECOND)
        result = mean.add(at, value)
        if value is not None:
            seen.append((at // slot_ns, value))
        table: dict[int, list[float]] = {}
        for slot, reading in seen:
            if slot > at // slot_ns - slots:
                table.setdefault(slot, []).append(reading)
        expected = window_s / period_s
        # Steps are at least one period, so no slot ever holds more than it should.
        if sum(map(len, table.values())) < 0.75 * expected - 1e-6:
            assert result is None
        else:
            means = [math.fsum(values) / len(values) for values in table.values()]
            assert result == pytest.approx(math.fsum(means) / len(means), abs=1e-6)


def test_three_quarters_of_the_readings_make_a_mean() -> None:
    mean = RunningMean(3600, 60)
    hour = START // HOUR * HOUR
    outputs = [mean.add(hour + minute * 60 * SECOND, 10.0 if minute < 30 else 40.0) for minute in range(60)]
    assert outputs[43] is None
    assert outputs[44] == pytest.approx((30 * 10 + 15 * 40) / 45)
    assert outputs[59] == pytest.approx(25)
    # The source falls silent: the mean lasts while enough of its hour is measured, and then there is none.
    assert mean.mean(hour + 74 * 60 * SECOND) == pytest.approx((15 * 10 + 30 * 40) / 45)
    assert mean.mean(hour + 75 * 60 * SECOND) is None
    assert mean.mean(hour + 99 * HOUR) is None


def test_a_burst_neither_completes_nor_outvotes() -> None:
    mean = RunningMean(3600, 60)
    hour = START // HOUR * HOUR
    for second in range(600):
        assert mean.add(hour + second * SECOND, 900.0) is None
    for minute in range(10, 60):
        result = mean.add(hour + minute * 60 * SECOND, 0.0)
    assert result == pytest.approx(150)


def test_means_survive_a_restart_at_any_reading() -> None:
    readings = [(START + i * 600 * SECOND, None if i % 7 == 3 else (i * 37 % 100) / 3) for i in range(300)]
    outputs = survives_restarts(lambda: RunningMean(86400, 600), feed, readings)
    assert sum(output is not None for output in outputs) > 150
    hours = survives_restarts(
        lambda: HourMeans(600), lambda part, reading: (part.add(*reading), part.completed()), readings
    )
    assert any(None not in completed for _, completed in hours)  # type: ignore[misc]


def test_time_that_ran_back_forgets_the_future() -> None:
    mean = RunningMean(3600, 60)
    for minute in range(60):
        mean.add(START + HOUR * 24 + minute * 60 * SECOND, 500.0)
    assert mean.add(START, 1.0) is None
    for minute in range(1, 60):
        result = mean.add(START + minute * 60 * SECOND, 1.0)
    assert result == 1.0


def test_a_window_too_short_for_the_device_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold one"):
        RunningMean(3600, 7200)
    with pytest.raises(ValueError, match="must hold one"):
        HourMeans(0)


def test_numbers_that_mean_nothing_are_missing() -> None:
    mean = RunningMean(60, 10)
    for second, value in enumerate([math.nan, math.inf, -math.inf, 1e300, None]):
        assert mean.add(START + second * 10 * SECOND, value) is None
    assert mean.mean(START + 50 * SECOND) is None


@settings(deadline=None)
@given(st.integers(4, 40), st.lists(st.tuples(st.integers(-3, 90), st.floats(-1e6, 1e6)), max_size=200))
def test_points_are_bounded_and_end_with_the_newest(most: int, steps: list[tuple[int, float]]) -> None:
    points, at = Points(60, most), START
    for gap, value in steps:
        at += gap * SECOND
        points.add(at, value)
        assert len(points) <= most
        assert (points.times[-1], points.values[-1]) == (at, value)
        assert list(points.times) == sorted(set(points.times))
        assert points.times[0] > at - 60 * SECOND


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 60), st.integers(0, 12)), max_size=60))
def test_slots_hold_exactly_the_newest(steps: list[tuple[int, int]]) -> None:
    slots, table, now = Slots(1, 10, 1), dict[int, int](), 1000
    for gap, age in steps:
        now += gap
        slots.move(now * SECOND)
        slots.add(now - age, (1,))
        table[now - age] = table.get(now - age, 0) + 1
        table = {slot: count for slot, count in table.items() if now - 10 < slot <= now}
        assert {slot: slots.at(0, slot) for slot in slots.held() if slots.at(0, slot)} == table
        assert slots.sums == [sum(table.values())]


def test_memory_is_what_it_says() -> None:
    mean = RunningMean(86400, 1)
    for i in range(3000):
        mean.add(START + i * 60 * SECOND, 1 / 3)
    columns = mean._slots._columns
    assert sum(sys.getsizeof(column) + 32 * len(column) for column in columns) < 10_500
    assert len(str(mean.state())) < 3000
