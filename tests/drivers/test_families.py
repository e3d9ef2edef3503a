"""What the families promise beyond their vectors."""

from itertools import pairwise

import pytest

from drivers.core import vectors
from drivers.core.checksums import sum16
from drivers.core.contract import Decoded, DeviceFault, Implausible, Listening, Rejection
from drivers.core.listening import Listener
from drivers.core.registry import find

PMS = find("plantower-pmsx003")
FF4 = find("ultrasonic-ff4")


def pms_frame(words: list[int], version: int = 0x97, error: int = 0) -> bytes:
    body = b"\x42\x4d\x00\x1c" + b"".join(w.to_bytes(2, "big") for w in words) + bytes((version, error))
    return body + (sum(body) & 0xFFFF).to_bytes(2, "big")


def ff4(mm: int) -> bytes:
    body = b"\xff" + mm.to_bytes(2, "big")
    return body + bytes((sum(body) & 255,))


def one(listener: Listener, data: bytes) -> Decoded | Rejection:
    (item,) = listener.feed(data)
    return item


def test_pms_headline_is_atmospheric_and_cf1_stands_beside_it() -> None:
    item = one(Listener(PMS), pms_frame([10, 20, 30, 7, 14, 21, 2100, 700, 70, 7, 3, 1]))
    assert isinstance(item, Decoded)
    assert item.values["pm2_5"] == 14
    assert item.values["pm2_5_cf1"] == 20
    assert item.values["pn_above_0_3"] == 21.0
    assert item.info == {"version": 0x97, "error_code": 0}


def test_pms_error_code_is_the_devices_fault() -> None:
    item = one(Listener(PMS), pms_frame([1] * 12, error=5))
    assert isinstance(item, DeviceFault)
    assert "0x05" in str(item)


def test_pms_impossible_mass_is_refused() -> None:
    assert isinstance(one(Listener(PMS), pms_frame([1, 2, 3, 1, 5001, 3, *[0] * 6])), Implausible)


def test_pms_clean_air_is_a_reading() -> None:
    item = one(Listener(PMS), pms_frame([0] * 12))
    assert isinstance(item, Decoded)
    assert item.quality == {}


def test_pms_largest_counts_are_possible() -> None:
    assert isinstance(one(Listener(PMS), pms_frame([1] * 6 + [65535] * 6)), Decoded)


def test_pms_commands_have_their_sums_and_the_simulator_answers_them() -> None:
    commands = {case.id: case for case in vectors.of_driver(PMS).commands}
    assert len(commands) == 5
    assert PMS.simulate is not None
    sensor = PMS.simulate(1, 0)
    for case in commands.values():
        for frame in (case.data, case.reply):
            assert frame is None or sum16(frame[:-2]).to_bytes(2, "big") == frame[-2:]
    for name in ("passive_mode", "sleep", "active_mode"):
        assert sensor.answer(commands[name].data, 1.0) == commands[name].reply
        assert (sensor.tick(2.0) == b"") == (name != "active_mode")
    assert len(sensor.answer(commands["passive_read"].data, 1.0)) == 32
    assert sensor.answer(commands["wake"].data, 1.0) == b""
    assert sensor.answer(b"\x42\x4d\xe2\x00\x00\x01\x72", 1.0) == b""


@pytest.mark.parametrize(
    ("variant", "mm", "outcome"),
    [
        ("a02", 30, "Implausible"),
        ("a02", 31, 0.031),
        ("a02", 4500, 4.5),
        ("a02", 4501, "Implausible"),
        ("a01", 280, "Implausible"),
        ("a01", 7500, 7.5),
        ("me007ys", 281, 0.281),
        ("jsn-sr04t", 6001, "Implausible"),
        ("a02", 0, "DeviceFault"),
        ("a01", 0, "DeviceFault"),
    ],
)
def test_ff4_ranges(variant: str, mm: int, outcome: float | str) -> None:
    item = one(Listener(FF4, {"variant": variant}), ff4(mm))
    if isinstance(outcome, str):
        assert isinstance(item, Rejection)
        assert item.reason == outcome
    else:
        assert isinstance(item, Decoded)
        assert item.values == {"distance": outcome}


def test_ff4_no_echo_does_not_cost_the_next_reading() -> None:
    kinds = [type(i).__name__ for i in Listener(FF4).feed(ff4(1000) + ff4(0) + ff4(1001))]
    assert kinds == ["Decoded", "DeviceFault", "Decoded"]


def test_ff4_sum_follows_the_configuration_and_not_the_frame() -> None:
    for variant in FF4.options["variant"].choices:
        with_header, without = ff4(1000), b"\xff\x03\xe8\xeb"
        right = without if variant == "aj-sr04m" else with_header
        wrong = with_header if variant == "aj-sr04m" else without
        assert isinstance(Listener(FF4, {"variant": variant}).feed(right)[0], Decoded)
        assert not any(isinstance(i, Decoded) for i in Listener(FF4, {"variant": variant}).feed(wrong * 3))


@pytest.mark.parametrize("driver", [PMS, FF4], ids=lambda d: d.name)
def test_simulators_move_and_repeat_themselves(driver: object) -> None:
    assert driver in (PMS, FF4)
    made = PMS.simulate if driver is PMS else FF4.simulate
    assert made is not None
    frames = [made(7, 0).tick(t) for t in range(0, 7200, 60)]
    assert frames == [made(7, 0).tick(t) for t in range(0, 7200, 60)]
    assert len(set(frames)) > 60
    assert made(8, 0).tick(0) != frames[0]


def test_simulated_canal_rises_and_falls_within_its_banks() -> None:
    assert FF4.simulate is not None
    gauge, listener = FF4.simulate(3, 0), Listener(FF4)
    items = [listener.feed(gauge.tick(float(t)))[0] for t in range(0, 90_000, 30)]
    levels = [item.values["distance"] for item in items if isinstance(item, Decoded)]
    assert len(levels) == len(items)
    assert 0.5 < max(levels) - min(levels) < 0.8
    assert max(abs(a - b) for a, b in pairwise(levels)) < 0.05


def test_decode_is_pure_of_options_it_does_not_know() -> None:
    assert isinstance(PMS.kind, Listening)
    assert PMS.kind.decode(pms_frame([1] * 12), {"anything": 1}) == PMS.kind.decode(pms_frame([1] * 12), {})
