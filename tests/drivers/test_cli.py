"""`gateway driver` as people and scripts use it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from drivers.core import prove, registry, vectors
from drivers.core.contract import Listening
from drivers.core.registry import built_in, find
from gateway.cli.root import build
from gateway.ops.texts import set_language

PMS_FRAME = "42 4d 00 1c 00 3e 00 54 00 60 00 2a 00 3e 00 50 22 23 09 a4 01 4a 00 28 00 06 00 05 67 00 04 2c"


def run(*args: str) -> Result:
    set_language("en")
    try:
        return CliRunner().invoke(build(), ["driver", *args])
    finally:
        set_language(None)


def decoded(*args: str) -> dict[str, Any]:
    result = run("decode", *args, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert isinstance(answer, dict)
    return answer


def test_list_names_every_driver_with_its_tier() -> None:
    result = run("list")
    assert result.exit_code == 0
    for driver in built_in().values():
        (row,) = [line for line in result.output.splitlines() if line.startswith(driver.name + " ")]
        assert driver.device_class in row
        assert ", ".join(driver.models) in row
    rows = {row["name"]: row for row in json.loads(run("list", "--json").output)}
    assert rows["plantower-pmsx003"]["tier"] == 4
    assert rows["plantower-pmsx003"]["kind"] == "listening"
    assert rows["eastron-sdm630"]["kind"] == "polled"
    assert rows["ultrasonic-ff4"]["tier"] == 3


def test_show() -> None:
    text = run("show", "sdm630").output
    assert "eastron-sdm630" in text
    assert "9600 baud, 8N1" in text
    assert "energy_import_l1 [kWh]" in text
    facts = json.loads(run("show", "ultrasonic-ff4", "--json").output)
    assert facts["quantities"] == {"distance": "m"}
    assert facts["options"]["variant"]["choices"][0] == "a02"


@pytest.mark.parametrize("name", sorted(built_in()))
def test_decode_agrees_with_every_vector(name: str) -> None:
    driver = find(name)
    for case in vectors.of_driver(driver).vectors:
        more = [item for key, value in case.options.items() for item in ("--option", f"{key}={value}")]
        more += ["--request", case.question.hex()] if case.question else []
        more += ["--fport", str(case.fport)] if case.fport else []
        answer = decoded(name, "--hex", case.data.hex(), *more)
        assert len(answer["readings"]) == len(case.expected)
        for reading, expected in zip(answer["readings"], case.expected, strict=True):
            assert reading["values"] == pytest.approx(dict(expected.values), rel=1e-6)
            assert reading["quality"] == dict(expected.quality)
        assert answer["rejected"] == {}


def test_decode_counts_what_it_refuses_and_still_ends_well() -> None:
    assert decoded("ultrasonic-ff4", "--hex", "ff07a1a8")["rejected"] == {"Integrity": 1}
    answer = decoded("plantower-pmsx003", "--hex", "00" + PMS_FRAME + PMS_FRAME[:20])
    assert len(answer["readings"]) == 1
    assert answer["rejected"] == {"FixedBits": 1, "Truncated": 1}
    assert answer["discarded_bytes"] == 8


def test_decode_infers_the_question_only_where_that_is_sound() -> None:
    address = 9
    driver = find("eastron-sdm630")
    assert driver.simulate is not None
    assert not isinstance(driver.kind, Listening)
    for request in driver.kind.requests(address, {}):
        reply = driver.simulate(1, address).answer(request.data, 1.0)
        alone = decoded("eastron-sdm630", "--hex", reply.hex())
        assert alone["readings"] == decoded("sdm630", "--hex", reply.hex(), "--request", request.data.hex())["readings"]
    answer = decoded("eastron-sdm630", "--hex", "0001040443696978106e00")
    assert answer["readings"] == []
    assert answer["frames"] == ["01040443696978106e"]
    assert "--request" in answer["note"]
    assert decoded("eastron-sdm630", "--hex", "0104044363af55e210")["rejected"] == {"Integrity": 1}
    assert decoded("eastron-sdm630", "--hex", "018402c2c1")["rejected"] == {"DeviceFault": 1}


def test_decode_explains_itself_to_people() -> None:
    text = run("decode", "pms5003", "--hex", PMS_FRAME).output
    assert "pm2_5         62     ug/m3" in text
    text = run("decode", "ultrasonic-ff4", "--hex", "ff0000ff").output
    assert "DeviceFault (the device has no value): the sensor hears no echo" in text
    block = next(c for c in vectors.of_driver(find("eastron-sdm120")).vectors if c.id == "some-not-available")
    assert block.question
    text = run("decode", "sdm120", "--hex", block.data.hex(), "--request", block.question.hex()).output
    assert re.search(r"frequency +- +Hz +missing", text)
    assert re.search(r"energy_import +1234\.567 +kWh", text)
    assert "nothing to refuse" in run("decode", "pms5003", "--hex", "").output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("decode", "plantower", "--hex", "00"), "Did you mean plantower-pmsx003?"),
        (("decode", "pms5003", "--hex", "4x"), "--hex holds what is no hexadecimal"),
        (("decode", "sdm630", "--hex", "00", "--request", "0104"), "is no whole question"),
        (("decode", "ultrasonic-ff4", "--hex", "00", "--option", "varient=a02"), "Did you mean variant?"),
        (("decode", "ultrasonic-ff4", "--hex", "00", "--option", "variant=a03"), "a02, a01, me007ys"),
        (("decode", "sdm630", "--hex", "00", "--option", "invert=maybe"), "true, false"),
        (("check", "zzz"), "There is no driver zzz"),
        (("show", "zzz"), "gateway driver list"),
    ],
)
def test_wrong_usage_ends_with_two_and_a_remedy(args: tuple[str, ...], words: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert words in result.output


def test_check_prints_the_proof() -> None:
    result = run("check", "plantower-pmsx003", "ultrasonic-ff4")
    assert result.exit_code == 0
    assert "plantower-pmsx003: proven, tier 4" in result.output
    (proof,) = json.loads(run("check", "sdm230", "--json").output)
    assert proof["holds"] is True
    assert proof["real_captures"] == 2
    assert "late-reply" in proof["weaknesses"][0]


def test_check_ends_with_one_where_a_driver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(find("ultrasonic-ff4"), quantities=("stage",))
    monkeypatch.setattr(registry, "find", lambda name: wrong)
    result = run("check", "ultrasonic-ff4")
    assert result.exit_code == 1
    assert "NOT proven" in result.output
    assert "distance is not among the driver's quantities" in result.output


def test_a_refused_plugin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "problems", lambda: ("driver 'x' of acme 1 is refused: …",))
    monkeypatch.setattr(registry, "drivers", lambda: (find("ultrasonic-ff4"),))
    monkeypatch.setattr(prove, "prove", lambda driver, real=prove.prove, **how: real(driver, noise_bytes=1000))
    assert "acme 1 is refused" in run("list").output
    assert run("check").exit_code == 1


def test_thai() -> None:
    set_language("th")
    try:
        output = CliRunner().invoke(build(), ["driver", "decode", "ultrasonic-ff4", "--hex", "ff0000ff"]).output
    finally:
        set_language(None)
    assert "อุปกรณ์ไม่มีค่า" in output


def test_dialogues_are_shown_and_their_answers_explained() -> None:
    assert json.loads(run("show", "sdi12", "--json").output)["kind"] == "dialogue"
    assert "ALSO, BY SETTING OR MODEL" in run("show", "pzem-004t-v3").output
    text = b"0+1.5+28.25\r\n".hex()
    answer = decoded("sdi12", "--hex", text, "--option", "values=water_depth, water_temperature")
    assert answer["readings"][0]["values"] == {"water_depth": 1.5, "water_temperature": 28.25}
    result = run("decode", "sdi12", "--hex", text, "--option", "values=water_dept")
    assert result.exit_code == 2
    assert "did you mean 'water_depth'" in result.output


def test_joined_answers_without_their_questions_are_all_read() -> None:
    first = next(c for c in vectors.of_driver(find("pzem-004t-v3")).vectors if c.id == "tasmota-driver-comment")
    third = next(c for c in vectors.of_driver(find("pzem-004t-v3")).vectors if c.id == "lora-60hz-addr3")
    joined = b"\0" + first.data + third.data + b"\xff\xff"
    answer = decoded("pzem-004t-v3", "--hex", joined.hex())
    assert [r["values"]["voltage"] for r in answer["readings"]] == [225.7, 220.3]
    assert answer["discarded_bytes"] == 3
    assert answer["rejected"] == {}


def test_decode_tells_the_own_time_of_a_record() -> None:
    name, data = "milesight-em410-rdl", ("--hex", "20ce8cab5c67e20c0482e30c", "--fport", "85")
    then, now = decoded(name, *data)["readings"]
    assert (then["at"], then["values"]) == ("2024-12-13T21:47:56.000Z", {"distance": 3.298})
    assert "at" not in now
    assert "of 2024-12-13T21:47:56.000Z" in run("decode", name, *data).output


def test_decode_refuses_options_of_a_radio_device_that_make_no_sense() -> None:
    result = run("decode", "cayenne-lpp", "--hex", "0367", "--option", "channels=1 = stagee")
    assert result.exit_code == 2
    assert "did you mean 'stage'" in result.output


def test_decode_explains_each_byte() -> None:
    text = run("decode", "plantower-pmsx003", "--hex", PMS_FRAME).output
    assert re.search(r"^ +12 +00 3e +pm2_5 +62 +ug/m3$", text, re.MULTILINE)
    assert re.search(r"^ +30 +04 2c +sum of bytes 0 to 29$", text, re.MULTILINE)
    part = decoded("plantower-pmsx003", "--hex", PMS_FRAME)["bytes"][6]
    assert part.pop("label").startswith("PM1, PM2.5, PM10 in ug/m3, atmospheric")
    assert part == {"offset": 12, "hex": "00 3e", "kind": "value", "names": ["pm2_5"]}
    meter = run("decode", "sdm630", "--request", "01 04 00 00 00 02 71 cb", "--hex", "01 04 04 43 66 68 ce a0 4b")
    assert re.search(r"^ +3 +43 66 68 ce +0 +voltage_l1 +230.4094 +V$", meter.output, re.MULTILINE)
    radio = run("decode", "milesight-em310-udl", "--fport", "85", "--hex", "01 75 5c 03 82 44 08 04 00 00")
    assert re.search(r"^ +5 +44 08 +distance +2.116 +m$", radio.output, re.MULTILINE)
