"""Register maps of air stations, the smoke relay, the loader's words and the simulated slaves."""

import pytest
from pymodbus.framer import FramerRTU

from drivers.air.smoke_relay import requests
from drivers.core import load_map, modbus
from drivers.core.contract import Decoded, DeviceFault, Driver, Instrument, Polled
from drivers.core.polling import Round
from drivers.core.registry import find
from tests.drivers.air.test_proof import MODBUS_TIERS

MAP = """
title = "Box"
class = "air"
models = ["B"]
sources = ["made"]
[modbus]
address = 3
max_registers_per_read = 8
type = "uint16"
[registers]
pm2_5 = 2
"""


def slave(name: str, address: int | None = None) -> Instrument:
    driver = find(name)
    assert driver.simulate is not None
    assert driver.default_address is not None
    return driver.simulate(3, driver.default_address if address is None else address)


@pytest.mark.parametrize("name", MODBUS_TIERS)
def test_simulated_slaves_speak_modbus_as_pymodbus_counts_it(name: str) -> None:
    driver, one = find(name), slave(name)
    assert isinstance(driver.kind, Polled)
    for request in driver.kind.requests(driver.default_address or 1, {}):
        reply = one.answer(request.data, 100.0)
        assert len(reply) == request.reply_bytes
        assert FramerRTU.compute_CRC(reply[:-2]).to_bytes(2, "big") == reply[-2:]
        assert FramerRTU.compute_CRC(request.data[:-2]).to_bytes(2, "big") == request.data[-2:]


@pytest.mark.parametrize("name", MODBUS_TIERS)
def test_simulated_slaves_answer_only_what_is_theirs(name: str) -> None:
    driver, one = find(name), slave(name, address=9)
    assert isinstance(driver.kind, Polled)
    question = driver.kind.requests(9, {})[0].data
    assert one.answer(driver.kind.requests(8, {})[0].data, 1.0) == b""
    assert one.answer(question[:5], 1.0) == b""
    assert one.answer(question[5:] + b"\x00", 1.0)[:2] == question[:2]
    assert one.answer(question, 1.0)[:2] == question[:2]  # noise between does not matter
    assert one.answer(modbus.question(modbus.Read(9, question[1], 0, 100)), 1.0)[1:3] == bytes((question[1] | 0x80, 3))
    assert one.answer(modbus.question(modbus.Read(9, question[1], 0x7000, 1)), 1.0)[1:3] == bytes(
        (question[1] | 0x80, 2)
    )
    assert one.answer(modbus.closed(bytes((9, 6, 0, 1, 0, 2))), 1.0)[1:3] == b"\x86\x01"
    assert one.tick(2.0) == b""


def test_a_block_that_did_not_answer_is_missing_and_the_others_count() -> None:
    driver = find("seeed-sensecap-one-s1000")
    assert isinstance(driver.kind, Polled)
    one, round_ = slave(driver.name), Round.of(driver.kind, 43)
    while (request := round_.request) is not None:
        if request.data[3] == 0x30:
            round_.timeout()
        else:
            assert round_.feed(one.answer(request.data, 50.0))
    decoded = round_.result()
    assert decoded is not None
    assert decoded.quality == {"pm2_5": 9, "pm10": 9}
    assert set(decoded.values) == set(driver.quantities) - {"pm2_5", "pm10"}


def test_the_smoke_relay_alarms_on_a_cut_wire() -> None:
    driver = find("novabo-sqr-2")
    assert isinstance(driver.kind, Polled)
    one = slave(driver.name)
    heard = []
    for t in (700.0, 720.0, 730.0):
        (request,) = requests(255, {})
        decoded = driver.kind.decode(((request, one.answer(request.data, t)),), {})
        heard.append(decoded.values["smoke_alarm"])
    assert heard == [1.0, 0.0, 0.0]
    with pytest.raises(DeviceFault):
        driver.kind.decode(((request, None),), {})


@pytest.mark.parametrize("name", MODBUS_TIERS)
def test_a_lone_answer_finds_its_question(name: str) -> None:
    driver = find(name)
    assert isinstance(driver.kind, Polled)
    for request in driver.kind.requests(driver.default_address or 1, {}):
        reply = slave(name).answer(request.data, 10.0)
        assert driver.kind.guess(reply, {}) == (request.data, True)
    assert driver.kind.guess(b"", {})[1] is False


def load(text: str) -> Driver:
    return load_map.load("box", text)


def test_a_map_becomes_a_driver() -> None:
    driver = load(MAP + 'air_temperature = { at = 3, scale = 0.01, offset = -4000, type = "int16" }')
    assert driver.default_address == 3
    assert isinstance(driver.kind, Polled)
    (request,) = driver.kind.requests(7, {})
    assert request.data[:6].hex() == "070300020002"
    reply = modbus.closed(bytes.fromhex("070304 0019 1a57"))
    assert driver.kind.decode(((request, reply),), {}) == Decoded({"pm2_5": 25.0, "air_temperature": 27.43})


def test_numbers_that_are_none_are_missing_and_impossible_ones_fail() -> None:
    driver = load(MAP + 'co2 = { at = 4, type = "float32" }\nrelative_humidity = 6')
    assert isinstance(driver.kind, Polled)
    (request,) = driver.kind.requests(7, {})
    reply = modbus.closed(bytes.fromhex("07030a 0019 0000 7fc00000 00c8"))
    decoded = driver.kind.decode(((request, reply),), {})
    assert decoded.quality == {"co2": 9, "relative_humidity": 4}
    assert decoded.values == {"pm2_5": 25.0, "relative_humidity": 200.0}


def test_floats_show_the_digits_they_have() -> None:
    driver = load(MAP + 'co2 = { at = 4, type = "float32", word_order = "low-first" }')
    assert isinstance(driver.kind, Polled)
    (request,) = driver.kind.requests(7, {})
    reply = modbus.closed(bytes.fromhex("070308 0000 0000 3333 43d1"))
    assert driver.kind.decode(((request, reply),), {}).values["co2"] == 418.4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MAP.replace('title = "Box"', ""), "'title' is missing"),
        (MAP + "co2 = { at = 1, skale = 3 }", "unknown key 'skale'"),
        (MAP + 'co2 = { at = 1, type = "uint24" }', "'uint24'"),
        (MAP + "smog = 1", "'smog'"),
        (MAP + 'co2 = { at = 1, unit = "lb" }', "'lb'"),
        (MAP + 'co2 = { at = 9, type = "float64", function = 4 }\n'.replace("9", "65535"), "cannot be asked for"),
        (MAP + "co2 = ", "box.toml"),
    ],
)
def test_a_wrong_map_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(load_map.MapError, match=why):
        load(text)
