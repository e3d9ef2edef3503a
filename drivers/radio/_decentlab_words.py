"""Words that a simulated Decentlab device sends."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.radio._payload import Moving

ZERO = 32768
Words = tuple[int, ...]
Numbers = Mapping[str, float]


def tips(interval: int) -> Words:
    """Showers: 0, 1, 2 and 3 tips in four intervals, and again."""
    total = 6 * (interval // 4) + (0, 1, 3, 6)[interval % 4]
    return interval % 4, 600, total % 65536, total // 65536 % 65536


def of_range(moving: Moving, t: float, p: Numbers) -> Words:
    """A pressure within its range, and the temperature."""
    share = (moving.depth_m(t) * 0.0981 - p["p_min"]) / (p["p_max"] - p["p_min"])
    return round(16384 + 32768 * share), round((moving.water_c(t) + 50) / 0.003125) + 384


def of_kp(moving: Moving, t: float, p: Numbers) -> Words:
    """A pressure in steps of 1 / kp, and the temperature."""
    return round(ZERO + moving.depth_m(t) * 0.0981 * p["kp"]), ZERO + round(moving.water_c(t) * 256)
