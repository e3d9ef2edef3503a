"""Meters against the facts' own catalogue and vector files, where those stand beside this repository."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, Polled
from drivers.core.hearing import hear
from drivers.core.quantities import quantity
from drivers.core.registry import find
from drivers.core.units import from_suffixed
from drivers.core.vectors import of_driver

SHARED = Path(__file__).parents[4] / "shared" / "vectors"
FILES = {
    "schneider-iem": "schneider-iem3000",
    "abb-b2x": "abb-b2x",
    "carlo-gavazzi": "carlogavazzi-em340",
    "chint-ddsu-dtsu666": "chint-ddsu666",
    "acrel-adl-acr": "acrel-acr10r-d16te4",
    "janitza-umg96": "janitza-umg96rm",
    "pzem-004t-v3": "pzem-004t-v3",
    "pzem-017": "pzem-017",
}
REASONS = {
    "crc": "Integrity",
    "short_frame": "Truncated",
    "address_mismatch": "FixedBits",
    "function_mismatch": "FixedBits",
    "length_mismatch": "FixedBits",
    "not_available": "DeviceFault",
    "modbus_exception:2": "DeviceFault",
    "overrange": "DeviceFault",
    "implausible": "Implausible",
    "model_mismatch": "FixedBits",
}
PZEM_017 = {"voltage": "voltage_dc", "current": "current_dc", "active_power": "power_dc"}


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / f"{name}.json").read_text("utf-8")))


def ours(driver: str, name: str) -> str:
    """Our name; on a one-phase device the plain name is the phase, and direct current has names of its own."""
    if driver == "pzem-017":
        return PZEM_017.get(name, name)
    return name if name in find(driver).quantities else re.sub("_l1$", "", name)


def expected(driver: str, expect: dict[str, Any]) -> tuple[dict[str, float], set[str]]:
    values, missing = {}, set()
    for key, value in expect.items():
        if isinstance(value, bool | str) or key.endswith("_raw"):
            continue
        name, number = from_suffixed("active_energy_import_kwh" if key == "energy_kwh" else key, value or 0.0)
        if value is None:
            missing.add(ours(driver, name))
        else:
            values[ours(driver, name)] = number
    return values, missing


CASES = [pytest.param(file, case, id=f"{file}/{case['id']}") for file in FILES for case in load(file)["vectors"]]
BAD = [pytest.param(file, case, id=f"{file}/{case['id']}") for file in FILES for case in load(file)["bad"]]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_good_ones_by_value(file: str, case: dict[str, Any]) -> None:
    driver = find(case["map"])  # the map's name is the driver's, or an alias of it
    values, missing = expected(driver.name, case["expect"])
    heard = hear(driver, [bytes.fromhex(case["hex"])], {}, bytes.fromhex(case["request_hex"]), ends=True)
    if not values:
        assert not heard.readings
        assert [r.reason for r in heard.refusals] == ["DeviceFault"]
        return
    (reading,) = heard.readings
    assert dict(reading.values) == pytest.approx(values, rel=1e-6)
    assert {name for name, flag in reading.quality.items() if flag == 9} == missing
    assert not heard.refusals


@pytest.mark.parametrize(("file", "case"), BAD)
def test_bad_ones_by_refusal(file: str, case: dict[str, Any]) -> None:
    driver = find(FILES[file])
    data = bytes.fromhex(case["hex"])
    kind = driver.kind
    assert isinstance(kind, Polled)
    known = {one.id.split("/")[-1]: one for table in of_driver(driver).tables() for one in table}
    asked = known[case["id"]].question
    assert known[case["id"]].data == data
    heard = hear(driver, [data], {}, asked, ends=True)
    if case["expect_error"] is None:
        frames = case.get("expect_frames") or [case["expect_frame"]]
        framer = kind.ask(asked or b"", {}).framer()
        found = [item.hex() for item in framer.feed(data) + framer.finish() if isinstance(item, bytes)]
        assert found == [frame for frame in frames if frame[:2] == (asked or b"").hex()[:2]]
        assert len(heard.readings) == 1
        return
    assert not heard.readings
    reasons = {refusal.reason for refusal in heard.refusals}
    assert reasons == {"FixedBits" if case["id"] == "two-masters-shifted" else REASONS[case["expect_error"]]}


def test_every_map_of_the_catalogue_is_here_register_by_register() -> None:
    maps = load("modbus-register-maps")["maps"]
    for name, entry in maps.items():
        if name.startswith("sunspec"):
            continue
        driver = find(name)
        kind = driver.kind
        assert isinstance(kind, Polled)
        line = entry["transport"]
        assert (driver.line.baud, driver.line.parity, driver.line.stop) == (
            line["baud"],
            line["parity"],
            line["stopbits"],
        )
        assert driver.default_address == line["default_address"]
        reads = [modbus.parse_question(r.data) for r in kind.requests(1, {})]
        assert max(read.count for read in reads) <= entry["max_registers_per_read"]
        assert all(r.gap_s == entry["min_request_gap_ms"] / 1000 for r in kind.requests(1, {}))
        wanted = [r for r in entry["registers"] if not r["name"].startswith(("cfg_", "info_"))]
        quantities = set()
        for register in wanted:
            if register["unit"] != "flag_ffff":
                quantities.add(check(driver.name, kind, register))
        assert quantities == set(driver.quantities)


def check(driver: str, kind: Polled, register: dict[str, Any]) -> str:
    """One register, asked for alone, means what the catalogue says; returns our name of it."""
    name = ours(driver, from_suffixed(register["name"], 0)[0])
    low = register["word_order"] == "lsw_first"
    target = {"power_factor": 0.5, "frequency": 50.0, "voltage": 45.0, "current": 12.0}.get(quantity(name).base, 90.0)
    raw = target / register["scale"] if register["type"] == "float32" else round(target / register["scale"])
    data = modbus.register_bytes(raw, register["type"], low_word_first=low)
    read = modbus.Read(9, register["fc"], register["address"], len(data) // 2)
    reply = modbus.closed(bytes((9, register["fc"], len(data))) + data)
    decoded: Decoded = kind.decode(((kind.ask(modbus.question(read), {}), reply),), {})
    assert dict(decoded.values) == pytest.approx({name: raw * register["scale"]}, rel=1e-6), register
    assert not decoded.quality
    return name


def test_sunspec() -> None:
    known = {case.id: case for case in of_driver(find("sunspec-meter")).vectors}
    assert find("sunspec-meter-201-204") is find("sunspec-meter")
    for case in load("sunspec-meter")["vectors"]:
        ours = known[case["id"]]
        assert ours.data == bytes.fromhex(case["hex"])
        assert sorted((ours.values or {}).values()) == sorted(v for v in case["expect"].values() if v is not None)
        assert len(ours.quality) == list(case["expect"].values()).count(None)


def in_our_words(expect: dict[str, Any]) -> dict[str, float]:
    """Values of a telegram: power in minus power out, in watts."""
    out: dict[str, float] = {}
    for key, value in expect.items():
        if power := re.fullmatch(r"power_(import|export)(_l\d)?_kw", key):
            name = "active_power" + (power[2] or "")
            out[name] = out.get(name, 0.0) + (value if power[1] == "import" else -value) * 1000
        elif re.fullmatch(r"(energy_(import|export)(_t\d)?_kwh)|((voltage|current)_l\d_[va])", key):
            out[key.rpartition("_")[0]] = value
    return out


@pytest.mark.parametrize("case", load("dsmr-p1")["vectors"], ids=lambda case: str(case["id"]))
def test_p1(case: dict[str, Any]) -> None:
    driver, data = find("dsmr-p1"), case["text"].encode("latin1")
    assert {one.id: one.data for one in of_driver(driver).vectors}[case["id"]] == data
    heard = hear(driver, [data], {}, None, ends=True)
    assert not heard.refusals
    (reading,) = heard.readings
    want = in_our_words(case["expect"])
    assert {name: reading.values[name] for name in want} == pytest.approx(want, abs=1e-9)
    for behind in case["expect"].get("mbus", ()):
        told = [name for name in reading.info if reading.info[name] == behind["timestamp_raw"] and name != "meter_time"]
        factor = 2500 / 9 if behind["unit"] == "GJ" else 1
        assert [reading.values[name.removesuffix("_at")] for name in told] == pytest.approx([behind["value"] * factor])
    assert reading.info["identification"] == case["expect"]["identification"]


@pytest.mark.parametrize("case", load("dsmr-p1")["bad"], ids=lambda case: str(case["id"]))
def test_p1_bad(case: dict[str, Any]) -> None:
    heard = hear(find("dsmr-p1"), [case["text"].encode("latin1")], {}, None, ends=True)
    assert not heard.readings
    assert heard.refusals[0].reason == {"crc": "Integrity", "incomplete": "FixedBits"}[case["expect_error"]]


OBIS = {
    "1.8.0": "energy_import",
    "2.8.0": "energy_export",
    "15.8.0": "energy_sum",
    "1.7.0": "active_power",
    **{
        f"{way}.8.{tariff}": f"energy_{name}_t{tariff}"
        for way, name in ((1, "import"), (2, "export"))
        for tariff in (1, 2)
    },
    **{f"{phase}2.7": f"voltage_l{(phase - 1) // 2}" for phase in (3, 5, 7)},
    **{f"{phase}1.7": f"current_l{(phase - 1) // 2}" for phase in (3, 5, 7)},
    **{f"{phase}1.7.0": f"active_power_l{phase // 2}" for phase in (2, 4, 6)},
}


@pytest.mark.parametrize("case", load("iec62056-21")["vectors"], ids=lambda case: str(case["id"]))
def test_iec62056(case: dict[str, Any]) -> None:
    heard = hear(find("iec62056-21"), [bytes.fromhex(case["hex"])], {}, None, ends=True)
    (reading,) = heard.readings
    codes = {re.sub(r"^1-0:|\*255$", "", code): told for code, told in case["expect"]["values"].items()}
    want = {OBIS[code]: float(told["value"]) for code, told in codes.items() if code in OBIS and "unit" in told}
    assert dict(reading.values) == pytest.approx(want)
    assert reading.info["manufacturer"] == case["expect"]["manufacturer"]
    assert reading.info["model"] == case["expect"]["identification"]


@pytest.mark.parametrize("case", load("iec62056-21")["bad"], ids=lambda case: str(case["id"]))
def test_iec62056_bad(case: dict[str, Any]) -> None:
    heard = hear(find("iec62056-21"), [bytes.fromhex(case["hex"])], {}, None, ends=True)
    assert not heard.readings
    reason = {"bcc": "Integrity", "parity": "FixedBits", "nak": "FixedBits"}[case["expect_error"]]
    assert reason in {refusal.reason for refusal in heard.refusals}


SML_CODES = OBIS | {"16.7.0": "active_power", "14.7.0": "frequency"}
SML_CODES |= {f"{phase}6.7.0": f"active_power_l{(phase - 1) // 2}" for phase in (3, 5, 7)}
SML_CODES |= {f"{phase}{d}.7.0": SML_CODES[f"{phase}{d}.7"] for phase in (3, 5, 7) for d in (1, 2)}


@pytest.mark.parametrize("case", load("sml")["vectors"], ids=lambda case: str(case["id"]))
def test_sml(case: dict[str, Any]) -> None:
    heard = hear(find("sml"), [bytes.fromhex(case["hex"])], {}, None, ends=True)
    (reading,) = heard.readings
    assert not heard.refusals
    want = {}
    for told in case["expect"]["values"]:
        code = re.sub(r"^1-0:|\*255$", "", told["obis"])
        if told.get("unit") and code in SML_CODES:
            value = told.get("value_corrected", told["value"])
            want[SML_CODES[code]] = value / 1000 if told["unit"] == "Wh" else value
    assert dict(reading.values) == pytest.approx(want)
    assert reading.info["serial"] == case["expect"]["server_id"]


@pytest.mark.parametrize("case", load("sml")["bad"], ids=lambda case: str(case["id"]))
def test_sml_bad(case: dict[str, Any]) -> None:
    heard = hear(find("sml"), [bytes.fromhex(case["hex"])], {}, None, ends=True)
    if case["expect_error"] is None:
        frame = hear(find("sml"), [bytes.fromhex(case["expect_frame"])], {}, None, ends=True)
        assert [reading.values for reading in heard.readings] == [frame.readings[0].values]
        return
    assert not heard.readings
    assert heard.refusals[0].reason in {"crc": {"Integrity"}, "incomplete": {"Truncated"}}.get(
        case["expect_error"], {"Integrity", "Truncated"}
    )


def mbus_heard(case: dict[str, Any], options: dict[str, Any]) -> Any:
    data = bytes.fromhex(case["hex"])
    question = bytes((0x10, 0x7B, data[5], 0x7B + data[5] & 0xFF, 0x16))
    return hear(find("mbus-wired"), [data], {"telegrams": 1, **options}, question, ends=True)


@pytest.mark.parametrize("case", load("mbus-wired")["vectors"], ids=lambda case: str(case["id"]))
def test_mbus(case: dict[str, Any]) -> None:
    """Every record of the facts that has a quantity, by its raw name; and what has a name of ours, in our unit."""
    records = [r for r in case["expect"]["records"] if "vif" in r]
    told = [r for r in records if r["function"] == "instantaneous" and r["storage"] == 0]
    seen: dict[str, int] = {}
    wishes, want = [], {}
    for r in told:
        key = f"{r['vif']}/{r['subunit']}/{r['tariff']}"
        seen[key] = seen.get(key, 0) + 1
        if "quantity" in r and r["quantity"] in ("energy", "power", "voltage", "current"):
            name = f"x_test_{len(wishes)}"
            wishes.append(f"{key}#{seen[key]} {name}")
            want[name] = r["value"] / (1000 if r["quantity"] == "energy" else 1)
    heard = mbus_heard(case, {"values": "; ".join(wishes)})
    (reading,) = heard.readings
    assert {name: reading.values[name] for name in want} == pytest.approx(want, rel=1e-6)
    assert reading.info["serial"] == case["expect"]["id"]
    assert reading.info["manufacturer"] == case["expect"]["manufacturer"]
    assert reading.info["status_code"] == case["expect"]["status"]


@pytest.mark.parametrize("case", load("mbus-wired")["bad"], ids=lambda case: str(case["id"]))
def test_mbus_bad(case: dict[str, Any]) -> None:
    heard = mbus_heard(case, {})
    assert not heard.readings
    assert heard.refusals


def test_mbus_commands() -> None:
    from drivers.energy import mbus_wire

    commands = {c["name"]: c["hex"] for c in load("mbus-wired")["commands"]}
    assert mbus_wire.short_frame(0x40, 1).hex() == commands["snd_nke_1"]
    assert mbus_wire.short_frame(mbus_wire.GIVE, 183).hex() == commands["req_ud2_183"]
    assert mbus_wire.select(bytes.fromhex("785634122d2c3004")).hex() == commands["select_secondary_example"]


@pytest.mark.parametrize("case", load("wmbus")["vectors"], ids=lambda case: str(case["id"]))
def test_wmbus(case: dict[str, Any]) -> None:
    fields = case["expect"]["fields"]
    heard = hear(find("wmbus-json"), [json.dumps(fields).encode() + b"\n"], {"id": fields["id"]}, None, ends=True)
    (reading,) = heard.readings
    names = {
        "total_energy_consumption_kwh": "energy_import",
        "total_energy_production_kwh": "energy_export",
        "total_reactive_energy_consumption_kvarh": "reactive_energy_import",
        "total_reactive_energy_production_kvarh": "reactive_energy_export",
        "total_apparent_energy_consumption_kvah": "apparent_energy_import",
        "total_apparent_energy_production_kvah": "apparent_energy_export",
        "frequency_hz": "frequency",
        **{f"voltage_at_phase_{phase}_v": f"voltage_l{phase}" for phase in (1, 2, 3)},
        **{f"amperage_at_phase_{phase}_a": f"current_l{phase}" for phase in (1, 2, 3)},
    }
    want = {names[field]: value for field, value in fields.items() if field in names and value is not None}
    power = [fields[field] for field in ("current_power_consumption_kw", "power_kw") if field in fields]
    if power:
        want["active_power"] = (power[0] - fields.get("current_power_production_kw", 0)) * 1000
    assert dict(reading.values) == pytest.approx(want)
    assert {n for n, flag in reading.quality.items() if flag == 9} == {
        names[field] for field, value in fields.items() if field in names and value is None
    }


@pytest.mark.parametrize("case", load("wmbus")["bad"], ids=lambda case: str(case["id"]))
def test_wmbus_bad(case: dict[str, Any]) -> None:
    for data in (case["hex"].encode() + b"\n", bytes.fromhex(case["hex"])):
        heard = hear(find("wmbus-json"), [data], {}, None, ends=True)
        assert not heard.readings
        assert heard.refusals
