"""Level sensors, meters and Modbus against the facts' own vector files, where those stand beside this repository."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from drivers.core import vectors
from drivers.core.contract import Decoded
from drivers.core.hearing import hear
from drivers.core.modbus import Read, closed, question
from drivers.core.registry import find
from drivers.core.units import from_suffixed

SHARED = Path(__file__).parents[3] / "shared" / "vectors"

REASONS = {
    "checksum": {"Integrity"},
    "crc": {"Integrity", "Truncated"},
    "below_min_range": {"Implausible"},
    "no_reading": {"DeviceFault"},
    "bad_header": {"FixedBits"},
    "short_frame": {"Truncated"},
    "not_a_number": {"DeviceFault"},
}


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / f"{name}.json").read_text("utf-8")))


def cases(name: str, table: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in load(name)[table]]


def expected(driver: str, expect: dict[str, Any]) -> dict[str, float]:
    """Our names and units; on a one-phase meter the plain name is the phase."""
    out = dict(from_suffixed(name, value) for name, value in expect.items())
    if driver in ("eastron-sdm120", "eastron-sdm230"):
        out = {re.sub(r"^(voltage|current)_l1$", r"\1", name): value for name, value in out.items()}
    return out


def agree(decoded: Decoded, want: dict[str, float]) -> None:
    assert dict(decoded.values) == pytest.approx(want, rel=1e-6)
    assert not decoded.quality


@pytest.mark.parametrize("case", cases("ultrasonic-ff4", "vectors"))
def test_ff4(case: dict[str, Any]) -> None:
    heard = hear(find("ultrasonic-ff4"), [bytes.fromhex(case["hex"])], {"variant": case["variant"]}, None, ends=True)
    assert not heard.refusals
    agree(heard.readings[0], expected("ultrasonic-ff4", case["expect"]))


@pytest.mark.parametrize("case", cases("ultrasonic-ff4", "bad"))
def test_ff4_bad(case: dict[str, Any]) -> None:
    heard = hear(find("ultrasonic-ff4"), [bytes.fromhex(case["hex"])], {"variant": case["variant"]}, None, ends=True)
    assert not heard.readings
    assert {refusal.reason for refusal in heard.refusals} & REASONS[case["expect_error"]]


def meter(case: dict[str, Any]) -> str:
    name = str(case.get("map", "eastron-sdm630"))
    return find(name).name


@pytest.mark.parametrize("case", cases("eastron-sdm", "vectors"))
def test_eastron(case: dict[str, Any]) -> None:
    data, asked = bytes.fromhex(case["hex"]), bytes.fromhex(case["request_hex"])
    if case.get("framing") == "modbus-tcp":
        data, asked = closed(data[6:]), closed(asked[6:])
    heard = hear(find(meter(case)), [data], {}, asked, ends=True)
    assert not heard.refusals
    agree(heard.readings[0], expected(meter(case), case["expect"]))


@pytest.mark.parametrize("case", cases("eastron-sdm", "bad"))
def test_eastron_bad(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])
    asked = bytes.fromhex(case["request_hex"]) if "request_hex" in case else question(Read(1, 4, 0, 2))
    if case["id"] == "mbap-on-rtu-port":
        asked = question(Read(1, 4, 0, 42))
    heard = hear(find("eastron-sdm230" if "expect_frame" in case else "eastron-sdm630"), [data], {}, asked, ends=True)
    if case["expect_error"] is None or case["expect_error"].startswith("undetectable"):
        assert len(heard.readings) == 1
    else:
        assert not heard.readings
        assert {refusal.reason for refusal in heard.refusals} & REASONS[case["expect_error"]]


@pytest.mark.parametrize(
    ("file", "package", "names"),
    [
        ("ultrasonic-ff4", "drivers.water", "ultrasonic_ff4.vectors.toml"),
        ("eastron-sdm", "drivers.energy", "meters/eastron-sdm.vectors.toml"),
        ("plantower-pmsx003", "drivers.air", "plantower.vectors.toml"),
        ("modbus-rtu-generic", "drivers.core", "modbus.vectors.toml"),
        ("modbus-rtu-stream", "drivers.core", "modbus.vectors.toml"),
    ],
)
def test_no_case_was_left_behind(file: str, package: str, names: str) -> None:
    from importlib.resources import files

    ours = vectors.parse(files(package).joinpath(*names.split("/")).read_text("utf-8"))
    known = {case.id: case for table in ours.tables() for case in table}
    for table in ("vectors", "bad", "streams", "commands"):
        for case in load(file).get(table, ()):
            found = known[case.get("id") or case["name"]]
            if case.get("framing") == "modbus-tcp":
                assert found.data[:-2] == bytes.fromhex(case["hex"])[6:]
            else:
                assert found.data == bytes.fromhex(case["hex"])
