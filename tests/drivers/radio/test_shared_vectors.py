"""Radio payloads against the facts' own vector files, where those stand beside this repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.core.contract import Rejection
from drivers.core.hearing import Heard, hear
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from drivers.radio.cayenne_lpp import items

SHARED = Path(__file__).parents[4] / "shared" / "vectors"


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / f"{name}.json").read_text("utf-8")))


def cases(names: tuple[str, ...], table: str) -> list[Any]:
    return [pytest.param(name, case, id=f"{name}/{case['id']}") for name in names for case in load(name)[table]]


LPP = ("cayenne-lpp", "lora-cayenne-lpp")


@pytest.mark.parametrize(("name", "case"), cases(LPP, "vectors"))
def test_lpp_items(name: str, case: dict[str, Any]) -> None:
    found = items(bytes.fromhex(case["hex"]))
    assert [(item.channel, item.type) for item in found] == [
        (want["channel"], want["type"]) for want in case["expect"]["items"]
    ]
    for item, want in zip(found, case["expect"]["items"], strict=True):
        value = want["value"]
        numbers = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
        assert list(item.numbers) == pytest.approx(numbers, rel=1e-9)


@pytest.mark.parametrize(("name", "case"), cases(LPP, "bad"))
def test_lpp_bad(name: str, case: dict[str, Any]) -> None:
    wanted = case.get("expect_error") or case["expect"]["error"]
    with pytest.raises(Rejection) as refused:
        items(bytes.fromhex(case["hex"]))
    assert refused.value.reason == {"truncated": "Truncated"}.get(wanted, "FixedBits")


DRIVERS = {
    "milesight-em310-udl": "milesight-em310-udl",
    "milesight-em400-udl": "milesight-em400-udl",
    "milesight-em410-rdl": "milesight-em410-rdl",
    "milesight-em500-udl": "milesight-em500-udl",
    "milesight-em500-swl": "milesight-em500-swl",
    "elsys-elt2": "elsys-elt2",
    "keller-adt1-lorawan": "keller-adt1-lorawan",
    "pepperl-fuchs-wilsen-sonic": "pepperl-fuchs-wilsen-sonic",
    "dragino-dds": "dragino-dds",
    "dragino-dds04": "dragino-dds04",
    "dragino-ps-lb": "dragino-ps-lb",
    "dragino-sdi12-lb": "dragino-sdi12-lb",
    **{
        f"decentlab-dl-{name}": f"decentlab-dl-{name}"
        for name in ("mbx", "pr21", "pr26", "pr36", "pr36ctd", "ctd10", "tbrg", "dlr2-004")
    },
}
NAMES = {
    "battery_percent": ("battery_level", 1),
    "battery_v": ("battery_voltage", 1),
    "distance_mm": ("distance", 1e-3),
    "water_depth_mm": ("water_depth", 1e-3),
    "pressure_bar": ("water_pressure", 100),
    "conductivity_us_cm": ("conductivity", 1),
    "rain_mm": ("rain", 1),
    "rain_total_mm": ("rain_counter", 1),
    "humidity_percent": ("relative_humidity", 1),
    "pressure_hpa": ("air_pressure", 1),
    "fill_percent": ("fill_level", 1),
    "Pd (P1-PBaro)": ("x_keller_pd_baro", 1),
    "P1": ("water_pressure", 100),
    "TOB1": ("water_temperature", 1),
    "PBaro": ("air_pressure", 1000),
    "TBaro": ("device_temperature", 1),
    "current_ma": ("current_dc", 1e-3),
    "voltage_v": ("voltage_dc", 1),
    "radar_signal": ("x_milesight_radar_signal", 1),
}
REASONS = {
    "unknown_channel": "FixedBits",
    "unknown_type": "FixedBits",
    "version": "FixedBits",
    "truncated": "Truncated",
    "length": None,
}


def radio(case: dict[str, Any], driver: str, options: dict[str, Any]) -> Heard:
    return hear(find(driver), [bytes.fromhex(case["hex"])], options, None, ends=True, fport=case.get("fport"))


def options(driver: str, case: dict[str, Any]) -> dict[str, Any]:
    words = {"Pmin": "p_min", "Pmax": "p_max", "kp": "kp", "R": "shunt_ohm", "resolution": "resolution"}
    return {words[key]: value for key, value in case.get("parameters", {}).items() if key in words}


def values(driver: str, expect: dict[str, Any]) -> dict[str, float]:
    """Our names and units; what is no quantity is left out."""
    out: dict[str, float] = {}
    for key, value in expect.items():
        if key == "temperature_c":
            out["water_temperature" if "decentlab" in driver else "device_temperature"] = value
        elif key == "distances_mm":
            out |= {f"distance__{number}": mm / 1000 for number, mm in enumerate(value, 1)}
        elif key == "text":
            out |= dict(zip(("x_sdi12_1", "x_sdi12_2"), map(float, value.split("+")[1:]), strict=True))
        elif key in NAMES:
            out[NAMES[key][0]] = value * NAMES[key][1]
    return out


@pytest.mark.parametrize(("name", "case"), cases(tuple(DRIVERS), "vectors"))
def test_makers(name: str, case: dict[str, Any]) -> None:
    driver, expect = DRIVERS[name], case["expect"]
    heard = radio(case, driver, options(driver, case))
    faults = {key for key in expect if key.endswith("_error") or key == "loop_fault"}
    if faults and not values(driver, expect):
        assert [refusal.reason for refusal in heard.refusals] == ["DeviceFault"]
        return
    assert not heard.refusals
    past = expect.get("history", [])
    if expect.get("valid_samples") == 0:  # the maker's decoder gives a distance of which no sample was valid
        del expect["distance_mm"]
    now = heard.tellings[len(past) :]
    assert [telling.at_ns for telling in heard.tellings] == [record["ts"] * 10**9 for record in past] + [None] * len(
        now
    )
    for telling, record in zip(heard.tellings, past, strict=False):
        assert dict(telling.decoded.values) == pytest.approx(values(driver, record))
    if not past:
        (telling,) = now
        ours = {key: telling.decoded.values.get(key) for key in values(driver, expect)}
        assert ours == pytest.approx(values(driver, expect))
        assert bool(faults) <= (9 in telling.decoded.quality.values())
        said = telling.decoded.info
        for key in ("tilted", "interrupt", "probe", "probe_range", "in1", "in2", "model_id", "firmware", "band_id"):
            assert said.get(key) == expect.get(key, said.get(key))
        for key, ours_key in {"sensor_present": "sensor_found", "device_id": "device_number"}.items():
            assert said.get(ours_key) == expect.get(key, said.get(ours_key))


@pytest.mark.parametrize(("name", "case"), cases(tuple(DRIVERS), "bad"))
def test_makers_bad(name: str, case: dict[str, Any]) -> None:
    heard = radio(case, DRIVERS[name], options(DRIVERS[name], case))
    assert not heard.readings
    (refusal,) = heard.refusals
    reason = REASONS[case["expect_error"]]
    assert reason is None or refusal.reason == reason
    assert str(refusal)


@pytest.mark.parametrize("name", [*DRIVERS, *LPP])
def test_no_case_was_left_behind(name: str) -> None:
    driver = find(DRIVERS.get(name, "cayenne-lpp"))
    ours = {case.data for table in of_driver(driver).tables() for case in table}
    theirs = load(name)
    assert {bytes.fromhex(case["hex"]) for case in (*theirs["vectors"], *theirs["bad"])} <= ours


THEIRS = {
    "battery": ("battery_level", 1),
    "temperature": ("air_temperature", 1),
    "humidity": ("relative_humidity", 1),
    "latitude": ("latitude", 1),
    "longitude": ("longitude", 1),
    "total_current": ("x_milesight_charge", 1),
    "pressure": ("water_pressure", 1),
    "gpio_counter_1": ("x_milesight_pulses_1", 1),
    "distance": ("distance", 1e-3),
    "angle_x": ("x_milesight_angle_x", 1),
    "angle_y": ("x_milesight_angle_y", 1),
    "angle_z": ("x_milesight_angle_z", 1),
    "BatV": ("battery_voltage", 1),
    "Hum_SHT": ("relative_humidity", 1),
    "TempC_SHT": ("air_temperature", 1),
    "TempC_DS": ("soil_temperature", 1),
    "BAT_V": ("battery_voltage", 1),
    "DOOR_OPEN_STATUS": ("x_dragino_open", 1),
    "AVI1_V": ("voltage_dc__1", 1),
    "AVI2_V": ("voltage_dc__2", 1),
    "ACI1_mA": ("current_dc__1", 1e-3),
    "ACI2_mA": ("current_dc__2", 1e-3),
    "batteryV": ("battery_voltage", 1),
    "temperatureC": ("air_temperature", 1),
    "humidityPct": ("relative_humidity", 1),
}


def codecs() -> list[Any]:
    found = [case for case in load("lora-codecs")["vectors"] if not case["codec"].startswith("js:")]
    return [pytest.param(case, id=case["id"]) for case in found]


@pytest.mark.parametrize("case", codecs())
def test_codecs(case: dict[str, Any]) -> None:
    maker, model = case["codec"].split("/")
    name, options = {
        "milesight": ("milesight-sensors", {"model": model}),
        "dragino": (f"dragino-{model}", {"probe": "soil_temperature"} if model == "lht65" else {}),
        "decentlab": ("decentlab-dl-sht35", {}),
    }[maker]
    name = {"dragino-lt-22222-l": "dragino-lt22222"}.get(name, name)
    if model == "em400-udl":
        name, options = "milesight-em400-udl", {}
    heard = hear(find(name), [bytes.fromhex(case["hex"])], options, None, ends=True, fport=case["fPort"])
    assert not heard.refusals
    told = case["expect"].get("data") or case["expect"]["numbers"]
    (telling,) = heard.tellings
    if past := told.get("history"):
        (told,) = past
        assert telling.at_ns == told["timestamp"] * 10**9
    wanted = {THEIRS[key][0]: value * THEIRS[key][1] for key, value in told.items() if key in THEIRS}
    if model in ("at101", "em400-udl", "ts101"):
        other = "x_milesight_probe_temperature" if model == "ts101" else "device_temperature"
        wanted[other] = wanted.pop("air_temperature")
    if wanted.get("soil_temperature") == 327.67:
        del wanted["soil_temperature"]
        assert telling.decoded.quality == {"soil_temperature": 9}
    assert dict(telling.decoded.values) == pytest.approx(wanted, rel=1e-6)
