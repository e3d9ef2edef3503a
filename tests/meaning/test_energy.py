"""Ratios, signs, and whether power, voltage and register fit together."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.energy import EnergyBalance, power_consistency, primary, reversed_sign
from gateway.meaning.flags import GOOD, NOT_EVALUATED, SUSPECT
from tests.meaning.support import SECOND, START, survives_restarts

METER = {
    "voltage_l1": 230.0,
    "voltage_l12": 398.4,
    "current_l1": 4.0,
    "current_n": 0.5,
    "active_power_l1": 828.0,
    "reactive_power": 100.0,
    "apparent_power_l1": 920.0,
    "power_factor_l1": 0.9,
    "power_demand": 800.0,
    "energy_import": 12.5,
    "energy_import_l1_t1": 2.5,
    "reactive_energy_export": 1.5,
    "frequency": 50.0,
    "thd_voltage_l1": 2.0,
    "thd_current": 8.0,
    "phase_angle_l1": 25.8,
    "battery_voltage": 3.6,
}


def test_transformers_scale_what_passes_through_them() -> None:
    scaled = primary(METER, ct=40, vt=200)
    factors = {name: scaled[name] / value for name, value in METER.items()}
    assert factors == {
        "voltage_l1": 200,
        "voltage_l12": 200,
        "current_l1": 40,
        "current_n": 40,
        "active_power_l1": 8000,
        "reactive_power": 8000,
        "apparent_power_l1": 8000,
        "power_factor_l1": 1,
        "power_demand": 8000,
        "energy_import": 8000,
        "energy_import_l1_t1": 8000,
        "reactive_energy_export": 8000,
        "frequency": 1,
        "thd_voltage_l1": 1,
        "thd_current": 1,
        "phase_angle_l1": 1,
        "battery_voltage": 1,
    }
    assert primary(METER) == METER
    for ct in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="over 0"):
            primary(METER, ct=ct)


def test_a_meter_that_counts_export_as_positive() -> None:
    turned = reversed_sign({**METER, "energy_export": 99.0, "energy_net": 3.0, "active_power_l2": 0.0})
    assert turned["active_power_l1"] == -828
    assert turned["power_factor_l1"] == -0.9
    assert (turned["energy_import"], turned["energy_export"]) == (99.0, 12.5)
    assert (turned["energy_export_l1_t1"], turned["reactive_energy_import"], turned["energy_net"]) == (2.5, 1.5, -3.0)
    assert turned["apparent_power_l1"] == 920
    assert str(turned["active_power_l2"]) == "0.0"
    assert reversed_sign(turned) == {**METER, "energy_export": 99.0, "energy_net": 3.0, "active_power_l2": 0.0}


@settings(deadline=None)
@given(st.floats(100, 300), st.floats(0.5, 100), st.floats(-1, 1), st.booleans())
def test_a_consistent_meter_passes_and_a_wrong_scale_does_not(u: float, i: float, pf: float, unsigned: bool) -> None:
    p, s = u * i * pf, u * i
    q = (s * s - p * p) ** 0.5
    factor = abs(pf) if unsigned else pf
    values = dict(zip(("voltage", "current", "power_factor", "active_power", "reactive_power", "apparent_power"),
                      (u, i, factor, p, q, s), strict=True))  # fmt: skip
    assert set(power_consistency(values).values()) == {GOOD}
    assert power_consistency({**values, "apparent_power": s * 1.2})["active_power"] == SUSPECT
    wrong = power_consistency({**values, "current": i * 10, "power_factor": 1.0})
    assert wrong["current"] == SUSPECT
    assert wrong["apparent_power"] == GOOD
    assert set(power_consistency({**values, "active_power": float("nan")}).values()) == {SUSPECT}


def test_consistency_by_phase_and_of_little_power() -> None:
    phases = {f"{name}{phase}": value for phase in ("_l1", "_l2") for name, value in
              (("voltage", 230.0), ("current", 4.0), ("power_factor", 0.9), ("active_power", 828.0))}  # fmt: skip
    flags = power_consistency({**phases, "current_l2": 5.0})
    assert (flags["active_power_l1"], flags["active_power_l2"]) == (GOOD, SUSPECT)
    idle = {"voltage": 230.0, "current": 0.05, "power_factor": 0.1, "active_power": 4.0}
    assert set(power_consistency(idle).values()) == {NOT_EVALUATED}
    assert power_consistency({"voltage": 230.0}) == {}


def balance() -> EnergyBalance:
    return EnergyBalance(window_s=600)


def feed(part: EnergyBalance, item: tuple[Any, ...]) -> int:
    return part.add(*item)


def hour(watts: float, kwh_per_h: float, start: int = START, register: float = 500.0) -> list[tuple[int, float, float]]:
    return [(start + i * 10 * SECOND, watts, register + kwh_per_h * i / 360) for i in range(360)]


def test_register_and_power_agree_or_not() -> None:
    agree = survives_restarts(balance, feed, hour(3000, 3.0))
    assert agree == [NOT_EVALUATED] * 60 + [GOOD] * 300
    assert survives_restarts(balance, feed, hour(3000, 30.0))[60:] == [SUSPECT] * 300
    assert survives_restarts(balance, feed, hour(3000, 0.0))[60:] == [SUSPECT] * 300
    # Export does not count the import register up.
    assert survives_restarts(balance, feed, hour(-3000, 0.0))[60:] == [GOOD] * 300


def test_a_gap_or_a_reset_begins_a_new_window() -> None:
    part = balance()
    for item in hour(3000, 3.0)[:50]:
        part.add(*item)
    after = START + 7200 * SECOND
    assert {part.add(*item) for item in hour(3000, 3.0, after, 0.0)[:60]} == {NOT_EVALUATED}
    assert part.add(after + 600 * SECOND, 3000, 0.5) == GOOD
    assert part.add(after + 610 * SECOND, None, 0.5) == NOT_EVALUATED
    assert part.add(after + 620 * SECOND, 3000, 0.0) == GOOD
    assert {part.add(*item) for item in hour(3000, 3.0, after + 630 * SECOND, 0.0)} == {GOOD}


def test_settings_that_could_never_work_are_refused() -> None:
    with pytest.raises(ValueError, match="energy balance needs"):
        EnergyBalance(gap_s=0)
