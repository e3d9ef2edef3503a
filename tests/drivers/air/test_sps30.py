"""What the vectors do not say about the SPS30: its states, its two forms, wiring faults, and what taints values."""

import pytest

from drivers.air.sensirion_sps30 import COMMANDS, ask, guess
from drivers.air.simulated_sps30 import Simulator
from drivers.core import shdlc
from drivers.core.contract import Decoded, DeviceFault, Options, Polled
from drivers.core.polling import Round
from drivers.core.registry import find

SPS30 = find("sensirion-sps30")


def polled() -> Polled:
    assert isinstance(SPS30.kind, Polled)
    return SPS30.kind


def run(one: Simulator, t: float, options: Options | None = None) -> Decoded | None:
    """A whole round with the simulated sensor."""
    round_ = Round.of(polled(), 0, options)
    while (request := round_.request) is not None:
        if not round_.feed(one.answer(request.data, t)):
            round_.timeout()
    return round_.result()


def error_of(reply: bytes) -> int:
    return shdlc.parse_reply(reply).error


def test_a_round_brings_a_sleeping_sensor_back_and_starts_it() -> None:
    one = Simulator(3, 0)
    for name in ("stop", "sleep"):
        assert error_of(one.answer(COMMANDS[name].data, 1.0)) == 0
    assert one.answer(COMMANDS["version"].data, 2.0) == b""
    first = run(one, 3.0)
    assert first is not None
    assert first.values == {}
    assert set(first.quality.values()) == {9}
    assert set(first.quality) == set(SPS30.quantities)
    second = run(one, 4.5)
    assert second is not None
    assert set(second.values) == set(SPS30.quantities)
    assert second.quality == {}


def test_asleep_it_hears_wake_after_the_pulse_or_twice() -> None:
    for pulse in (True, False):
        one = Simulator(3, 0)
        one.answer(COMMANDS["stop"].data, 1.0)
        one.answer(COMMANDS["sleep"].data, 1.0)
        if pulse:
            assert one.answer(COMMANDS["wake_pulse"].data, 5.0) == b""
        else:
            assert one.answer(COMMANDS["wake"].data, 5.0) == b""
        assert error_of(one.answer(COMMANDS["wake"].data, 5.05)) == 0
        assert error_of(one.answer(COMMANDS["wake"].data, 5.1)) == 0x43
    one = Simulator(3, 0)
    one.answer(COMMANDS["stop"].data, 1.0)
    one.answer(COMMANDS["sleep"].data, 1.0)
    one.answer(COMMANDS["wake_pulse"].data, 5.0)
    assert one.answer(COMMANDS["wake"].data, 5.5) == b""  # too late after the pulse


def test_both_forms_tell_the_same_within_a_unit() -> None:
    one = Simulator(3, 0)
    float_form = run(one, 10.0)
    one.answer(COMMANDS["stop"].data, 11.0)
    run(one, 11.0, {"output": "uint16"})
    one = Simulator(3, 0)
    one.answer(COMMANDS["stop"].data, 1.0)
    run(one, 1.0, {"output": "uint16"})
    whole = run(one, 10.0, {"output": "uint16"})
    assert float_form is not None
    assert whole is not None
    for name, value in whole.values.items():
        assert value == pytest.approx(float_form.values[name], abs=0.5)
        assert name == "particle_size" or value == round(value)
    assert whole.values["particle_size"] == 0.52


def test_no_new_value_is_missing_and_never_made_up() -> None:
    one = Simulator(3, 0)
    assert run(one, 10.0) is not None
    again = run(one, 10.4)
    assert again is not None
    assert (again.values, again.info["data_ready"]) == ({}, 0)


@pytest.mark.parametrize(("bit", "flag"), [(1 << 21, 3), (1 << 5, 4), (1 << 4, 4), (1, 3)])
def test_a_set_status_bit_taints_every_value(bit: int, flag: int) -> None:
    one = Simulator(3, 0)
    one.status = bit
    decoded = run(one, 10.0)
    assert decoded is not None
    assert set(decoded.values) == set(SPS30.quantities)
    assert decoded.quality == dict.fromkeys(SPS30.quantities, flag)
    assert decoded.info["device_error"] == 1


def test_old_firmware_knows_no_wake_and_no_status() -> None:
    one, round_ = Simulator(3, 0), Round.of(polled(), 0)
    while (request := round_.request) is not None:
        code, _ = shdlc.parse_question(request.data.removeprefix(b"\xff"))
        unknown = shdlc.framed(bytes((0, code, 2, 0)))
        assert round_.feed(unknown if code in (0x11, 0xD2) else one.answer(request.data, 10.0))
    decoded = round_.result()
    assert decoded is not None
    assert set(decoded.values) == set(SPS30.quantities)
    assert round_.rejected == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("start_float", "FixedBits"), ("status_register", "FixedBits"), ("read_values", "Truncated")],
)
def test_with_joined_wires_the_echo_is_refused(name: str, reason: str) -> None:
    round_ = Round(polled(), (ask(COMMANDS[name].data, {}),))
    assert not round_.feed(COMMANDS[name].data)
    round_.timeout()
    assert round_.rejected[reason] == 1  # type: ignore[index]  # the parameter is one of the reasons
    assert round_.result() is None


def test_anothers_reply_does_not_pass_for_the_answer() -> None:
    round_ = Round(polled(), (ask(COMMANDS["read_values"].data, {}),))
    assert not round_.feed(shdlc.framed(bytes((0, 0xD1, 0, 7, 2, 1, 0, 6, 0, 2, 0))))
    assert round_.feed(shdlc.framed(bytes((0, 3, 0, 0))))
    assert round_.rejected == {}


def test_values_of_an_idle_sensor_are_a_device_fault() -> None:
    one = Simulator(3, 0)
    one.answer(COMMANDS["stop"].data, 1.0)
    round_ = Round(polled(), (ask(COMMANDS["read_values"].data, {}),))
    assert round_.feed(one.answer(COMMANDS["read_values"].data, 2.0))
    with pytest.raises(DeviceFault, match="not allowed in this state"):
        round_.result()


def test_the_simulator_refuses_as_the_real_one() -> None:
    one = Simulator(3, 0)
    assert error_of(one.answer(COMMANDS["sleep"].data, 1.0)) == 0x43
    assert error_of(one.answer(COMMANDS["fan_clean"].data, 1.0)) == 0
    one.answer(COMMANDS["stop"].data, 1.0)
    assert error_of(one.answer(COMMANDS["fan_clean"].data, 1.0)) == 0x43
    assert error_of(one.answer(shdlc.question(0x00, b"\x01\x09"), 1.0)) == 0x04
    assert error_of(one.answer(shdlc.question(0x00, b"\x01"), 1.0)) == 0x01
    assert error_of(one.answer(shdlc.question(0x99), 1.0)) == 0x02
    assert one.answer(COMMANDS["stop"].data[:-2] + b"\x00\x7e", 1.0) == b""
    assert error_of(one.answer(shdlc.question(0x80, b"\0" + (3600).to_bytes(4, "big")), 1.0)) == 0
    assert shdlc.parse_reply(one.answer(COMMANDS["get_auto_clean_interval"].data, 1.0)).data == b"\0\0\x0e\x10"


def test_a_lone_reply_finds_its_question() -> None:
    reply = shdlc.framed(bytes((0, 0xD1, 0, 7, 2, 1, 0, 6, 0, 2, 0)))
    assert guess(reply, {}) == (COMMANDS["version"].data, True)
    assert guess(b"\x00", {}) == (COMMANDS["read_values"].data, False)
