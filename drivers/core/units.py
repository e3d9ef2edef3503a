"""Units of other catalogues turned into the vocabulary's. Factors are exact fractions, so that 1953 mm is 1.953 m."""

from __future__ import annotations

import re

from drivers.core.quantities import UnknownQuantity, quantity, resolve

_FACTORS: dict[tuple[str, str], tuple[float, float]] = {
    ("mm", "m"): (1, 1000),
    ("cm", "m"): (1, 100),
    ("um", "m"): (1, 1_000_000),
    ("bar", "kPa"): (100, 1),
    ("mbar", "kPa"): (1, 10),
    ("Pa", "kPa"): (1, 1000),
    ("Pa", "hPa"): (1, 100),
    ("kPa", "hPa"): (10, 1),
    ("mV", "V"): (1, 1000),
    ("kV", "V"): (1000, 1),
    ("mA", "A"): (1, 1000),
    ("kW", "W"): (1000, 1),
    ("kvar", "var"): (1000, 1),
    ("kVA", "VA"): (1000, 1),
    ("Wh", "kWh"): (1, 1000),
    ("MWh", "kWh"): (1000, 1),
    ("GJ", "kWh"): (2500, 9),
    ("MJ", "kWh"): (5, 18),
    ("varh", "kvarh"): (1, 1000),
    ("VAh", "kVAh"): (1, 1000),
    ("/0.1L", "/cm3"): (1, 100),
    ("mg/m3", "ug/m3"): (1000, 1),
    ("ppb", "ppm"): (1, 1000),
    ("ppm", "ppb"): (1000, 1),
    ("1", "%"): (100, 1),
    ("%", "1"): (1, 100),
}
"""(from, to): (numerator, denominator)."""

_SUFFIXES = {
    "_ug_m3": "ug/m3",
    "_mg_m3": "mg/m3",
    "_per_0_1l": "/0.1L",
    "_kvarh": "kvarh",
    "_kvah": "kVAh",
    "_kwh": "kWh",
    "_wh": "Wh",
    "_var": "var",
    "_va": "VA",
    "_kw": "kW",
    "_w": "W",
    "_v": "V",
    "_a": "A",
    "_ma": "mA",
    "_hz": "Hz",
    "_deg": "deg",
    "_percent": "%",
    "_mm": "mm",
    "_cm": "cm",
    "_m": "m",
    "_bar": "bar",
    "_kpa": "kPa",
    "_c": "Cel",
    "_ppm": "ppm",
    "_ppb": "ppb",
}
_SUFFIX = re.compile("(" + "|".join(sorted(_SUFFIXES, key=len, reverse=True)) + ")$")


class UnknownUnit(ValueError):
    """There is no conversion between these units."""


def factor(unit: str, to: str) -> tuple[float, float]:
    """Numerator and denominator that turn a value in `unit` into one in `to`. Raises `UnknownUnit`."""
    if unit == to:
        return 1, 1
    try:
        return _FACTORS[unit, to]
    except KeyError:
        raise UnknownUnit(f"no conversion from {unit!r} to {to!r} is known") from None


def convert(value: float, unit: str, to: str) -> float:
    """A value in `unit` as a value in `to`. Raises `UnknownUnit`."""
    numerator, denominator = factor(unit, to)
    return value * numerator / denominator


def from_suffixed(name: str, value: float) -> tuple[str, float]:
    """A name with its unit behind it (`distance_mm`, `active_energy_import_l1_kwh`) as our quantity and our value.

    Raises `UnknownQuantity` or `UnknownUnit`.
    """
    parts = _SUFFIX.search(name)
    if parts is None:
        return resolve(name), float(value)
    try:
        found = resolve(name[: parts.start()])
    except UnknownQuantity:
        return resolve(name), float(value)  # `current_l1`'s `_l1` is no unit; neither may be what looks like one
    return found, convert(value, _SUFFIXES[parts[1]], quantity(found).unit)
