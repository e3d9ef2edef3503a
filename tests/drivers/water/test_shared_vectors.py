"""Water instruments against the facts' own vector files, where those stand beside this repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.core.hearing import hear
from drivers.core.registry import find
from drivers.core.units import from_suffixed
from drivers.core.vectors import of_driver

SHARED = Path(__file__).parents[4] / "shared" / "vectors"
MODBUS = [
    "qdy30a-modbus",
    "keller-series30-modbus",
    "vegapuls-c-modbus",
    "eh-fmr20-modbus",
    "dfrobot-sen0492-modbus",
    "rs485-water-level-cm",
    "rs485-rain-gauge",
]
OURS = {
    "p1_bar": ("water_pressure", 100),
    "tob1_c": ("water_temperature", 1),
    "pv": ("stage", 1),
    "sv_m": ("distance", 1),
    "tv_db": ("echo_strength", 1),
    "qv_c": ("device_temperature", 1),
    "rain_mm": ("rain_counter", 1),
}


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / f"{name}.json").read_text("utf-8")))


def expected(name: str, expect: dict[str, Any]) -> dict[str, float]:
    out = {}
    for key, value in expect.items():
        number = value[0] if isinstance(value, list) else value
        if key == "pv" and name == "eh-fmr20-modbus":
            out["fill_level"] = number
        elif key == "raw":
            out["water_depth"] = number / 1000  # steps of a millimetre, as the captured probe's
        elif key in OURS:
            out[OURS[key][0]] = number * OURS[key][1]
        elif key.endswith("_mm"):
            found, metres = from_suffixed(key, number)
            out[found] = metres
    return out


@pytest.mark.parametrize("name", MODBUS)
def test_modbus(name: str) -> None:
    driver = find(name)
    known = {case.id: case for table in of_driver(driver).tables() for case in table}
    theirs = load(name)
    for case in theirs["vectors"]:
        ours = known[case["id"]]
        data = bytes.fromhex(case["hex"])
        assert ours.data == data
        assert ours.question == bytes.fromhex(case["request_hex"])
        heard = hear(driver, [data], ours.options, ours.question, ends=True)
        assert not heard.refusals
        (reading,) = heard.readings
        assert dict(reading.values) == pytest.approx(expected(name, case["expect"]), rel=1e-6)
        for key in ("unit_code", "decimals", "full_scale_raw", "raw"):
            assert reading.info.get(key) == case["expect"].get(key)
    for case in theirs["bad"]:
        ours = known[case["id"]]
        assert ours.data == bytes.fromhex(case["hex"])
        heard = hear(driver, [ours.data], ours.options, ours.question, ends=True)
        assert not heard.readings
        assert heard.refusals


def options(name: str, case: dict[str, Any]) -> dict[str, Any]:
    return {"model": case["model"].lower()} if name == "maxbotix-mb73xx" else {}


REASONS = {
    "no_target": "DeviceFault",
    "bad_header": "FixedBits",
    "syntax": "FixedBits",
    "truncated": "Truncated",
    "checksum": "Integrity",
    "weak_signal": "DeviceFault",
    "no_reading": "DeviceFault",
}


@pytest.mark.parametrize("name", ["maxbotix-mb73xx", "dfrobot-55aa", "benewake-tf", "campbell-sr50a"])
def test_serial(name: str) -> None:
    driver = find(name)
    known = {case.id: case for table in of_driver(driver).tables() for case in table}
    theirs = load(name)
    for case in theirs["vectors"]:
        data, expect = bytes.fromhex(case["hex"]), case["expect"]
        assert known[case["id"]].data == data
        heard = hear(driver, [data], options(name, case), known[case["id"]].question, ends=True)
        (reading,) = heard.readings
        assert not heard.refusals
        mm = float(expect["fields"][0]) if "fields" in expect else expect["distance_mm"]
        assert reading.values["distance"] == pytest.approx(mm / 1000)
        if "at_min_range" in expect:
            assert reading.info["at_min_range"] == expect["at_min_range"]
            assert bool(reading.quality) == expect["at_min_range"]
        if "strength" in expect:
            assert reading.values["echo_strength"] == expect["strength"]
            assert reading.values["device_temperature"] == expect["chip_temperature_c"]
    for case in theirs["bad"]:
        ours = known[case["id"]]
        assert ours.data == bytes.fromhex(case["hex"])
        heard = hear(driver, [ours.data], options(name, case), ours.question, ends=True)
        assert not heard.readings
        assert [refusal.reason for refusal in heard.refusals] == [REASONS[case["expect_error"]]], case["id"]
    names = {case.id: case for case in of_driver(driver).commands}
    for command in theirs["commands"]:
        if "hex" in command:
            assert names[command["name"]].data == bytes.fromhex(command["hex"])


VEGA = ("stage", "distance", "device_temperature", "echo_strength")


@pytest.mark.parametrize("name", ["sdi12", "vegapuls-c-sdi12"])
def test_sdi12(name: str) -> None:
    driver = find(name)
    theirs = load(name)
    for case in theirs["vectors"]:
        (reading,) = hear(driver, [bytes.fromhex(case["hex"])], {}, None, ends=True).readings
        expect = dict(case["expect"])
        values = expect.pop("values", [])
        names = [f"x_sdi12_{number + 1}" for number in range(len(values))] if name == "sdi12" else VEGA
        assert dict(reading.values) == pytest.approx(dict(zip(names, values, strict=False)))
        status = values[4] if len(values) == 5 and name != "sdi12" else 0
        assert bool(reading.quality) == bool(status)
        assert {key: reading.info.get(key) for key in expect if name == "sdi12" or not values} == (
            expect if name == "sdi12" or not values else {}
        )
    for case in theirs["bad"]:
        options = {"values": "stage, distance"} if case["id"] == "short" else {}
        heard = hear(driver, [bytes.fromhex(case["hex"])], options, None, ends=True)
        assert not heard.readings
        assert heard.refusals
