"""Corrections of low-cost PM2.5 sensors, each under a formula id that goes to `about`. The raw value stays beside it.

x is PM2.5 in ug/m3, rh the relative humidity in percent as the sensor's own node measures it. The formulas were fitted
to hourly and daily means of United States smoke and city air: apply them to means, and fit locally against a reference
station where there is one. Results may be below zero in clean humid air; clamp (`clamped`) only for display and
indices, never before averaging, which would bias the mean upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Formula:
    """A published correction. `source_quantity` is the field of the sensor that the fit used."""

    id: str
    source_quantity: str
    reference: str
    _function: Callable[[float, float], float | None]

    def __call__(self, x: float, rh: float) -> float | None:
        """The corrected value, unclamped; None where it does not hold (x < 0, rh outside 0..100, beyond its fit)."""
        if not (0 <= x < float("inf") and 0 <= rh <= 100):
            return None
        return self._function(x, rh)


def clamped(value: float) -> float:
    """A concentration for people and indices: never below 0."""
    return max(value, 0.0)


def _barkjohn_2021(x: float, rh: float) -> float:
    return 0.524 * x - 0.0862 * rh + 5.75


def _smoke_map_2021_10(x: float, rh: float) -> float:
    if x < 30:
        return _barkjohn_2021(x, rh)
    if x < 50:
        share = x / 20 - 3 / 2
        return (0.786 * share + 0.524 * (1 - share)) * x - 0.0862 * rh + 5.75
    if x < 210:
        return 0.786 * x - 0.0862 * rh + 5.75
    if x < 260:
        share = x / 50 - 21 / 5
        rest = 1 - share
        return (
            (0.69 * share + 0.786 * rest) * x
            - 0.0862 * rh * rest
            + 2.966 * share
            + 5.75 * rest
            + 8.84e-4 * x * x * share
        )
    return 2.966 + 0.69 * x + 8.84e-4 * x * x


def _barkjohn_2022(x: float, rh: float) -> float | None:
    # The paper's upper branch (from 570) could not be verified: better no number than a guessed one.
    return _barkjohn_2021(x, rh) if x < 570 else None


FORMULAS: Mapping[str, Formula] = {
    formula.id: formula
    for formula in (
        Formula("barkjohn-2021", "pm2_5_cf1", "Barkjohn et al. 2021, Atmos. Meas. Tech. 14, 4617", _barkjohn_2021),
        Formula(
            "airnow-fasm-2021-10",
            "pm2_5",
            "AirNow Fire and Smoke Map, October 2021 (EPA record 353088, slide 26)",
            _smoke_map_2021_10,
        ),
        Formula(
            "barkjohn-2022-smoke",
            "pm2_5_cf1",
            "Barkjohn et al. 2022, Sensors 22, 9669; below 570 ug/m3 only",
            _barkjohn_2022,
        ),
    )
}


def channels_agree(a: float, b: float, relative: float = 0.70, absolute: float = 5.0) -> bool:
    """Twin sensors agree unless they differ by `absolute` (ug/m3) and by `relative` of their mean, both or more.

    0.70 is for hourly means (AirNow), 0.61 for daily ones (Barkjohn 2021).
    """
    difference = abs(a - b)
    return difference < absolute or difference < relative * abs(a + b) / 2
