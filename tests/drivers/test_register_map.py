"""Register maps as data: numbers of every kind, missing values, wrong files."""

import struct
from pathlib import Path

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, DeviceFault, Driver, FixedBits, Implausible, Options, Polled
from drivers.core.load_map import MapError, load
from drivers.core.modbus import Read
from drivers.core.polling import Round
from drivers.core.registers import four_quadrant, shortest
from drivers.core.registry import find
from drivers.energy import modbus_meters

MIXED = """
title = "A meter with everything"
models = ["X1"]
sources = ["made for the test"]
aliases = ["x-one"]
[line]
baud = 19200
parity = "E"
[modbus]
address = 7
max_registers_per_read = 12
max_hole = 2
function = 3
type = "uint16"
not_available = { uint16 = "ffff", int32 = "7fffffff", uint64 = "ffffffffffffffff" }
[registers]
voltage_l1 = { at = 0, scale = 0.1 }
voltage_l2 = { at = 1, scale = 0.1 }
current_l1 = { at = 2, type = "uint32", word_order = "low-first", scale = 0.001 }
active_power = { at = 4, type = "int32", scale = 0.01, unit = "kW" }
power_factor = { at = 6, type = "float32", form = "four-quadrant" }
energy_import = { at = 100, type = "uint64", scale = 10, unit = "Wh" }
frequency = { at = 8, function = 4, type = "int16", scale = 0.01 }
reactive_energy_import = { at = 10, function = 4, type = "int64", scale = 0.001 }
"""


def ask(driver: Driver, blocks: dict[tuple[int, int], bytes], options: Options | None = None) -> Decoded:
    """One round; `blocks` holds the register bytes by function and start."""
    assert isinstance(driver.kind, Polled)
    one = Round.of(driver.kind, 7, options)
    while (request := one.request) is not None:
        read = modbus.parse_question(request.data)
        data = blocks[read.function, read.start]
        assert one.feed(modbus.closed(bytes((7, read.function, len(data))) + data))
    decoded = one.result()
    assert decoded is not None
    return decoded


GOOD = {
    (3, 0): struct.pack(">HH HH i f", 2301, 2299, 0x86A0, 0x0001, -1250, 1.4),
    (3, 100): struct.pack(">Q", 123456),
    (4, 8): struct.pack(">h2xq", 4998, -5),
}


def test_every_kind_of_number() -> None:
    driver = load("x", MIXED)
    assert isinstance(driver.kind, Polled)
    asked = [modbus.parse_question(r.data) for r in driver.kind.requests(7, {})]
    assert asked == [Read(7, 3, 0, 8), Read(7, 3, 100, 4), Read(7, 4, 8, 6)]
    decoded = ask(driver, GOOD)
    assert decoded.values == {
        "voltage_l1": 230.1,
        "voltage_l2": 229.9,
        "current_l1": 100.0,
        "active_power": -12500.0,
        "power_factor": pytest.approx(0.6),
        "energy_import": 1234.56,
        "frequency": 49.98,
        "reactive_energy_import": -0.005,
    }
    assert decoded.quality == {}
    assert (driver.line.baud, driver.line.parity, driver.default_address) == (19200, "E", 7)


def test_markers_and_impossible_values() -> None:
    blocks = {
        **GOOD,
        (3, 0): struct.pack(">HH HH i f", 0xFFFF, 2299, 0xFFFF, 0xFFFF, 0x7FFFFFFF, float("nan")),
        (4, 8): struct.pack(">h2xq", -1, 5),
    }
    decoded = ask(load("x", MIXED), blocks)
    assert decoded.quality == {"voltage_l1": 9, "active_power": 9, "power_factor": 9, "current_l1": 4, "frequency": 4}
    assert "voltage_l1" not in decoded.values
    assert decoded.values["frequency"] == -0.01


def test_a_meter_that_says_nothing_has_a_fault() -> None:
    driver = find("eastron-sdm120")
    assert isinstance(driver.kind, Polled)
    one = Round.of(driver.kind, 1)
    while (request := one.request) is not None:
        count = modbus.parse_question(request.data).count
        one.feed(modbus.closed(bytes((1, 4, count * 2)) + b"\x7f\xc0\x00\x00" * (count // 2)))
    with pytest.raises(DeviceFault, match="voltage, current"):
        one.result()
    assert one.rejected == {"DeviceFault": 1}


def test_inverted_transformers() -> None:
    text = MIXED.replace("energy_import = { at = 100", "energy_import_l1 = { at = 100")
    plain, turned = ask(load("x", text), GOOD), ask(load("x", text), GOOD, {"invert": True})
    assert turned.values["active_power"] == -plain.values["active_power"]
    assert turned.values["energy_export_l1"] == plain.values["energy_import_l1"]
    assert turned.values["reactive_energy_export"] == plain.values["reactive_energy_import"]
    assert turned.values["voltage_l1"] == plain.values["voltage_l1"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("voltage_l1 =", "voltag_l1 =", "did you mean 'voltage"),
        ("frequency = {", "frequency_l1 = {", "has no phases"),
        ('type = "uint16"', 'type = "uint24"', "type 'uint24'"),
        ('word_order = "low-first"', 'word_order = "abcd"', "word_order 'abcd'"),
        ('unit = "kW"', 'unit = "hp"', "no conversion from 'hp' to 'W'"),
        ('title = "A meter with everything"', "", "'title' is missing"),
        ("address = 7", "", "'address' is missing"),
        ("at = 100,", "", "'at' is missing"),
        ("at = 100,", "at = 100, sacle = 1,", "unknown key 'sacle'"),
        ("max_registers_per_read = 12", "max_registers_per_read = 3", "do not fit"),
        ("[registers]", "[registers", "Expected"),
        ("at = 100", "at = 70000", "cannot be asked for"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(before: str, after: str, words: str) -> None:
    assert before in MIXED
    with pytest.raises(MapError, match=rf"x\.toml: .*({words})"):
        load("x", MIXED.replace(before, after, 1))


def test_every_shipped_map_keeps_its_own_limits() -> None:
    assert len(modbus_meters.DRIVERS) >= 3
    folder = Path(modbus_meters.__file__).with_name("meters")
    names = {p.stem for p in folder.glob("*.toml") if not p.name.endswith(".vectors.toml")}
    assert names == {driver.name for driver in modbus_meters.DRIVERS}
    for driver in modbus_meters.DRIVERS:
        assert isinstance(driver.kind, Polled)
        for request in driver.kind.requests(1, {}):
            read = modbus.parse_question(request.data)
            assert read.count <= 125
            if driver.name.startswith("eastron"):
                assert read.count <= 80
                assert read.start % 2 == read.count % 2 == 0
            assert request.reply_bytes == read.count * 2 + 5


def test_guess_is_certain_only_where_one_read_has_that_size() -> None:
    kind = find("eastron-sdm630").kind
    assert isinstance(kind, Polled)
    whole = modbus.closed(bytes((3, 4, 160)) + bytes(160))
    asked, is_sure = kind.guess(b"\x00" + whole, {})
    assert is_sure
    assert modbus.parse_question(asked) == Read(3, 4, 0, 80)
    _, is_sure = kind.guess(modbus.closed(bytes((3, 4, 4)) + bytes(4)), {})
    assert not is_sure
    _, is_sure = kind.guess(b"", {})
    assert not is_sure


@pytest.mark.parametrize(("raw", "value"), [(0.5, 0.5), (-1.0, -1.0), (1.4, 0.6), (-1.3, -0.7), (2.0, 0.0)])
def test_four_quadrants(raw: float, value: float) -> None:
    assert four_quadrant(raw) == pytest.approx(value)


@pytest.mark.parametrize("text", ["230.2", "10909.28", "4.280541", "-0", "16777216", "1e-30", "3.4028235e+38", "0.1"])
def test_shortest_decimal_is_the_same_float(text: str) -> None:
    (as_float32,) = struct.unpack(">f", struct.pack(">f", float(text)))
    assert struct.pack(">f", shortest(as_float32)) == struct.pack(">f", as_float32)
    assert shortest(as_float32) == float(text)


RICH = """
title = "A meter behind transformers"
models = ["X2"]
sources = ["made for the test"]
[modbus]
address = 7
max_registers_per_read = 40
type = "uint16"
always = ["voltage_l1"]
not_available = { uint16 = ["ffff", "fffe"], int32 = "7fffffff" }
[registers]
voltage_l1 = { at = 0, scale = 0.1, limits = [80, 500] }
voltage_l2 = { at = 1, scale = 0.1, limits = [80, 500] }
active_power = { at = 2, type = "int32", word_order = "low-first" }
frequency = { at = 4, scale = 0.01 }
[factors]
ct_ratio = { at = 10, of = ["active_power"] }
vt_ratio = { at = 11, scale = 0.1, of = ["voltage", "active_power"] }
[info]
alarm = { at = 5, labels = { 0 = "off", 65533 = "on" } }
[identity]
model = { at = 100, letters = 3, expect = "X2.*", sample = "X2-A" }
serial = { at = 103, type = "uint32" }
"""


def behind(words: list[int], ratios: tuple[int, int] | None, options: Options | None = None) -> Decoded:
    """A round of that meter; without ratios their question stays unanswered."""
    driver = load("x", RICH)
    assert isinstance(driver.kind, Polled)
    one = Round.of(driver.kind, 7, options)
    assert [modbus.parse_question(r.data) for r in driver.kind.requests(7, {})] == [Read(7, 3, 0, 12)]
    request = one.request
    assert request is not None
    data = struct.pack(">12H", *words, 0, 0, 0, 0, *(ratios or (0, 0)))
    one.feed(modbus.closed(bytes((7, 3, 24)) + data))
    decoded = one.result()
    assert decoded is not None
    return decoded


def test_ratios_multiply_what_they_are_of() -> None:
    words = [1000, 1100, 100, 0, 5000, 65533]
    decoded = behind(words, (20, 20))
    assert decoded.values == {"voltage_l1": 200.0, "voltage_l2": 220.0, "active_power": 4000.0, "frequency": 50.0}
    assert decoded.info == {"alarm": "on"}
    assert behind(words, (20, 20), {"ct_ratio": 3.0}).values["active_power"] == 600.0


def test_what_a_ratio_would_tell_is_missing_without_it() -> None:
    with pytest.raises(FixedBits, match="always has voltage_l1"):
        behind([1000, 1100, 100, 0, 5000, 0], None)
    decoded = behind([1000, 1100, 100, 0, 5000, 0], None, {"vt_ratio": 1.0})
    assert decoded.quality == {"active_power": 9}
    assert decoded.values["voltage_l1"] == 100.0


def test_a_lone_answer_has_no_ratio() -> None:
    driver = load("x", RICH)
    assert isinstance(driver.kind, Polled)
    request = driver.kind.ask(modbus.question(Read(7, 3, 0, 2)), {})
    decoded = driver.kind.decode(((request, modbus.closed(bytes.fromhex("070304 08fd 08fc"))),), {})
    assert decoded.values == {"voltage_l1": 230.1, "voltage_l2": 230.0}


def test_limits_and_markers() -> None:
    decoded = behind([2301, 9000, 0xFFFF, 0x7FFF, 0xFFFE, 0], (1, 10))
    assert decoded.values == {"voltage_l1": 230.1, "voltage_l2": 900.0}
    assert decoded.quality == {"voltage_l2": 4, "active_power": 9, "frequency": 9}
    driver = load("x", RICH)
    assert isinstance(driver.kind, Polled)
    request = driver.kind.ask(modbus.question(Read(7, 3, 0, 1)), {})
    with pytest.raises(Implausible, match="voltage_l1 = 2 V"):
        driver.kind.decode(((request, modbus.closed(bytes.fromhex("070302 0014"))),), {})


def test_an_answer_without_what_is_always_there_is_another_meter_s() -> None:
    with pytest.raises(FixedBits, match="always has voltage_l1"):
        behind([0xFFFF, 2301, 0, 0, 5000, 0], (1, 10))


def test_identity_is_asked_apart() -> None:
    driver = load("x", RICH)
    assert isinstance(driver.kind, Polled)
    assert driver.kind.identify is not None
    assert driver.simulate is not None
    slave = driver.simulate(1, 7)
    exchanges = tuple((r, slave.answer(r.data, 1.0)) for r in driver.kind.identify(7, {}))
    assert driver.kind.decode(exchanges, {}) == Decoded({}, {}, {"model": "X2-A", "serial": 0})
    ((request, _),) = exchanges
    other = modbus.closed(bytes((7, 3, 10)) + b"ABC\0\0\0" + bytes(4))
    with pytest.raises(FixedBits, match="model is 'ABC'"):
        driver.kind.decode(((request, other),), {})
    with pytest.raises(DeviceFault):
        driver.kind.decode(((request, None),), {})
    assert find("seeed-sensecap-one-s900").options == {}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('always = ["voltage_l1"]', 'always = ["current"]', "'current', which is no register"),
        ("labels = {", "label = {", "alarm: it has an unknown key 'label'"),
        ('of = ["active_power"]', 'of = ["activ_power"]', "ct_ratio: there is no quantity 'activ_power'"),
        ("letters = 3", "letters = 60", "do not fit"),
        ("at = 100", "at = 65535", "cannot be asked for"),
        ("[modbus]", "[modbus]\nspeed = 3", "unknown key 'speed'"),
        ("title", "titel", "unknown key 'titel'"),
        ("address = 7", "address = 300", "address is 0 to 255, not 300"),
        ('type = "uint16"', 'type = "uint16"\nfunction = 2', "by function 2 is not possible"),
        ("[factors]", '[choices]\npv = { quantity = "stage", others = [] }\n[factors]', "'stage' is no register"),
        ("[factors]", '[choices]\npv = { quantity = "frequency", other = [] }\n[factors]', "unknown key 'other'"),
        ("[modbus]", 'class = "wind"\n[modbus]', "unknown key 'class'|class 'wind'"),
    ],
)
def test_a_wrong_rich_file_is_told(before: str, after: str, words: str) -> None:
    assert before in RICH
    with pytest.raises(MapError, match=rf"x\.toml: .*({words})"):
        load("x", RICH.replace(before, after, 1))
