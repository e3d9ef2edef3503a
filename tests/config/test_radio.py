"""What the check says about radio tables: kinds and their keys, the region's rules, and who may speak."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config import check
from gateway.ops import texts

HEAD = """
[node]
id = "n"
site = "s"
[mqtt]
url = "mqtt://127.0.0.1"
confirm = "stored"
"""
MODEM = '[[lora]]\nid = "roof"\nkind = "rylr998"\nport = "/dev/ttyUSB0"\n'
KEYED = '[[device]]\nid = "d"\ndriver = "cayenne-lpp"\nradio = { dev_addr = "01-A2-B3-C4", keys_file = "k" }\n'


@pytest.fixture(autouse=True)
def _english():
    texts.set_language("en")
    yield
    texts.set_language(None)


def problems(folder: Path, text: str, *, is_here: bool = False) -> list[str]:
    (folder / "c.toml").write_text(HEAD + text)
    _, found = check(folder / "c.toml", is_here=is_here)
    return [f"{each.key}: {each.message}" for each in found if not each.is_warning]


def test_what_is_right_passes(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(HEAD + MODEM + KEYED)
    config, found = check(tmp_path / "c.toml")
    assert [each for each in found if not each.is_warning] == []
    assert config is not None
    assert config.devices[0].radio is not None
    assert config.devices[0].radio.dev_addr == "01a2b3c4"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('frequency = "868.1 MHz"', "breaks the rule band of AS923-1 (TH)"),
        ('frequency = "924.95 MHz"', "breaks the rule band"),
        ("frequency = 923200000", "expected a frequency with its unit"),
        ("spreading_factor = 12", "breaks the rule dwell-time of AS923-1 (TH)"),
        ("spreading_factor = 12", "REYAX RYLR998 has at most 9 at 125 kHz"),
        ('bandwidth = "62.5 kHz"', 'expected "125 kHz"'),
        ('sync_word = "0x12"', "a receiver of kind rylr998 has no such key"),
        ('listen = "127.0.0.1:1700"', "a receiver of kind rylr998 has no such key"),
    ],
)
def test_a_modem_s_settings(more: str, said: str, tmp_path: Path) -> None:
    assert any(said in each for each in problems(tmp_path, MODEM + more + "\n" + KEYED))


@pytest.mark.parametrize(("sf", "is_allowed"), [(10, True), (11, False), (12, False)])
def test_the_dwell_time_ends_at_spreading_factor_10(sf: int, is_allowed: bool, tmp_path: Path) -> None:
    modem = MODEM.replace("rylr998", "rak3172") + f"spreading_factor = {sf}\npreamble = 8\n"
    found = problems(tmp_path, modem + KEYED)
    assert (found == []) == is_allowed
    assert all("dwell-time" in each for each in found)


def test_ebyte_channels_and_rates(tmp_path: Path) -> None:
    modem = MODEM.replace("rylr998", "e220") + 'frequency = "923.2 MHz"\nair_rate = 300\n'
    found = problems(tmp_path, modem + KEYED)
    assert any("nearest: 923.125 MHz" in each for each in found)
    assert any("2400, 4800" in each for each in found)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ('radio = { dev_addr = "01a2b3c4" }', "needs keys_file beside it"),
        ('radio = { dev_addr = "01a2b3", keys_file = "k" }', "expected 8 hexadecimal digits"),
        ('radio = { dev_eui = "24e124713b492637" }', "a dev_eui needs a [[lora]] of kind chirpstack"),
        ('radio = { trust = "anyone-in-range", receiver = "cellar" }', "there is no such modem"),
        ('radio = { trust = "yes", receiver = "roof" }', "anyone-in-range"),
        ('radio = { dev_addr = "01a2b3c4", keys_file = "k", trust = "anyone-in-range" }', "exactly one of"),
        ('radio = { dev_addr = "01a2b3c4", keys_file = "k", sender = 3 }', "sender does not go with dev_addr"),
        ('port = "/dev/ttyUSB1"\nradio = { dev_addr = "01a2b3c4", keys_file = "k" }', "comes by radio and has no such"),
        ("", "comes by radio; say who it is"),
    ],
)
def test_who_a_device_is(device: str, said: str, tmp_path: Path) -> None:
    text = MODEM + '[[device]]\nid = "d"\ndriver = "cayenne-lpp"\n' + device + "\n"
    found = problems(tmp_path, text)
    assert any(said in each for each in found), found


def test_wired_devices_need_a_port_and_no_radio(tmp_path: Path) -> None:
    wired = '[[device]]\nid = "d"\ndriver = "plantower-pmsx003"\n'
    assert any("is missing" in each and "port" in each for each in problems(tmp_path, wired))
    radio = 'radio = { dev_eui = "24e124713b492637" }\n'
    assert any("does not come by radio" in each for each in problems(tmp_path, wired + radio))


def test_receivers_need_what_their_kind_needs(tmp_path: Path) -> None:
    text = '[[lora]]\nid = "a"\nkind = "chirpstack"\n[[lora]]\nid = "a"\nkind = "rak3172"\n'
    found = problems(tmp_path, text + KEYED)
    assert any("needs mqtt" in each for each in found)
    assert any("needs port" in each for each in found)
    assert any(each.startswith("lora[a].id") for each in found)


def test_keys_that_others_may_read_are_refused_with_the_remedy(tmp_path: Path) -> None:
    keys = tmp_path / "k"
    keys.write_text("x")
    for mode in (0o640, 0o644, 0o604):
        os.chmod(keys, mode)
        (found,) = problems(tmp_path, MODEM + KEYED, is_here=True)
        assert "chmod 600" in found
    os.chmod(keys, 0o600)
    assert problems(tmp_path, MODEM + KEYED, is_here=True) == []


def test_an_open_listener_is_a_warning(tmp_path: Path) -> None:
    for listen, gateways, count in (
        ("0.0.0.0:1700", "", 1),
        ("127.0.0.1:1700", "", 0),
        ("0.0.0.0:1700", 'gateways = ["AA-55-5A-DC-DB-A8-23-BE"]\n', 0),
    ):
        text = f'[[lora]]\nid = "t"\nkind = "gwmp"\nlisten = "{listen}"\n{gateways}'
        (tmp_path / "c.toml").write_text(HEAD + text + KEYED)
        _, found = check(tmp_path / "c.toml")
        assert sum("claim to be a concentrator" in each.message for each in found) == count


@pytest.mark.parametrize(
    ("driver", "options", "said"),
    [
        ("cayenne-lpp", '{ channels = "1 = stagee" }', "did you mean 'stage'"),
        ("cayenne-lpp", '{ channels = "1 = stage, 3 = water_temperature" }', ""),
        ("dragino-sdi12-lb", '{ values = "water_depth furlong" }', "no conversion"),
        ("decentlab-dl-pr26", "{ p_min = 1.0, p_max = 0.5 }", "not above"),
        ("decentlab-dl-pr26", "{ p_max = 5.0 }", ""),
        ("milesight-sensors", '{ model = "em320-thh" }', "em320-th"),
    ],
)
def test_options_of_payloads_are_looked_at_before_the_first_one(
    driver: str, options: str, said: str, tmp_path: Path
) -> None:
    found = problems(tmp_path, MODEM + KEYED.replace("cayenne-lpp", driver) + f"options = {options}\n")
    assert (found == []) if not said else any(said in each for each in found), found
