"""QARTOD tests: the cases of ioos_qc, and each test against its plain definition over the whole series."""

import statistics
import sys
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.flags import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, QualityTest, judge, verdict, worst
from gateway.meaning.qartod import Agreement, Climatology, GrossRange, RateOfChange, Season, Spike
from gateway.meaning.qartod_windows import AttenuatedSignal, FlatLine
from tests.meaning.support import SECOND, START, case_id, cases, reborn, survives_restarts

Series = list[tuple[int, float | None]]

series_of = st.lists(st.none() | st.integers(-20, 20).map(float) | st.floats(-20, 20), min_size=3, max_size=60)


def timed(values: list[float | None], step_s: int = 60) -> Series:
    return [(START + i * step_s * SECOND, value) for i, value in enumerate(values)]


def make(case: dict[str, Any]) -> QualityTest:
    params = case["params"]
    if case["test"] == "gross_range_test":
        return GrossRange(tuple(params["fail_span"]), tuple(params["suspect_span"]))
    if case["test"] == "spike_test":
        return Spike(params["suspect_threshold"], params["fail_threshold"], params.get("method", "average"))
    if case["test"] == "rate_of_change_test":
        return RateOfChange(params["threshold"])
    assert case["test"] == "flat_line_test"
    times = case["time_epoch_s"]
    period_s = statistics.median(b - a for a, b in pairwise(times))
    return FlatLine(params["suspect_threshold"], params["fail_threshold"], params["tolerance"], period_s)


@pytest.mark.parametrize("case", cases("qartod"), ids=case_id)
def test_same_results_as_ioos_qc(case: dict[str, Any]) -> None:
    if case["test"] == "qartod_compare":
        assert [worst(flags) for flags in zip(*case["input"], strict=True)] == case["expected"]
        return
    times = case.get("time_epoch_s") or range(len(case["input"]))
    series = [(at * SECOND, value) for at, value in zip(times, case["input"], strict=True)]
    assert judge(make(case), series) == case["expected"]
    survives_restarts(lambda: make(case), lambda test, point: test.add(*point), series)


@settings(deadline=None)
@given(series_of, st.sampled_from(["average", "differential"]))
def test_spike_by_definition(values: list[float | None], method: Any) -> None:
    flags = judge(Spike(3.0, 9.0, method), timed(values))
    for i, value in enumerate(values):
        neighbours = values[i - 1 : i] + values[i + 1 : i + 2]
        if value is None:
            assert flags[i] == MISSING
        elif len(neighbours) < 2 or None in neighbours:
            assert flags[i] == NOT_EVALUATED
        else:
            left, right = (x for x in neighbours if x is not None)
            size = abs(value - (left + right) / 2)
            if method == "differential":
                size = min(abs(value - left), abs(right - value)) if (value - left) * (right - value) < 0 else 0
            assert flags[i] == (FAIL if size > 9 else SUSPECT if size > 3 else GOOD)


def test_a_spike_is_told_with_the_next_value() -> None:
    spike = Spike(1.0)
    results = [spike.add(at, value) for at, value in timed([5, 5, 9, 5, None, 5])]
    assert [result.flag for result in results] == [2, 2, 2, 2, 9, 2]
    assert [result.previous for result in results] == [None, None, SUSPECT, SUSPECT, None, None]
    # The neighbours of a spike lie beside their mean too; the differential form names the spike alone.
    spike = Spike(1.0, method="differential")
    assert [spike.add(at, value).previous for at, value in timed([5, 5, 9, 5])] == [None, None, GOOD, SUSPECT]


@settings(deadline=None)
@given(series_of, st.integers(1, 6), st.integers(0, 6), st.sampled_from([0.01, 1.0, 5.0, 30.0]))
def test_flat_line_by_definition(values: list[float | None], suspect: int, more: int, tolerance: float) -> None:
    flags = judge(FlatLine(suspect * 60, (suspect + more) * 60, tolerance, 60), timed(values))
    for i, value in enumerate(values):
        expected = GOOD
        for count, flag in ((suspect, SUSPECT), (suspect + more, FAIL)):
            window = [x for x in values[i - count : i + 1] if x is not None] if i >= count else []
            if window and max(window) - min(window) < tolerance:
                expected = flag
        assert flags[i] == (MISSING if value is None else expected)


def test_a_flat_line_of_a_day_needs_no_day_of_memory() -> None:
    test = FlatLine(12 * 3600, 24 * 3600, 0.5, 1)
    flags = judge(test, [(START + i * SECOND, 7.25 + (i * 2_654_435_761 % 97) / 1000) for i in range(86_500)])
    assert [flags.index(flag) for flag in (SUSPECT, FAIL)] == [12 * 3600, 24 * 3600]
    assert len(str(test.state())) < 1000


def test_a_creep_beyond_the_memory_only_starts_later() -> None:
    test = FlatLine(100, 300, 1.0, 1)
    flags = judge(test, [(START + i * SECOND, i * 1e-6) for i in range(2000)])
    assert flags[100:] == [SUSPECT] * 1900
    assert len(test.state()["highs"]) <= 128  # type: ignore[arg-type]
    assert len(str(reborn(lambda: FlatLine(100, 300, 1.0, 1), test).state())) < 8000


@settings(deadline=None)
@given(series_of, st.integers(1, 10), st.sampled_from(["std", "range"]), st.integers(1, 4))
def test_attenuated_signal_by_definition(values: list[float | None], length: int, method: Any, least: int) -> None:
    test = AttenuatedSignal(6.0, 2.0, length * 60, method=method, least=least)
    flags = judge(test, timed(values))
    for i, value in enumerate(values):
        window = values[max(0, i - length + 1) : i + 1]
        present = [x for x in window if x is not None]
        if value is None:
            assert flags[i] == MISSING
        elif len(present) < least or (method == "range" and None in window):
            assert flags[i] == NOT_EVALUATED
        else:
            size = statistics.pstdev(present) if method == "std" else max(present) - min(present)
            if min(abs(size - 6), abs(size - 2)) > 1e-9:
                assert flags[i] == (FAIL if size < 2 else SUSPECT if size < 6 else GOOD)


def test_attenuation_of_a_long_window_is_thinned() -> None:
    test = AttenuatedSignal(1.0, 0.1, 86_400, least=50)
    flags = judge(test, [(START + i * 30 * SECOND, 20 + (i % 2) * 0.001) for i in range(4000)])
    assert flags[-1] == FAIL
    assert sys.getsizeof(test._points.times) + sys.getsizeof(test._points.values) < 2500
    assert len(str(test.state())) < 5000


@settings(deadline=None)
@given(series_of, st.lists(st.integers(1, 500), min_size=60, max_size=60))
def test_rate_of_change_by_definition(values: list[float | None], gaps: list[int]) -> None:
    series, at = list[tuple[int, float | None]](), START
    for value, gap in zip(values, gaps, strict=False):
        at += gap * SECOND
        series.append((at, value))
    flags = judge(RateOfChange(0.05, 0.5), series)
    for i, (at, value) in enumerate(series):
        before = series[i - 1] if i else (0, None)
        if value is None or before[1] is None:
            assert flags[i] == (MISSING if value is None else GOOD)
        else:
            rate = abs((value - before[1]) / ((at - before[0]) / SECOND))
            assert flags[i] == (FAIL if rate > 0.5 else SUSPECT if rate > 0.05 else GOOD)


def test_a_rate_needs_time_to_rise() -> None:
    test = RateOfChange(0.1)
    assert [test.add(at * SECOND, value).flag for at, value in ((5, 1.0), (5, 99.0), (4, 1.0), (6, 1.1))] == [
        1,
        2,
        2,
        1,
    ]


def test_seasons_by_local_month_and_hour() -> None:
    dry, wet = Season((0, 2), months=(11, 4)), Season((0, 6), months=(5, 10))
    night = Season((0, 1), months=(1, 1), hours=(22, 5))
    test = Climatology([dry, wet, night])
    # 2026-01-31 16:59:59Z is still January in Bangkok, 23:59:59; one second later it is February.
    last_of_january = 1_769_878_799 * SECOND
    assert test.add(last_of_january, 1.5).flag == SUSPECT
    assert test.add(last_of_january + SECOND, 1.5).flag == GOOD
    assert test.add(last_of_january - 3 * 3600 * SECOND, 1.5).flag == GOOD
    assert test.add(last_of_january + 150 * 86400 * SECOND, 5).flag == GOOD
    assert test.add(last_of_january, None).flag == MISSING
    assert Climatology([Season((0, 2), months=(3, 3))]).add(last_of_january, 1).flag == NOT_EVALUATED


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 23), st.integers(0, 23))
def test_a_season_may_pass_over_new_year_and_midnight(first: int, last: int, start: int, end: int) -> None:
    season = Season((0, 1), (first, last), (start, end))
    months = {(first - 1 + i) % 12 + 1 for i in range((last - first) % 12 + 1)}
    hours = {(start + i) % 24 for i in range((end - start) % 24 + 1)}
    assert {(m, h) for m, h in product(range(1, 13), range(24)) if season.holds(m, h)} == set(product(months, hours))


def test_a_neighbour_counts_while_it_is_fresh() -> None:
    test = Agreement(absolute=5, relative=0.7)
    assert test.compare(START, 10, START - 300 * SECOND, 18).flag == GOOD
    assert test.compare(START, 10, START + 60 * SECOND, 40).flag == SUSPECT
    assert test.compare(START, 10, START - 301 * SECOND, 40).flag == NOT_EVALUATED
    assert test.compare(START, 10, START, None).flag == NOT_EVALUATED
    assert test.compare(START, None, START, 40).flag == MISSING
    assert Agreement(absolute=0.1).compare(START, 3.70, START, 3.85).flag == SUSPECT


@settings(deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 4, 9]), min_size=1))
def test_only_range_and_instrument_fail_a_value(flags: list[int]) -> None:
    results = {f"test-{i}": flag for i, flag in enumerate(flags)}
    assert verdict(results) == (SUSPECT if worst(flags) == FAIL else worst(flags))
    assert verdict({**results, "gross-range": FAIL}) == FAIL
    assert verdict({**results, "instrument:tilt": FAIL}) == FAIL
    assert verdict({}) == NOT_EVALUATED


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: GrossRange((5, 1)),
        lambda: GrossRange((0, 10), (-1, 5)),
        lambda: GrossRange((0, float("nan"))),
        lambda: Season((0, 1), months=(0, 3)),
        lambda: Season((0, 1), hours=(0, 24)),
        Spike,
        lambda: RateOfChange(0),
        lambda: RateOfChange(2, 1),
        lambda: FlatLine(10, 20, 0.1, 60),
        lambda: FlatLine(60, 30, 0.1, 10),
        lambda: FlatLine(60, 90, 0, 10),
        lambda: AttenuatedSignal(1, 2, 60),
        lambda: AttenuatedSignal(2, 1, 0),
        lambda: Agreement(-1),
    ],
)
def test_a_test_that_could_never_work_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|edge|must|needs|season|hold|limits"):
        wrong()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_what_no_instrument_can_mean(value: float) -> None:
    tests: list[QualityTest] = [Spike(1), RateOfChange(1), FlatLine(60, 60, 1, 60), AttenuatedSignal(2, 1, 60)]
    assert [test.add(START, value).flag for test in tests] == [MISSING] * 4
    assert GrossRange((0, 1)).add(START, value).flag == (MISSING if value != value else FAIL)
