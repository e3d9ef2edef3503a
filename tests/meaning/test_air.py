"""Corrections, indices and NowCast against published numbers."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning import aqi
from gateway.meaning.correction import FORMULAS, channels_agree, clamped
from gateway.meaning.nowcast import RunningNowCast, nowcast
from tests.meaning.support import HOUR, SECOND, START, case_id, cases, survives_restarts

TH_NAMES = {"pm25": "pm2_5_24h", "pm10": "pm10_24h", "co_8h_ppm": "co_8h", "no2_1h_ppb": "no2_1h"}
US_NAMES = {"pm25": "pm2_5", "pm10": "pm10"}


@pytest.mark.parametrize("case", cases("pm-correction"), ids=case_id)
def test_corrections(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    if case["method"] == "ab-channel-agreement":
        a, b = float(given["a"]), float(given["b"])
        assert channels_agree(a, b, 0.61) is expected["agree_24h_5ug_61pct"]
        assert channels_agree(a, b) is expected["agree_1h_5ug_70pct"]
        return
    formula = FORMULAS[case["method"]]
    field = "pm25_atm" if formula.source_quantity == "pm2_5" else "pm25_cf1"
    value = formula(float(given[field]), float(given["rh_percent"]))
    assert value == pytest.approx(expected["unclamped"], abs=1e-6)
    assert value is not None
    assert clamped(value) == pytest.approx(expected["clamped"], abs=1e-6)


def test_a_formula_is_silent_where_it_does_not_hold() -> None:
    assert FORMULAS["barkjohn-2022-smoke"](570, 40) is None
    for formula in FORMULAS.values():
        for x, rh in ((-1, 50), (10, -1), (10, 100.1), (float("nan"), 50), (10, float("nan")), (float("inf"), 50)):
            assert formula(x, rh) is None


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (29, 0.524 * 29 - 5.172 + 5.75),
        (40, (0.786 + 0.524) / 2 * 40 - 5.172 + 5.75),
        (51, 0.786 * 51 - 5.172 + 5.75),
        (205, 0.786 * 205 - 5.172 + 5.75),
        (235, ((0.69 + 0.786) * 235 - 5.172 + 2.966 + 5.75 + 8.84e-4 * 235**2) / 2),
        (261, 2.966 + 0.69 * 261 + 8.84e-4 * 261**2),
    ],
)
def test_the_smoke_map_formula_inside_its_parts(x: float, expected: float) -> None:
    # At 60 % humidity; half way through a blend both sides weigh the same.
    assert FORMULAS["airnow-fasm-2021-10"](x, 60) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(st.sampled_from([30.0, 50.0, 210.0, 260.0]), st.floats(0, 100))
def test_the_smoke_map_formula_has_no_steps(joint: float, rh: float) -> None:
    below, above = (FORMULAS["airnow-fasm-2021-10"](joint + offset, rh) for offset in (-1e-9, 1e-9))
    assert below == pytest.approx(above, abs=1e-6)


@pytest.mark.parametrize("case", cases("aqi"), ids=case_id)
def test_indices(case: dict[str, Any]) -> None:
    expected, concentration = case["expected"], Decimal(case["input"])
    if case["standard"] == aqi.US_ID:
        index = aqi.us(US_NAMES[case["pollutant"]], concentration)
        assert (index.aqi, index.level.en) == (expected["aqi"], expected["category"])
        assert str(index.concentration) == expected["truncated"]
    else:
        index = aqi.thai(TH_NAMES[case["pollutant"]], concentration)
        assert (index.aqi, index.level.number) == (expected.get("aqi"), expected["level"])
        assert index.level.key == expected["level_key"]
    # A float that came over the wire gives the same index.
    again = (aqi.us if case["standard"] == aqi.US_ID else aqi.thai)(
        (US_NAMES if case["standard"] == aqi.US_ID else TH_NAMES)[case["pollutant"]], float(concentration)
    )
    assert again == index


def test_the_table_covers_every_pollutant_of_the_cases() -> None:
    assert {case["standard"] for case in cases("aqi")} == {aqi.TH_ID, aqi.US_ID}
    assert set(TH_NAMES.values()) < set(aqi.TH_POLLUTANTS)


@settings(deadline=None)
@given(st.sampled_from(aqi.TH_POLLUTANTS), st.floats(-5, 500), st.floats(0, 50))
def test_more_pollution_never_gives_a_lower_index(pollutant: str, low: float, more: float) -> None:
    for index in (aqi.thai, aqi.us):
        if index is aqi.us and pollutant not in aqi.US_POLLUTANTS:
            continue
        a, b = index(pollutant, low), index(pollutant, low + more)
        assert a.level.number <= b.level.number
        assert (a.aqi is None and b.aqi is None) or a.aqi is not None
        if a.aqi is not None and b.aqi is not None:
            assert 0 <= a.aqi <= b.aqi


@settings(deadline=None)
@given(st.sampled_from(aqi.TH_POLLUTANTS), st.floats(0, 2000))
def test_a_thai_index_lies_in_its_level(pollutant: str, value: float) -> None:
    index = aqi.thai(pollutant, value)
    low, high = {1: (0, 25), 2: (26, 50), 3: (51, 100), 4: (101, 200), 5: (None, None)}[index.level.number]
    assert index.aqi is None if low is None or high is None else low <= (index.aqi or 0) <= high


def test_the_highest_sub_index_stands_for_all() -> None:
    overall = aqi.thai_overall({"pm2_5_24h": 34.1, "pm10_24h": 73, "co_8h": 1.2})
    assert (overall.aqi, overall.level.number, overall.pollutant) == (87, 3, "pm2_5_24h")
    assert {name: part.aqi for name, part in overall.parts.items()} == {"pm2_5_24h": 87, "pm10_24h": 44, "co_8h": 7}
    # Above 200 one pollutant has no number: then the whole has none, whatever the others say.
    assert aqi.thai_overall({"pm2_5_24h": 817, "pm10_24h": 180})[:3] == (None, aqi.TH_LEVELS[4], "pm2_5_24h")
    with pytest.raises(ValueError, match="at least one"):
        aqi.thai_overall({})


def test_what_is_no_concentration_has_no_index() -> None:
    for value in (float("nan"), float("inf"), Decimal("NaN")):
        with pytest.raises(ValueError, match="has no index"):
            aqi.us("pm2_5", value)
    assert aqi.us("pm2_5", -3.2).aqi == 0
    assert aqi.us("pm2_5", 325.5) == (None, aqi.US_LEVELS[5], Decimal("325.5"))


def test_a_float_mean_just_below_an_edge_is_the_edge() -> None:
    assert aqi.us("pm2_5", sum([9.1] * 60) / 60).aqi == 51
    assert aqi.thai("pm2_5_24h", 15.05).aqi == 26
    assert aqi.thai("pm2_5_24h", 15.04).aqi == 25


@pytest.mark.parametrize("case", cases("nowcast"), ids=case_id)
def test_nowcast(case: dict[str, Any]) -> None:
    hours = [None if hour is None else float(hour) for hour in case["hours_newest_first"]]
    result, expected = nowcast(hours), case["expected"]
    if expected is None:
        assert result is None
        return
    assert result is not None
    assert result.value == pytest.approx(expected["nowcast"], abs=1e-6)
    assert result.weight == pytest.approx(expected["weight_factor"], abs=1e-6)
    index = aqi.us("pm2_5", result.value)
    assert str(index.concentration) == expected["truncated"]
    assert index.aqi == expected["aqi_2024"]


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(0, 1000), max_size=14))
def test_nowcast_lies_between_its_hours(hours: list[float | None]) -> None:
    result = nowcast(hours)
    assert (result is None) == (sum(hour is not None for hour in hours[:3]) < 2)
    if result is not None:
        present = [hour for hour in hours[:12] if hour is not None]
        assert min(present) - 1e-9 <= result.value <= max(present) + 1e-9
        assert 0.5 <= result.weight <= 1


def test_a_stream_gives_the_nowcast_of_its_hours() -> None:
    case = next(case for case in cases("nowcast") if case["id"] == "epa-example-missing-hour-3")
    oldest_first = [None if hour is None else float(hour) for hour in reversed(case["hours_newest_first"])]
    first_hour = START // HOUR * HOUR
    readings: list[tuple[int, float | None]] = []
    for number, mean in enumerate(oldest_first):
        for minute in range(0, 60, 5):
            # 12 readings around the mean; the missing hour has 8 of them, less than three quarters.
            if mean is not None or minute < 40:
                offset = 2 if minute % 10 else -2
                readings.append((first_hour + number * HOUR + (minute * 60 + 7) * SECOND, (mean or 99) + offset))
    readings.append((first_hour + 12 * HOUR, 500.0))
    outputs = survives_restarts(lambda: RunningNowCast(300), lambda part, reading: part.add(*reading), readings)
    last: Any = outputs[-1]
    assert last.value == pytest.approx(case["expected"]["nowcast"], abs=1e-6)
    # The second complete hour makes the first NowCast.
    assert outputs.index(next(output for output in outputs if output is not None)) == 24
