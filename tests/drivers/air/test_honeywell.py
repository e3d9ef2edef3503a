"""What the vectors do not say about the HPMA115: modes, and answers among its own frames."""

import pytest

from drivers.air.honeywell import COMMANDS, NO, START, closed
from drivers.core.contract import Decoded, Implausible, Instrument
from drivers.core.listening import Listener
from drivers.core.registry import find

NAMES = ["honeywell-hpma115s0", "honeywell-hpma115c0"]


def simulated(name: str) -> Instrument:
    make = find(name).simulate
    assert make is not None
    return make(3, 0)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_between_its_own_frames(name: str) -> None:
    one, listener = simulated(name), Listener(find(name))
    stream = one.tick(5.0) + one.answer(COMMANDS["read"].data, 5.0) + one.tick(6.0)
    first, second, third = listener.feed(stream)
    assert isinstance(first, Decoded)
    assert isinstance(second, Decoded)
    assert isinstance(third, Decoded)
    assert first.values == second.values
    assert listener.rejected == {}


@pytest.mark.parametrize("name", NAMES)
def test_stop_start_and_auto_send(name: str) -> None:
    one = simulated(name)
    for key in ("stop_auto_send", "stop"):
        assert COMMANDS[key].is_acknowledged_by(one.answer(COMMANDS[key].data, 1.0))
    assert one.tick(2.0) == b""
    assert one.answer(COMMANDS["read"].data, 2.0) == NO
    assert COMMANDS["get_coefficient"].is_acknowledged_by(one.answer(COMMANDS["get_coefficient"].data, 2.0))
    for command in START:
        assert command.is_acknowledged_by(one.answer(command.data, 3.0))
    assert one.tick(4.0)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_sensor_does_not_understand(name: str) -> None:
    one = simulated(name)
    assert one.answer(closed(b"\x68\x01\x77"), 1.0) == NO
    assert one.answer(b"\x68\x01\x04\x94", 1.0) == b""
    assert one.answer(b"\x68\x02\x04\x92", 1.0) == b""


def test_one_model_does_not_take_the_others_answer() -> None:
    for name, other in (NAMES, NAMES[::-1]):
        listener = Listener(find(name))
        listener.feed(simulated(other).answer(COMMANDS["read"].data, 1.0))
        listener.finish()
        assert listener.readings == 0
        assert listener.rejected


def test_dust_beyond_physics_is_refused() -> None:
    (refusal,) = Listener(find("honeywell-hpma115s0")).feed(closed(b"\x40\x05\x04\xff\xff\x00\x01"))
    assert isinstance(refusal, Implausible)
