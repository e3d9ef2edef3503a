"""Frames of a period become one reading."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.contract import Decoded
from gateway.edge.combine import MEDIAN_BOUND, Combiner, default_method
from gateway.edge.ticks import next_end


def combine(method: str, *frames: Decoded):
    combiner = Combiner(method)
    for number, frame in enumerate(frames):
        combiner.add(frame, number + 1, (number + 1) * 10)
    return combiner.take()


def of(name: str, *values: float) -> list[Decoded]:
    return [Decoded({name: value}) for value in values]


@pytest.mark.parametrize(
    ("method", "quantity", "values", "expected"),
    [
        ("last", "pm2_5", [1, 9, 4], 4),
        ("mean", "pm2_5", [1, 9, 5], 5),
        ("median", "pm2_5", [1, 900, 4], 4),
        ("median", "pm2_5", [1, 2, 3, 900], 2.5),
        ("max", "pm2_5", [1, 9, 4], 9),
        ("max", "water_temperature", [-5, -3, -4], -3),
        # What the quantity is counts before what the device's method says.
        ("mean", "energy_import", [10, 20, 30], 30),
        ("max", "energy_import_l1", [30, 20, 10], 10),
        ("median", "rain_total", [1, 2, 3], 3),
        ("mean", "smoke_alarm", [0, 1, 0], 1),
        ("last", "smoke_alarm", [1, 0], 1),
        ("mean", "rain", [0.2, 0.2, 0.4], 0.8),
        ("last", "rain", [0.2, 0.2], 0.4),
        # A direction is no number: the mean of 350 and 10 degrees is north, not south.
        ("mean", "wind_direction", [350, 10], 0),
        ("median", "wind_direction", [80, 100], 90),
        ("last", "wind_direction", [350, 10], 10),
        ("max", "wind_direction", [350, 10], 10),
        ("mean", "x_vendor_thing", [1, 3], 2),
    ],
)
def test_methods(method, quantity, values, expected):
    combined = combine(method, *of(quantity, *values))
    assert combined.decoded.values[quantity] == pytest.approx(expected, abs=1e-5)
    assert combined.decoded.quality == {}
    assert combined.frames == len(values)
    assert (combined.mono_ns, combined.at_ns) == (len(values), len(values) * 10)


def test_nothing_gives_nothing_and_a_period_starts_empty():
    combiner = Combiner("mean")
    assert combiner.take() is None
    combiner.add(Decoded({"pm2_5": 5.0}, {"pm2_5": 3}, {"version": 7}), 1, 1)
    first = combiner.take()
    assert first.decoded == Decoded({"pm2_5": 5.0}, {"pm2_5": 3}, {"version": 7})
    assert combiner.take() is None
    combiner.add(Decoded({"pm10": 1.0}), 2, 2)
    assert combiner.take().decoded == Decoded({"pm10": 1.0})


def test_the_worst_quality_of_what_took_part_wins():
    frames = [
        Decoded({"pm2_5": 1.0}),
        Decoded({"pm2_5": 2.0}, {"pm2_5": 4}),
        Decoded({"pm2_5": 3.0}, {"pm2_5": 3}),
    ]
    for method in ("mean", "median", "max"):
        assert combine(method, *frames).decoded.quality == {"pm2_5": 4}
    assert combine("last", *frames).decoded.quality == {"pm2_5": 3}
    assert combine("last", *frames, Decoded({"pm2_5": 1.0})).decoded.quality == {}
    good = [Decoded({"pm2_5": 1.0}, {"pm2_5": 1})]
    assert combine("mean", *good, *good).decoded.quality == {"pm2_5": 1}
    assert combine("mean", *good, *frames[:1]).decoded.quality == {}  # one was not evaluated


def test_what_is_missing_takes_no_part():
    some = Decoded({"current": 2.0}, {"voltage": 9})
    none = Decoded({"current": 4.0}, {"voltage": 9})
    whole = Decoded({"current": 6.0, "voltage": 230.0})
    assert combine("mean", some, none).decoded == Decoded({"current": 3.0}, {"voltage": 9})
    for order in ((some, whole), (whole, some)):
        combined = combine("mean", *order)
        assert combined.decoded.values == {"current": 4.0, "voltage": 230.0}
        assert combined.decoded.quality == {}
    # A number under a 9 is no number.
    assert combine("max", Decoded({"voltage": 999.0}, {"voltage": 9})).decoded == Decoded({}, {"voltage": 9})


@given(st.lists(st.floats(0, 5000, allow_subnormal=False), min_size=1, max_size=50))
def test_against_the_standard_library(values):
    frames = of("pm2_5", *values)
    assert combine("mean", *frames).decoded.values["pm2_5"] == pytest.approx(statistics.fmean(values), abs=1e-5)
    assert combine("median", *frames).decoded.values["pm2_5"] == pytest.approx(statistics.median(values), abs=1e-5)
    assert combine("max", *frames).decoded.values["pm2_5"] == max(values)
    assert combine("last", *frames).decoded.values["pm2_5"] == values[-1]


def test_one_frame_is_itself():
    value = 1.2345678901234567
    for method in ("last", "mean", "median", "max"):
        assert combine(method, *of("pm2_5", value)).decoded.values["pm2_5"] == value


def test_a_long_median_is_bounded_and_near():
    combiner = Combiner("median")
    count = MEDIAN_BOUND * 5 + 3
    for number in range(count):
        combiner.add(Decoded({"pm2_5": float(number)}), number, number)
    assert len(combiner._cells["pm2_5"]._kept) <= MEDIAN_BOUND
    assert combiner.take().decoded.values["pm2_5"] == pytest.approx(count / 2, rel=0.01)


def test_default_methods():
    assert default_method("air") == "mean"
    assert {default_method(name) for name in ("water", "weather", "energy", "mobility", "place")} == {"last"}


@pytest.mark.parametrize(
    ("start", "period", "now", "expected"), [(5, 10, 5, 15), (5, 10, 14, 15), (5, 10, 15, 25), (5, 10, 999, 1005)]
)
def test_period_ends(start, period, now, expected):
    assert next_end(start, period, now) == expected
