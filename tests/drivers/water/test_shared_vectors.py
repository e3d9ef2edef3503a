"""Water instruments against the facts' own vector files, where those stand beside this repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.core.prove import hear
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
