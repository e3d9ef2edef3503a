"""What registers of water instruments mean beyond their vectors: units, decimals, states and choices."""

import struct

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, DeviceFault, Options, Polled
from drivers.core.polling import Round
from drivers.core.registry import find


def decode(name: str, start: int, data: bytes, options: Options | None = None, function: int = 3) -> Decoded:
    kind = find(name).kind
    assert isinstance(kind, Polled)
    request = kind.ask(modbus.question(modbus.Read(9, function, start, len(data) // 2)), {})
    reply = modbus.closed(bytes((9, function, len(data))) + data)
    return kind.decode(((request, reply),), options or {})


def probe(unit: int, decimals: int, raw: int) -> bytes:
    return struct.pack(">HHHHhHH", 1, 3, unit, decimals, raw, 0, 5000)


@pytest.mark.parametrize(
    ("unit", "decimals", "raw", "options", "depth"),
    [
        (17, 1, 1534, {}, 1.534),
        (17, 0, 153, {}, 1.53),
        (16, 3, 1534, {}, 1.534),
        (16, 2, -3, {}, -0.03),
        (18, 3, 1534, {"unit_m": 1.0}, 1.534),
        (18, 0, 1534, {"unit_m": 0.001}, 1.534),
        (17, 9, 1534, {"resolution": 0.1}, 1.534),
    ],
)
def test_qdy30a(unit: int, decimals: int, raw: int, options: Options, depth: float) -> None:
    decoded = decode("qdy30a", 0, probe(unit, decimals, raw), options)
    assert decoded.values == {"water_depth": pytest.approx(depth)}
    assert decoded.info["unit_code"] == unit


@pytest.mark.parametrize(("unit", "decimals", "words"), [(18, 1, "unit_m"), (19, 1, "unit_m"), (17, 4, "resolution")])
def test_qdy30a_makes_no_level_of_codes_it_does_not_know(unit: int, decimals: int, words: str) -> None:
    with pytest.raises(DeviceFault, match=f"does not tell {words}.*set the option"):
        decode("qdy30a", 0, probe(unit, decimals, 26))


@pytest.mark.parametrize(("code", "stage"), [(45, 2.5), (48, 0.025), (49, 0.0025), (44, 0.762), (47, 0.0635)])
def test_the_vegapuls_s_unit(code: int, stage: float) -> None:
    kind = find("vegapuls-c").kind
    assert isinstance(kind, Polled)
    replies = {
        104: code.to_bytes(2, "big"),
        2000: struct.pack(">If", 0, 2.5),
        2303: struct.pack(">fff", 1.25, 30, 0),
    }
    one = Round.of(kind, 246)
    while (request := one.request) is not None:
        data = replies[modbus.parse_question(request.data).start]
        assert one.feed(modbus.closed(bytes((246, 4, len(data))) + data))
    decoded = one.result()
    assert decoded is not None
    assert decoded.values == {"stage": pytest.approx(stage), "distance": 1.25, "echo_strength": 30}
    assert decoded.info == {"status": 0, "device_status": "good"}


def test_the_vegapuls_s_primary_value_may_be_a_depth() -> None:
    decoded = decode("vegapuls-c", 2000, struct.pack(">If", 0, 2.5), {"primary_value": "water_depth"}, 4)
    assert decoded.values == {"water_depth": 2.5}


def test_an_invalid_primary_value_is_missing_and_the_distance_stands() -> None:
    kind = find("vegapuls-c").kind
    assert isinstance(kind, Polled)
    parts = ((2000, struct.pack(">If", 1, 2.5)), (2303, struct.pack(">fff", 1.25, 30, 0)))
    exchanges = []
    for start, data in parts:
        request = kind.ask(modbus.question(modbus.Read(246, 4, start, len(data) // 2)), {})
        exchanges.append((request, modbus.closed(bytes((246, 4, len(data))) + data)))
    decoded = kind.decode(tuple(exchanges), {})
    assert decoded.values == {"distance": 1.25, "echo_strength": 30}
    assert decoded.quality == {"stage": 9}


def test_a_probe_of_old_firmware_is_asked_for_two_registers_at_most() -> None:
    kind = find("keller-series30").kind
    assert isinstance(kind, Polled)
    reads = [modbus.parse_question(request.data) for request in kind.requests(1, {})]
    assert [(read.start, read.count) for read in reads] == [(2, 2), (8, 2)]


def test_rain_is_a_counter_in_the_gauge_s_own_steps() -> None:
    for step, value in ((0.1, 53.6), (0.2, 107.2), (0.5, 268.0), (0.254, 136.144)):
        decoded = decode("rs485-rain-gauge", 0, (536).to_bytes(2, "big"), {"mm_per_count": step})
        assert decoded.values["rain_counter"] == pytest.approx(value, abs=1e-12)
    assert find("rs485-rain-gauge").options["mm_per_count"].default == 0.1
