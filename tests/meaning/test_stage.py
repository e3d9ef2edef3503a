"""Stage, elevation, rate of rise, rating curves, calibrations by date, echo filters."""

import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.calibration import Calibrated, Curve, Linear, Polynomial, Table, calibrate
from gateway.meaning.filters import EchoFilter, median_and_mad
from gateway.meaning.flags import GOOD, MISSING, NOT_EVALUATED, SUSPECT
from gateway.meaning.history import Entry, History
from gateway.meaning.rating import LogTable, PowerLaw, Rating, Segment
from gateway.meaning.stage import Gauge, GaugeZero, Mounting, RateOfRise, sound_corrected
from tests.meaning.support import HOUR, SECOND, START, case_id, cases, survives_restarts

DAY = 24 * HOUR


@pytest.mark.parametrize("case", cases("stage-conversion"), ids=case_id)
def test_stage(case: dict[str, Any]) -> None:
    given = case["input"]
    height_mm = given.get("sensor_height_mm", given.get("sensor_elevation_mm"))
    mounting = Mounting(height_mm / 1000, given.get("tilt_deg", 0.0), given.get("density", 1000.0))
    gauge = Gauge(History([Entry(mounting, START)]), History([Entry(GaugeZero(300.0), START)]))
    if given["method"] == "distance":
        level = gauge.from_distance(START, given["distance_mm"] / 1000)
    elif given["method"] == "depth":
        level = gauge.from_depth(START, given["depth_mm"] / 1000)
    else:
        level = gauge.from_pressure(START, given["pressure_bar"] * 100)
    assert level is not None
    assert level.stage == pytest.approx(case["expect"]["stage_mm"] / 1000, abs=1e-6)
    assert level.elevation == pytest.approx(300 + case["expect"]["stage_mm"] / 1000, abs=1e-6)


def test_a_new_survey_holds_from_its_own_time() -> None:
    gauge = Gauge(
        History([Entry(Mounting(7.5), START), Entry(Mounting(7.4), START + DAY, author="survey of March")]),
        History([Entry(GaugeZero(300.5, "MSL 2510"), START + 2 * DAY, until_at=START + 3 * DAY)]),
    )
    assert gauge.from_distance(START - 1, 3.8) is None
    assert gauge.from_depth(START - 1, 3.8) is None
    assert gauge.from_pressure(START - 1, 3.8) is None
    before, after = (gauge.from_distance(at, 3.8) for at in (START + DAY - 1, START + DAY))
    assert before is not None
    assert after is not None
    assert (before.stage, before.elevation) == (pytest.approx(3.7), None)
    assert (after.stage, after.mounting.author) == (pytest.approx(3.6), "survey of March")
    dated, ended = (gauge.from_distance(START + days * DAY, 8.0) for days in (2, 3))
    assert dated is not None
    assert ended is not None
    # Below zero is a stage like any other.
    assert (dated.stage, dated.elevation) == (pytest.approx(-0.6), pytest.approx(299.9))
    assert (ended.zero, ended.elevation) == (None, None)


def test_sound_is_slower_in_cold_air() -> None:
    # 0.17 % per kelvin: 15 K on 3.8 m are about 96 mm.
    assert sound_corrected(3.8, 35) - 3.8 == pytest.approx(0.096, abs=0.001)
    assert sound_corrected(3.8, 20) == 3.8


def test_two_entries_cannot_begin_together() -> None:
    with pytest.raises(ValueError, match="which one holds"):
        History([Entry(1, 5), Entry(2, 5)])
    with pytest.raises(ValueError, match="ends before"):
        History([Entry(1, 5, until_at=5)])
    assert History[int]([]).at(START) is None


@settings(deadline=None)
@given(st.floats(-3, 3), st.integers(10, 60), st.integers(1, 30))
def test_a_steady_rise_is_its_slope(rate: float, count: int, minutes: int) -> None:
    rise = RateOfRise(minutes * 8 * 60.0)
    outputs = [rise.add(START + i * minutes * 60 * SECOND, 2.0 + rate * i * minutes / 60) for i in range(count)]
    assert outputs[:4] == [None] * 4
    assert outputs[4:] == [pytest.approx(rate, abs=1e-6)] * (count - 4)


def test_rate_of_rise_needs_half_its_window_and_survives_restarts() -> None:
    inputs = [(START + i * 300 * SECOND, None if 20 < i < 40 else math.sin(i / 9)) for i in range(80)]
    outputs = survives_restarts(RateOfRise, lambda part, point: part.add(*point), inputs)
    assert [i for i, output in enumerate(outputs) if output is None] == [*range(6), *range(26, 46)]
    assert RateOfRise(3600, least=2).add(START, 1.0) is None


CURVE = PowerLaw((Segment(20.0, 0.5, 2.0, upto_m=3.0), Segment(30.0, 0.9, 1.8)))


def test_a_power_law_by_segments() -> None:
    rating = Rating(CURVE, (1.0, 4.5))
    assert rating.discharge(2.5) == (pytest.approx(80.0), GOOD)
    assert rating.discharge(3.0).value == pytest.approx(20 * 2.5**2)
    assert rating.discharge(4.0).value == pytest.approx(30 * 3.1**1.8)
    assert rating.discharge(5.3) == (pytest.approx(30 * 4.4**1.8), SUSPECT)
    assert rating.discharge(-0.2) == (0.0, SUSPECT)
    assert rating.discharge(None) == (None, MISSING)
    assert Rating(PowerLaw((Segment(1, 0, 1, upto_m=2),)), (0, 2)).discharge(2.1) == (None, MISSING)


@settings(deadline=None)
@given(st.floats(0.6, 4.9), st.integers(2, 30))
def test_a_log_table_of_a_power_law_is_the_power_law(stage: float, count: int) -> None:
    law = PowerLaw((Segment(20.0, 0.5, 1.7),))
    stages = [0.6 + 4.4 * i / count for i in range(count + 1)]
    table = LogTable(tuple((h, law(h) or 0.0) for h in stages), offset_m=0.5)
    assert table(stage) == pytest.approx(law(stage), rel=1e-9)


def test_a_log_table_says_nothing_outside_itself() -> None:
    rating = Rating(LogTable(((0.0, 0.0), (1.0, 10.0), (2.0, 40.0))), (0.5, 1.5))
    assert rating.discharge(0.5) == (pytest.approx(5.0), GOOD)
    assert rating.discharge(2**0.5) == (pytest.approx(20.0), GOOD)
    assert rating.discharge(2.0) == (pytest.approx(40.0), SUSPECT)
    assert rating.discharge(0.0) == (0.0, SUSPECT)
    # At the offset no logarithm exists, even where water flows.
    assert LogTable(((1.0, 4.0), (2.0, 8.0), (3.0, 9.0)), offset_m=1.0)(1.25) == pytest.approx(5.0)
    assert rating.discharge(2.001) == rating.discharge(-0.001) == (None, MISSING)


@settings(deadline=None)
@given(st.floats(-2, 6), st.floats(0, 1))
def test_more_water_never_gives_less_discharge(stage: float, more: float) -> None:
    low, high = CURVE(stage), CURVE(stage + more)
    assert low is not None
    assert high is not None
    # At the joint of two segments the published curves may step, so only within one.
    if (stage <= 3) == (stage + more <= 3):
        assert high >= low


def test_calibrations_hold_from_their_own_time() -> None:
    history = History[Curve](
        [
            Entry(Linear(1.02, -0.3, (0, 100)), START, author="lab"),
            Entry(Table(((0, 1), (10, 21), (20, 31))), START + DAY, until_at=START + 2 * DAY),
        ]
    )
    assert calibrate(history, START - 1, 50)[:2] == (50, NOT_EVALUATED)
    assert calibrate(history, START, 50)[:2] == (pytest.approx(50.7), GOOD)
    assert calibrate(history, START, 101)[:2] == (pytest.approx(102.72), SUSPECT)
    assert [calibrate(history, START + DAY, x)[0] for x in (-5, 0, 5, 10, 15, 20, 25)] == [-9, 1, 11, 21, 26, 31, 36]
    assert [calibrate(history, START + DAY, x).flag for x in (-0.1, 0, 20, 20.1)] == [SUSPECT, GOOD, GOOD, SUSPECT]
    assert calibrate(history, START + 2 * DAY, 5) == Calibrated(5, NOT_EVALUATED, None)
    entry = calibrate(history, START, 50).entry
    assert entry is not None
    assert entry.author == "lab"


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.floats(-10, 10))
def test_a_polynomial_is_its_sum(coefficients: list[float], x: float) -> None:
    expected = math.fsum(c * x**power for power, c in enumerate(coefficients))
    assert Polynomial(tuple(coefficients))(x) == pytest.approx(expected, abs=1e-6, rel=1e-9)


def test_a_calibration_never_gives_infinity() -> None:
    history = History[Curve]([Entry(Polynomial((0.0,) * 9 + (1e300,)), START)])
    assert calibrate(history, START, 1e10)[:2] == (1e10, SUSPECT)


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9))
def test_median_and_deviation(values: list[float]) -> None:
    middle, spread = median_and_mad(values)
    assert middle == statistics.median(values)
    assert sum(abs(value - middle) <= spread + 1e-9 for value in values) * 2 >= len(values)


def test_a_false_echo_is_set_aside_and_a_flood_is_followed() -> None:
    river = [3.80, 3.81, 3.79, 3.80, 1.20, 3.80, 3.81, 0.1, 3.79, 3.80] + [3.0 + i % 2 / 100 for i in range(8)]
    inputs = [(START + i * 60 * SECOND, value) for i, value in enumerate(river)]
    make = lambda: EchoFilter(5, floor=0.05, span=(0.3, 7.5))  # noqa: E731
    outputs: list[Any] = survives_restarts(make, lambda part, point: part.add(*point), inputs)
    assert [i for i, output in enumerate(outputs) if output.is_set_aside] == [4, 7, 10, 11]
    assert outputs[4].value == pytest.approx(3.80)
    assert outputs[7] == (None, None, True)
    assert outputs[12].value == 3.0
    middle = [EchoFilter(5, method="median").add(*point).value for point in inputs[:1]]
    assert middle == [3.80]


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10), max_size=40), st.sampled_from([3, 5, 7]))
def test_the_median_filter_is_the_median_of_its_window(values: list[float], size: int) -> None:
    echo = EchoFilter(size, method="median")
    for i, value in enumerate(values):
        window = values[max(0, i - size + 1) : i + 1]
        expected = value if len(window) < 3 else statistics.median(window)
        assert echo.add(START + i * SECOND, value).value == expected


def test_noise_is_not_set_aside() -> None:
    echo = EchoFilter(5)
    noisy = [3.00, 3.01, 2.99, 3.01, 2.98, 3.03, 2.97, 3.02]
    assert [echo.add(START + i * SECOND, value).value for i, value in enumerate(noisy)] == noisy
    # 3.5 deviations of a spread of 0.04 are 0.21.
    assert not echo.add(START + 8 * SECOND, 3.14).is_set_aside
    assert echo.add(START + 9 * SECOND, 3.40).is_set_aside


def test_old_echoes_are_forgotten() -> None:
    echo = EchoFilter(5, method="median", age_s=600)
    for i in range(5):
        echo.add(START + i * SECOND, 3.0)
    assert echo.add(START + HOUR, 2.0) == (2.0, None, False)
    assert echo.add(START + HOUR, None) == (None, None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Linear(float("nan")),
        lambda: Linear(valid=(5, 5)),
        lambda: Polynomial(()),
        lambda: Polynomial((1.0,) * 11),
        lambda: Table(((0, 1),)),
        lambda: Table(((0, 1), (0, 2))),
        lambda: PowerLaw(()),
        lambda: PowerLaw((Segment(1, 0, 1, 5), Segment(1, 0, 1, 4))),
        lambda: PowerLaw((Segment(-1, 0, 1),)),
        lambda: LogTable(((0, 1),)),
        lambda: LogTable(((0, 2), (1, 1))),
        lambda: LogTable(((0, 1), (1, 2)), offset_m=0.1),
        lambda: Rating(CURVE, (2, 2)),
        lambda: Mounting(7.5, 60),
        lambda: EchoFilter(4),
        lambda: RateOfRise(3600, least=1),
    ],
)
def test_what_could_never_be_right_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"needs|expected|rise|most|lies|points"):
        wrong()
