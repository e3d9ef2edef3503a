"""A meter that is in no catalogue, described by the site: it works, is proven and is refused like a built-in."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from drivers.core import modbus
from drivers.core.contract import Polled
from drivers.core.load_map import MapError
from drivers.core.polling import Round
from drivers.core.prove import prove
from drivers.site import load_site_map
from gateway.cli.root import build
from gateway.ops.texts import set_language

GOOD = """
title = "Pump house meter, by its label"
models = ["PHM-9"]
sources = ["the label inside its door"]
wiring = "RS-485 A and B"

[line]
baud = 4800
parity = "E"

[modbus]
address = 12
max_registers_per_read = 16
function = 3
type = "uint16"

[registers]
voltage = { at = 10, scale = 0.1 }
active_power = { at = 11, type = "int32", unit = "kW", scale = 0.001 }
energy_import = { at = 20, type = "uint32", scale = 0.01 }
water_temperature = { at = 22, type = "int16", scale = 0.1 }

[[vector]]
id = "by-the-display"
request = "0c 03 00 0a 00 03 25 14"
hex = "0c 03 06 08 fd 00 00 04 d2 cf 09"
kind = "real-capture"
source = "read on its display at the same time"
expect = { voltage = 230.1, active_power = 1234 }
"""


def run(*args: str) -> Result:
    set_language("en")
    try:
        return CliRunner().invoke(build(), ["driver", *args])
    finally:
        set_language(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pump-house.toml"
    path.write_text(checked(GOOD), "utf-8")
    return path


def checked(text: str) -> str:
    """The text with the checks of its frames put right."""
    for line in ("0c 03 00 0a 00 03", "0c 03 06 08 fd 00 00 04 d2"):
        at = text.index(line)
        end = text.index('"', at)
        text = text[:at] + modbus.closed(bytes.fromhex(line)).hex(" ") + text[end:]
    return text


def test_it_works_like_a_built_in() -> None:
    driver = load_site_map("pump-house.toml", GOOD).driver
    assert driver.name == "pump-house"
    assert (driver.line.baud, driver.line.parity, driver.default_address) == (4800, "E", 12)
    assert isinstance(driver.kind, Polled)
    assert driver.simulate is not None
    slave, one = driver.simulate(1, 12), Round.of(driver.kind, 12)
    while (request := one.request) is not None:
        assert one.feed(slave.answer(request.data, 3600.0))
    decoded = one.result()
    assert decoded is not None
    assert decoded.quality == {}
    assert 220 < decoded.values["voltage"] < 240
    assert 300 < decoded.values["active_power"] < 6000
    assert 20 < decoded.values["water_temperature"] < 30


def test_it_is_proven_by_its_own_vectors() -> None:
    found = load_site_map("pump-house.toml", checked(GOOD))
    proof = prove(found.driver, found.vectors, noise_bytes=1 << 12)
    assert proof.failures == ()
    assert (proof.vectors, proof.real) == (1, 1)
    wrong = load_site_map("pump-house.toml", checked(GOOD).replace("voltage = 230.1", "voltage = 231.1"))
    assert "voltage is 230.1, expected 231.1" in prove(wrong.driver, wrong.vectors).failures[0]


@pytest.mark.parametrize(
    ("file_name", "text", "words"),
    [
        ("Pump House.toml", GOOD, "the file's name becomes the driver's"),
        ("-pump.toml", GOOD, "the file's name becomes the driver's"),
        ("x" * 40 + ".toml", GOOD, "the file's name becomes the driver's"),
        ("eastron-sdm630.toml", GOOD, "built-in driver 'eastron-sdm630' bears this name"),
        ("sdm630.toml", GOOD, "built-in driver 'eastron-sdm630' bears this name"),
        ("pump.toml", GOOD.replace("voltage =", "volts ="), "pump.toml: volts: there is no quantity 'volts'"),
        ("pump.toml", GOOD.replace("[modbus]", "[modbus"), "pump.toml: "),
        ("pump.toml", GOOD.replace('hex = "0c', 'hex = "0x'), "a test vector is wrong"),
        ("pump.toml", GOOD.replace("[[vector]]\nid", "[[vector]]\nidentity"), "a test vector is wrong"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_s_name(file_name: str, text: str, words: str) -> None:
    with pytest.raises(MapError, match=words) as caught:
        load_site_map(file_name, text)
    assert str(caught.value).startswith(file_name)


def test_the_commands_take_a_file(file: Path) -> None:
    shown = run("show", str(file)).output
    assert "pump-house: Pump house meter, by its label" in shown
    assert "4800 baud, 8E1" in shown
    reply = modbus.closed(bytes.fromhex("0c030608fd000004d2")).hex()
    request = modbus.question(modbus.Read(12, 3, 10, 3)).hex()
    answer: dict[str, Any] = json.loads(run("decode", str(file), "--hex", reply, "--request", request, "--json").output)
    assert answer["readings"][0]["values"] == {"voltage": 230.1, "active_power": 1234.0}
    (proof,) = json.loads(run("check", str(file), "--json").output)
    assert proof["holds"]
    assert proof["vectors"] == 1


def test_a_wrong_file_ends_with_two(tmp_path: Path, file: Path) -> None:
    missing = run("check", str(tmp_path / "nothing.toml"))
    assert missing.exit_code == 2
    assert "No such file" in missing.output
    file.write_text(GOOD.replace("at = 10", "at = 70000"), "utf-8")
    wrong = run("show", str(file))
    assert wrong.exit_code == 2
    assert "pump-house.toml: 1 registers from 70000 cannot be asked for" in wrong.output
