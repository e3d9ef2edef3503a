"""The air drivers against the facts' own vector files, where those stand beside this repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.core.contract import Decoded, Driver, Listening
from drivers.core.hearing import hear
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from tests.drivers.air.test_proof import TIERS

SHARED = Path(__file__).parents[4] / "shared" / "vectors"

NAMES = {
    "pm1_0": "pm1",
    "pm4_0": "pm4",
    "pm1_0_cf1": "pm1_cf1",
    "temperature": "air_temperature",
    "humidity": "relative_humidity",
    "n0_3": "pn_above_0_3",
    "n0_5": "pn_above_0_5",
    "n1_0": "pn_above_1",
    "n2_5": "pn_above_2_5",
    "n5_0": "pn_above_5",
    "n10": "pn_above_10",
}
SPS30 = {
    "n0_5_per_cm3": "pn_to_0_5",
    "n1_0_per_cm3": "pn_to_1",
    "n2_5_per_cm3": "pn_to_2_5",
    "n4_0_per_cm3": "pn_to_4",
    "n10_per_cm3": "pn_to_10",
    "typical_size_um": "particle_size",
}
UNITS = {"_ug_m3": 1.0, "_per_0_1l": 0.01, "_c": 1.0, "_pct": 1.0, "_ppm": 1.0}


def in_our_words(driver: Driver, expect: dict[str, Any]) -> dict[str, float]:
    """The quantities among the expected values, under our names and in our units."""
    found = {}
    for key, value in expect.items():
        for suffix, factor in UNITS.items():
            if key.endswith(suffix):
                name = key.removesuffix(suffix)
                if name == "temperature" and "device_temperature" in driver.quantities:
                    name = "device_temperature"
                found[NAMES.get(name, name)] = value * factor
        if key in SPS30:
            found[SPS30[key]] = value
        if f"x_panasonic_{key}" in driver.quantities:
            found[f"x_panasonic_{key}"] = value
    return {name: value for name, value in found.items() if name in driver.quantities}


def cases(name: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / f"{name}.json").read_text("utf-8")))


@pytest.mark.parametrize("name", TIERS)
def test_every_case_is_in_the_repository(name: str) -> None:
    ours = of_driver(find(name))
    known = {case.id: case.data for table in ours.tables() for case in table}
    theirs = cases(name)
    for case in (*theirs["vectors"], *theirs["bad"], *theirs["streams"]):
        assert known.get(case["id"]) == bytes.fromhex(case["hex"]), case["id"]
    for command in theirs["commands"]:
        if "calibration" not in command["name"]:
            assert known.get(command["name"]) == bytes.fromhex(command["hex"]), command["name"]


@pytest.mark.parametrize("name", TIERS)
def test_good_ones_by_value_and_bad_ones_by_refusal(name: str) -> None:
    driver = find(name)
    questions = {case.id: case.question for table in of_driver(driver).tables() for case in table}
    theirs = cases(name)
    for case in theirs["vectors"]:
        data, want = bytes.fromhex(case["hex"]), in_our_words(driver, case["expect"])
        heard = hear(driver, [data], {}, questions[case["id"]], ends=False)
        if want:
            assert len(heard.readings) == 1, case["id"]
            got = heard.readings[0]
            assert isinstance(got, Decoded)
            for key, value in want.items():
                assert got.values[key] == pytest.approx(value, abs=6e-6), (case["id"], key)
        elif isinstance(driver.kind, Listening):
            assert not heard.readings, case["id"]
            assert not heard.refusals, case["id"]
    for case in theirs["bad"]:
        heard = hear(driver, [bytes.fromhex(case["hex"])], {}, questions[case["id"]], ends=True)
        assert not heard.readings, case["id"]
        assert heard.refusals, case["id"]


@pytest.mark.parametrize("name", TIERS)
def test_streams_to_the_byte(name: str) -> None:
    driver = find(name)
    for case in cases(name)["streams"]:
        kind = driver.kind
        if not isinstance(kind, Listening):
            continue
        framer = kind.framer({})
        items = [item for byte in bytes.fromhex(case["hex"]) for item in framer.feed(bytes([byte]))] + framer.finish()
        frames = [item.hex(" ") for item in items if isinstance(item, bytes)]
        assert frames == [frame["hex"] for frame in case["expect_frames"]], case["id"]
        assert framer.discarded == case["expect_discarded_bytes"], case["id"]
