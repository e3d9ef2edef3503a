"""Air quality indices: Thailand (Pollution Control Department, B.E. 2566) and United States (EPA, since 6 May 2024).

Each pollutant has a table of bands; inside a band the index is linear from the band's own printed lower edge to its
upper edge, rounded half up. Decimals and whole steps throughout: floor(9.1 * 10) in floats is wrong at an edge.

Thailand: the concentration is first rounded to the table's precision (the gaps between printed edges are not covered).
Above 200 the notification has no upper edge: level 5 and no number. PM is a running 24 h mean.
United States: the concentration is truncated. Above the table there is no number ("beyond the AQI"), not a clipped one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from math import floor, isfinite
from typing import NamedTuple

TH_ID = "th-pcd-2566"
US_ID = "us-epa-2024"
_LARGEST = 10**9
_NEAR = 1e-3
"""Of a step: far more than floats err there, far less than a step."""


@dataclass(frozen=True, slots=True)
class Level:
    """A named part of a scale; `colour` is red, green, blue."""

    number: int
    key: str
    th: str
    en: str
    colour: tuple[int, int, int]


class Index(NamedTuple):
    """`aqi` is None above the table; `concentration` is what entered it."""

    aqi: int | None
    level: Level
    concentration: Decimal


class Overall(NamedTuple):
    """The highest sub-index of the pollutants present, and whose it is."""

    aqi: int | None
    level: Level
    pollutant: str
    parts: Mapping[str, Index]


class _Table(NamedTuple):
    """Bands of whole steps: lower and upper edge of the concentration, lower edge and rise of the index."""

    step: Decimal
    bands: tuple[tuple[int, int, int, int], ...]


def _table(step: str, index: tuple[tuple[int, int], ...], *edges: str) -> _Table:
    unit = Decimal(step)
    pairs = ((int(Decimal(edge) / unit) for edge in band.split("-")) for band in edges)
    return _Table(
        unit, tuple((low, high, first, last - first) for (low, high), (first, last) in zip(pairs, index, strict=True))
    )


TH_LEVELS = (
    Level(1, "very_good", "คุณภาพอากาศดีมาก", "Very good", (0, 191, 243)),
    Level(2, "good", "คุณภาพอากาศดี", "Good", (0, 166, 81)),
    Level(3, "moderate", "ปานกลาง", "Moderate", (253, 192, 78)),
    Level(4, "begins_to_affect_health", "เริ่มมีผลกระทบต่อสุขภาพ", "Begins to affect health", (242, 101, 34)),
    Level(5, "affects_health", "มีผลกระทบต่อสุขภาพ", "Affects health", (205, 0, 0)),
)
_TH_INDEX = ((0, 25), (26, 50), (51, 100), (101, 200))
_TH: Mapping[str, _Table] = {
    "pm2_5_24h": _table("0.1", _TH_INDEX, "0-15.0", "15.1-25.0", "25.1-37.5", "37.6-75.0"),
    "pm10_24h": _table("1", _TH_INDEX, "0-50", "51-80", "81-120", "121-180"),
    "o3_8h": _table("1", _TH_INDEX, "0-35", "36-50", "51-70", "71-120"),
    "co_8h": _table("0.1", _TH_INDEX, "0-4.4", "4.5-6.4", "6.5-9.0", "9.1-30.0"),
    "no2_1h": _table("1", _TH_INDEX, "0-60", "61-106", "107-170", "171-340"),
    "so2_1h": _table("1", _TH_INDEX, "0-100", "101-200", "201-300", "301-400"),
}

US_LEVELS = (
    Level(1, "good", "ดี", "Good", (0, 228, 0)),
    Level(2, "moderate", "ปานกลาง", "Moderate", (255, 255, 0)),
    Level(3, "sensitive_groups", "มีผลกระทบต่อกลุ่มเสี่ยง", "Unhealthy for Sensitive Groups", (255, 126, 0)),
    Level(4, "unhealthy", "มีผลกระทบต่อสุขภาพ", "Unhealthy", (255, 0, 0)),
    Level(5, "very_unhealthy", "มีผลกระทบต่อสุขภาพมาก", "Very Unhealthy", (143, 63, 151)),
    Level(6, "hazardous", "อันตราย", "Hazardous", (126, 0, 35)),
)
_US_INDEX = ((0, 50), (51, 100), (101, 150), (151, 200), (201, 300), (301, 500))
_US: Mapping[str, _Table] = {
    "pm2_5": _table("0.1", _US_INDEX, "0-9.0", "9.1-35.4", "35.5-55.4", "55.5-125.4", "125.5-225.4", "225.5-325.4"),
    "pm10": _table("1", _US_INDEX, "0-54", "55-154", "155-254", "255-354", "355-424", "425-604"),
}

TH_POLLUTANTS, US_POLLUTANTS = tuple(_TH), tuple(_US)


def _steps(concentration: Decimal | float, step: Decimal, rounding: str) -> int:
    """Whole steps in a concentration; below 0 counts as 0. Raises ValueError for NaN and infinities."""
    if not isfinite(concentration) or concentration > _LARGEST:
        raise ValueError(f"a concentration of {concentration} has no index")
    if isinstance(concentration, float):
        # In the middle of a step floats cannot be wrong; at its edges decimals decide.
        steps = concentration / float(step) + (0.5 if rounding == ROUND_HALF_UP else 0.0)
        whole = floor(steps)
        if _NEAR < steps - whole < 1 - _NEAR:
            return max(0, whole)
    # A float mean of equal numbers may come out a hair below them; six decimals are far finer than any instrument.
    number = concentration if isinstance(concentration, Decimal) else Decimal(repr(round(concentration, 6)))
    return max(0, int((number / step).to_integral_value(rounding)))


def _look_up(table: _Table, levels: tuple[Level, ...], steps: int) -> Index:
    concentration = steps * table.step
    for (low, high, first, rise), level in zip(table.bands, levels, strict=False):
        if steps <= high:
            # Half up, in whole numbers: floor(x + 1/2) of first + rise * (steps - low) / (high - low).
            width = high - low
            return Index(first + (2 * rise * (steps - low) + width) // (2 * width), level, concentration)
    return Index(None, levels[-1], concentration)


def thai(pollutant: str, concentration: Decimal | float) -> Index:
    """Thai sub-index of one pollutant of `TH_POLLUTANTS` (PM in ug/m3, CO in ppm, the others in ppb; KeyError else).

    A concentration below 0 counts as 0. Raises ValueError for NaN and infinities.
    """
    table = _TH[pollutant]
    return _look_up(table, TH_LEVELS, _steps(concentration, table.step, ROUND_HALF_UP))


def thai_edges(pollutant: str) -> tuple[float, ...]:
    """Where the five levels of a pollutant begin, in its unit (KeyError for others than `TH_POLLUTANTS`)."""
    table = _TH[pollutant]
    return (*(float(low * table.step) for low, *_ in table.bands), float((table.bands[-1][1] + 1) * table.step))


def thai_overall(concentrations: Mapping[str, Decimal | float]) -> Overall:
    """Thai AQI of the pollutants present (at least one): the highest sub-index; without a number where one has none."""
    parts = {pollutant: thai(pollutant, value) for pollutant, value in concentrations.items()}
    if not parts:
        raise ValueError("an index needs at least one pollutant")
    pollutant = max(parts, key=lambda name: (parts[name].level.number, parts[name].aqi or 0))
    return Overall(parts[pollutant].aqi, parts[pollutant].level, pollutant, parts)


def us(pollutant: str, concentration: Decimal | float) -> Index:
    """US sub-index of `pm2_5` or `pm10`, ug/m3, of a 24 h mean or a NowCast (KeyError else).

    A concentration below 0 counts as 0. Raises ValueError for NaN and infinities.
    """
    table = _US[pollutant]
    return _look_up(table, US_LEVELS, _steps(concentration, table.step, ROUND_DOWN))
