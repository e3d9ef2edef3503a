"""The vocabulary: variants, aliases, spans, and units of other catalogues."""

import math

import pytest

from drivers.core import quantities, units
from drivers.core.contract import Implausible
from drivers.core.quantities import UnknownQuantity, is_plausible, quantity, resolve, span_check


@pytest.mark.parametrize(
    ("name", "unit", "base", "phase", "tariff", "probe", "state"),
    [
        ("pm2_5", "ug/m3", "pm2_5", "", "", "", ""),
        ("voltage_l1", "V", "voltage", "l1", "", "", ""),
        ("voltage_l31", "V", "voltage", "l31", "", "", ""),
        ("current_n", "A", "current", "n", "", "", ""),
        ("energy_import_l2_t1", "kWh", "energy_import", "l2", "t1", "", ""),
        ("energy_import_t12", "kWh", "energy_import", "", "t12", "", ""),
        ("water_temperature__bottom", "Cel", "water_temperature", "", "", "bottom", ""),
        ("soil_temperature__10cm_raw", "Cel", "soil_temperature", "", "", "10cm", "raw"),
        ("stage_failed", "m", "stage", "", "", "", "failed"),
        ("reactive_energy_import_l3", "kvarh", "reactive_energy_import", "l3", "", "", ""),
    ],
)
def test_variants(name: str, unit: str, base: str, phase: str, tariff: str, probe: str, state: str) -> None:
    found = quantity(name)
    assert (found.name, found.unit, found.base) == (name, unit, base)
    assert (found.phase, found.tariff, found.probe, found.state) == (phase, tariff, probe, state)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pm25", "called 'pm2_5'"),
        ("humidity", "called 'relative_humidity'"),
        ("voltag", "did you mean 'voltage'"),
        ("pm2_5_l1", "no phases"),
        ("voltage_t1", "no tariffs"),
        ("voltage_t1_l1", "there is no quantity"),
        ("x_acme", "there is no quantity"),
        ("Voltage", "there is no quantity"),
        ("", "there is no quantity"),
    ],
)
def test_unknown_names_get_a_remedy(name: str, hint: str) -> None:
    with pytest.raises(UnknownQuantity, match=hint):
        quantity(name)


def test_a_vendors_own() -> None:
    found = quantity("x_acme_dust_index")
    assert (found.group, found.span, found.unit) == ("vendor", None, "")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("active_energy_import", "energy_import"),
        ("active_energy_import_l1", "energy_import_l1"),
        ("voltage_thd_l2", "thd_voltage_l2"),
        ("active_power_total", "active_power"),
        ("voltage_ln_avg", "voltage_avg"),
        ("pm25", "pm2_5"),
        ("gage_height", "stage"),
        ("voltage_l1", "voltage_l1"),
        ("current_sum", "current_sum"),
    ],
)
def test_names_of_other_catalogues(theirs: str, ours: str) -> None:
    assert resolve(theirs) == ours


def test_the_table_keeps_its_own_rules() -> None:
    table = quantities.catalogue()
    assert len(table) > 120
    for name, found in table.items():
        assert quantity(name) is found or quantity(name) == found
        assert found.unit
        assert found.meaning
        assert found.kind in ("gauge", "counter", "total", "increment", "contact")
        assert found.span is None or found.span[0] < found.span[1]
        assert found.kind != "gauge" or found.span or name == "energy_net"
    for alias, name in quantities.aliases().items():
        assert name in table
        assert alias not in table


def test_plausible() -> None:
    assert is_plausible("pm2_5", 0)
    assert is_plausible("pm2_5", 5000)
    assert not is_plausible("pm2_5", 5000.1)
    assert not is_plausible("power_factor_l1", -1.01)
    assert is_plausible("energy_import", 1e12)
    for bad in (math.nan, math.inf, -math.inf):
        assert not is_plausible("energy_import", bad)
        assert not is_plausible("voltage", bad)
    assert not is_plausible("smoke_alarm", 2)


def test_span_check_names_the_value() -> None:
    check = span_check(("pm2_5", "energy_import"))
    check({"pm2_5": 1.0, "energy_import": 5.0})
    with pytest.raises(Implausible, match="pm2_5 = 5001 ug/m3 is outside 0 to 5000"):
        check({"pm2_5": 5001.0, "energy_import": 5.0})
    with pytest.raises(Implausible, match="energy_import = nan"):
        check({"pm2_5": 1.0, "energy_import": math.nan})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("distance_mm", 1953, ("distance", 1.953)),
        ("active_energy_import_l1_kwh", 12.5, ("energy_import_l1", 12.5)),
        ("active_energy_import_wh", 435, ("energy_import", 0.435)),
        ("pm2_5_cf1_ug_m3", 8, ("pm2_5_cf1", 8.0)),
        ("pm1_0_ug_m3", 8, ("pm1", 8.0)),
        ("n0_3_per_0_1l", 210, ("pn_above_0_3", 2.1)),
        ("current_l2_a", 4.28, ("current_l2", 4.28)),
        ("power_factor_l1", 0.9, ("power_factor_l1", 0.9)),
        ("phase_angle_total_deg", 3.0, ("phase_angle", 3.0)),
        ("apparent_power_total_va", 7.0, ("apparent_power", 7.0)),
        ("reactive_power_l3_var", -7.0, ("reactive_power_l3", -7.0)),
    ],
)
def test_names_with_units(name: str, value: float, expected: tuple[str, float]) -> None:
    assert units.from_suffixed(name, value) == expected


def test_conversions_are_exact_decimals() -> None:
    assert all(units.convert(mm, "mm", "m") == float(f"{mm / 1000:.3f}") for mm in range(10_000))
    assert units.convert(1.5, "kW", "W") == 1500
    assert units.convert(2.0, "bar", "kPa") == 200
    with pytest.raises(units.UnknownUnit, match="'furlong'"):
        units.convert(1, "furlong", "m")
