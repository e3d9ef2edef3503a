"""What the vectors do not say about Nova's sensors: replies among frames, sleep, periods, trust after noise."""

import pytest

from drivers.air.nova import COMMANDS
from drivers.core.contract import Decoded, Implausible, Instrument
from drivers.core.listening import Listener
from drivers.core.registry import find


def simulated(name: str) -> Instrument:
    make = find(name).simulate
    assert make is not None
    return make(3, 0)


@pytest.mark.parametrize("name", ["nova-sds011", "nova-sds198"])
def test_sleeps_and_wakes_at_the_second_call(name: str) -> None:
    one = simulated(name)
    assert COMMANDS["sleep"].is_acknowledged_by(one.answer(COMMANDS["sleep"].data, 1.0))
    assert one.tick(2.0) == b""
    assert one.answer(COMMANDS["firmware"].data, 3.0) == b""
    state = one.answer(COMMANDS["get_sleep_work"].data, 4.0)
    assert COMMANDS["get_sleep_work"].is_acknowledged_by(state)
    assert state[4] == 0
    noise = one.answer(COMMANDS["wake"].data, 5.0)
    assert not COMMANDS["wake"].is_acknowledged_by(noise)
    assert one.tick(6.0) == b""
    assert COMMANDS["wake"].is_acknowledged_by(one.answer(COMMANDS["wake"].data, 7.0))
    assert one.tick(8.0)


def test_query_mode_waits_to_be_asked() -> None:
    one, listener = simulated("nova-sds011"), Listener(find("nova-sds011"))
    one.answer(COMMANDS["set_query_mode"].data, 1.0)
    assert one.answer(COMMANDS["get_mode"].data, 1.5)[4] == 1
    assert one.tick(2.0) == b""
    (reading,) = listener.feed(one.answer(COMMANDS["query_data"].data, 3.0))
    assert isinstance(reading, Decoded)
    assert one.answer(COMMANDS["query_data"].data[:-2] + b"\x03\xab", 4.0) == b""  # a wrong sum is not heard


def test_a_working_period_reports_once() -> None:
    one = simulated("nova-sds011")
    one.answer(COMMANDS["set_period_1min"].data, 0.0)
    assert sum(bool(one.tick(float(t))) for t in range(120)) == 2
    one.answer(COMMANDS["set_period_continuous"].data, 120.0)
    assert sum(bool(one.tick(float(t))) for t in range(120, 130)) == 10


def test_the_start_brings_back_a_sensor_that_was_left_asleep_in_query_mode_with_a_period() -> None:
    from drivers.air.nova import START
    from drivers.core.commands import Setup

    one = simulated("nova-sds011")
    for name in ("set_period_1min", "set_query_mode", "sleep"):
        one.answer(COMMANDS[name].data, 1.0)
    setup = Setup(START)
    while (command := setup.command) is not None:
        if not setup.hear(one.answer(command.data, 2.0)):
            setup.timeout()
    assert setup.troubles == []
    assert all(one.tick(float(t)) for t in range(3, 8))


def test_replies_are_frames_but_no_readings() -> None:
    listener = Listener(find("nova-sds011"))
    one = simulated("nova-sds011")
    stream = one.tick(1.0) + one.answer(COMMANDS["wake"].data, 1.1) + one.tick(2.0)
    assert len(listener.feed(stream)) == 2
    assert (listener.frames, listener.readings, listener.rejected) == (3, 2, {})


def test_after_noise_the_first_frame_is_not_believed() -> None:
    listener, one = Listener(find("nova-sds011")), simulated("nova-sds011")
    listener.feed(b"\xad\x50\x10\x5e\xdd" + one.tick(1.0) + one.tick(2.0))
    assert (listener.readings, dict(listener.rejected)) == (1, {"FixedBits": 1, "Integrity": 1})


def test_dust_beyond_physics_is_refused() -> None:
    (refusal,) = Listener(find("nova-sds011")).feed(bytes.fromhex("aac0ffff000000 00feab"))
    assert isinstance(refusal, Implausible)
