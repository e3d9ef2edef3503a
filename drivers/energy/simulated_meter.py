"""What a simulated meter measures: a load that makes sense.

Power is voltage times current times power factor in every phase, totals are sums, and energy is the integral of power,
so that counters never fall and agree with the powers. Everything follows from seed, address and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import acos, cos, degrees, pi, sin, sqrt, tan
from random import Random

from drivers.core.simulated_map import Values, plain_model

INSTALLED_AT_S = 1_700_000_000.0
"""Where time is the epoch's, the counters begin here, so that a float still resolves a watt-hour or two."""

_WAVES = ((0.35, 2 * pi / 21_600), (0.20, 2 * pi / 900), (0.05, 2 * pi / 47))


class _Phase:
    """One phase: a load that swings around its base and never turns negative."""

    def __init__(self, dice: Random) -> None:
        self._base_w = dice.uniform(400, 3200)
        self._shifts = [dice.uniform(0, 2 * pi) for _ in _WAVES]
        self._volts = dice.uniform(226, 234)
        self.power_factor = dice.uniform(0.86, 0.99)
        self.exported_kwh = round(dice.uniform(0, 5), 3)
        self._tan = tan(acos(self.power_factor))

    def values(self, t: float) -> dict[str, float]:
        """What the meter shows for this phase at `t` seconds."""
        shape = 1 + sum(a * sin(w * t + s) for (a, w), s in zip(_WAVES, self._shifts, strict=True))
        hours = (
            t + sum(a / w * (cos(s) - cos(w * t + s)) for (a, w), s in zip(_WAVES, self._shifts, strict=True))
        ) / 3600
        voltage = self._volts + 2.5 * sin(2 * pi * t / 7200)
        power, imported = self._base_w * shape, self._base_w * hours / 1000
        apparent = power / self.power_factor
        return {
            "voltage": voltage,
            "current": apparent / voltage,
            "active_power": power,
            "apparent_power": apparent,
            "reactive_power": power * self._tan,
            "power_factor": self.power_factor,
            "phase_angle": degrees(acos(self.power_factor)),
            "energy_import": imported,
            "energy_export": self.exported_kwh,
            "energy_sum": imported + self.exported_kwh,
            "reactive_energy_import": imported * self._tan,
            "reactive_energy_sum": imported * self._tan,
            "thd_voltage": 1.8 + 0.4 * sin(2 * pi * t / 3600),
            "thd_current": 7.0 + 2.0 * sin(2 * pi * t / 3600),
        }


def load_model(quantities: Sequence[str], seed: int, address: int) -> Values:
    """What the meter measures by quantity; what a load does not tell is something plain."""
    dice = Random(f"{seed}/{address}")
    is_three_phase = any(name.endswith("_l1") for name in quantities)
    phases = [_Phase(dice) for _ in range(3 if is_three_phase else 1)]
    others = plain_model(quantities, seed, address)

    def values(t: float) -> dict[str, float]:
        t = t - INSTALLED_AT_S if t > INSTALLED_AT_S else t
        each = [phase.values(t) for phase in phases]
        return {**others(t), **(_three(each) if is_three_phase else _one(each[0])), **_both(t)}

    return values


def _both(t: float) -> dict[str, float]:
    return {"frequency": 50 + 0.03 * sin(2 * pi * t / 333)}


def _one(phase: dict[str, float]) -> dict[str, float]:
    direct = {"voltage_dc": 48.0, "current_dc": phase["active_power"] / 48, "power_dc": phase["active_power"]}
    return {**phase, **direct}


def _three(phases: list[dict[str, float]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for number, phase in enumerate(phases, 1):
        out |= {f"{name}_l{number}": value for name, value in phase.items()}
        a, b = phase["voltage"], phases[number % 3]["voltage"]
        out[f"voltage_l{number}{number % 3 + 1}"] = sqrt(a * a + b * b + a * b)
    for name in phases[0]:
        if "power" in name or "energy" in name:
            out[name] = sum(phase[name] for phase in phases)
    out["power_factor"] = out["active_power"] / out["apparent_power"]
    out["phase_angle"] = degrees(acos(out["power_factor"]))
    out["voltage_avg"] = sum(phase["voltage"] for phase in phases) / 3
    out["voltage_ll_avg"] = (out["voltage_l12"] + out["voltage_l23"] + out["voltage_l31"]) / 3
    out["current_sum"] = sum(phase["current"] for phase in phases)
    out["current_avg"] = out["current_sum"] / 3
    out["current_n"] = 0.1 * out["current_avg"]
    return out
