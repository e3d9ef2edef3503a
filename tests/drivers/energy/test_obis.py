"""What OBIS lines mean, and P1 telegrams made of them."""

import pytest

from drivers.core.checksums import crc16_arc
from drivers.core.contract import Decoded, DeviceFault, Integrity, Listening, Options
from drivers.core.hearing import hear
from drivers.core.registry import find
from drivers.energy.obis import Entry, decode, entries

P1 = find("dsmr-p1")


def of(*lines: str) -> Decoded:
    return decode(entries("\r\n".join(lines)), {})


def telegram(*lines: str, crc: str | None = None) -> bytes:
    text = "\r\n".join(("/ISK5\\2M550T-1012", "", *lines, "!")).encode()
    return text + (f"{crc16_arc(text):04X}" if crc is None else crc).encode() + b"\r\n"


def test_ways_of_writing() -> None:
    assert entries("1-0:1.8.0*255(1*kWh)") == [Entry(0, "1.8.0", ("1*kWh",))]
    assert entries("32.7(241*V)\r\nF.F(00)") == [Entry(0, "32.7.0", ("241*V",)), Entry(0, "F.F.0", ("00",))]
    assert entries("1-0:1.8.0*01(1*kWh)\r\n1.8.0*7(2)") == []
    assert entries("0-1:24.3.0(1)(2)(m3)\r\n(00001.001)")[0].fields == ("1", "2", "m3", "00001.001")
    assert entries("nothing\r\n(1)\r\n1.8.0") == []


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (("1-0:1.7.0(00.170*kW)", "1-0:2.7.0(00.270*kW)"), {"active_power": -100.0}),
        (("1-0:1.7.0(2.5*kW)",), {"active_power": 2500.0}),
        (("1-0:2.7.0(2.5*kW)",), {"active_power": -2500.0}),
        (("1-0:16.7.0(-120*W)", "1-0:1.7.0(0*kW)"), {"active_power": -120.0}),
        (("1-0:41.7.0(1*kW)", "1-0:42.7.0(0.2*kW)"), {"active_power_l2": 800.0}),
        (("1-0:76.7.0(55*W)",), {"active_power_l3": 55.0}),
        (("1-0:1.8.3(7*kWh)", "1-0:2.8.12(8*Wh)"), {"energy_import_t3": 7.0, "energy_export_t12": 0.008}),
        (("1-0:3.8.0(5*kVArh)", "1-0:4.7.0(2*kVAr)"), {"reactive_energy_import": 5.0, "reactive_power": -2000.0}),
        (("1-0:14.7.0(49.98*Hz)", "1-0:13.7.0(0.98*1)"), {"frequency": 49.98, "power_factor": 0.98}),
        (("0-1:24.1.0(007)", "0-1:24.2.1(230101W)(5.5*m3)"), {"water_volume": 5.5}),
        (("0-2:24.1.0(004)", "0-2:24.2.1(230101W)(3.6*GJ)"), {"heat_energy": 1000.0}),
    ],
)
def test_meanings(lines: tuple[str, ...], values: dict[str, float]) -> None:
    decoded = of(*lines)
    assert decoded.values == pytest.approx(values)
    assert decoded.quality == {}


def test_two_meters_of_one_sort_behind_it() -> None:
    lines = [f"0-{n}:24.1.0(003)\r\n0-{n}:24.2.1(23010{n}W)(0000{n}.5*m3)" for n in (1, 2, 3)]
    decoded = of(*lines)
    assert decoded.values == {"gas_volume": 1.5, "gas_volume__2": 2.5, "gas_volume__3": 3.5}
    assert decoded.info["gas_volume__2_at"] == "230102W"


@pytest.mark.parametrize("line", ["1-0:1.8.0()", "1-0:1.8.0(12.5)", "1-0:1.8.0(12.5*apples)", "1-0:1.8.0(--*kWh)"])
def test_what_has_no_number_or_no_unit_is_missing(line: str) -> None:
    decoded = of(line, "1-0:2.8.0(1*kWh)")
    assert decoded.values == {"energy_export": 1.0}
    assert decoded.quality == {"energy_import": 9}
    with pytest.raises(DeviceFault):
        of(line)


def test_half_a_pair_without_a_number_is_missing_and_not_half_a_power() -> None:
    decoded = of("1-0:1.7.0(1*kW)", "1-0:2.7.0()", "1-0:1.8.0(1*kWh)")
    assert decoded.quality == {"active_power": 9}
    assert "active_power" not in decoded.values


def test_the_meter_s_error_makes_its_values_suspect() -> None:
    assert of("F.F(00000000)", "1.8.0(1*kWh)").quality == {}
    assert of("F.F(00000040)", "1.8.0(1*kWh)").quality == {"energy_import": 3}


def test_impossible_values_fail() -> None:
    assert of("1-0:32.7.0(9999999*V)", "1-0:52.7.0(230*V)").quality == {"voltage_l1": 4}


@pytest.mark.parametrize(
    ("lines", "crc", "options", "outcome"),
    [
        (("1-0:1.8.0(1*kWh)",), None, {}, 1.0),
        (("1-0:1.8.0(1*kWh)",), "", {}, 1.0),
        (("1-0:1.8.0(1*kWh)",), "", {"crc": "required"}, "Integrity"),
        (("1-3:0.2.8(50)", "1-0:1.8.0(1*kWh)"), "", {}, "Integrity"),
        (("1-3:0.2.8(30)", "1-0:1.8.0(1*kWh)"), "", {}, 1.0),
        (("1-0:1.8.0(1*kWh)",), "0000", {}, "Integrity"),
        (("0-0:96.13.0()",), None, {}, "DeviceFault"),
    ],
)
def test_the_check_of_a_telegram(lines: tuple[str, ...], crc: str, options: Options, outcome: float | str) -> None:
    heard = hear(P1, [telegram(*lines, crc=crc)], options, None, ends=True)
    if isinstance(outcome, str):
        assert [refusal.reason for refusal in heard.refusals] == [outcome]
        assert not heard.readings
    else:
        (reading,) = heard.readings
        assert reading.values == {"energy_import": outcome}


def test_a_leading_zero_of_the_crc_may_be_left_away() -> None:
    lines = next(
        (f"1-0:1.8.0({number}*kWh)",) for number in range(500) if telegram(f"1-0:1.8.0({number}*kWh)")[-6:-5] == b"0"
    )
    whole = telegram(*lines)
    short = whole[:-6] + whole[-5:]
    assert len(hear(P1, [short], {}, None, ends=True).readings) == 1
    assert isinstance(P1.kind, Listening)
    damaged = short.replace(b"kWh", b"kWg")
    assert isinstance(hear(P1, [damaged], {}, None, ends=True).refusals[0], Integrity)
