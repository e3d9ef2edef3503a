"""Command bytes against published ones, and simulators that answer them like the instruments do."""

from collections.abc import Mapping

import pytest

from drivers.air import honeywell, nova, plantower, sensirion_sps30, winsen_mhz19, winsen_ze07co, winsen_zh03b
from drivers.core.commands import Command
from drivers.core.contract import Instrument, Listening
from drivers.core.listening import Listener
from drivers.core.registry import find
from drivers.core.vectors import of_driver

COMMANDS: dict[str, Mapping[str, Command]] = {
    "plantower-pmsx003": plantower.COMMANDS,
    "plantower-pms5003t": plantower.COMMANDS,
    "plantower-pms5003st": plantower.COMMANDS,
    "nova-sds011": nova.COMMANDS,
    "nova-sds198": nova.COMMANDS,
    "winsen-zh03b": winsen_zh03b.COMMANDS,
    "winsen-ze07co": winsen_ze07co.COMMANDS,
    "winsen-mhz19": winsen_mhz19.COMMANDS,
    "honeywell-hpma115s0": honeywell.COMMANDS,
    "honeywell-hpma115c0": honeywell.COMMANDS,
    "sensirion-sps30": sensirion_sps30.COMMANDS,
}


def simulated(name: str) -> Instrument:
    driver = find(name)
    assert driver.simulate is not None
    return driver.simulate(3, driver.default_address or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_bytes_and_replies_are_the_published_ones(name: str) -> None:
    published = {case.id: case for case in of_driver(find(name)).commands}
    for key, command in COMMANDS[name].items():
        assert command.data == published[key].data, key
        reply = published[key].reply
        assert bool(command.reply) == (reply is not None), key
        if reply is not None:
            assert command.is_acknowledged_by(reply), key
            if name != "sensirion-sps30":  # there both begin alike; its replies are told apart by `ask`
                assert not command.is_acknowledged_by(published[key].data), key


@pytest.mark.parametrize("name", [n for n in COMMANDS if isinstance(find(n).kind, Listening)])
def test_the_start_is_made_of_known_commands(name: str) -> None:
    kind = find(name).kind
    assert isinstance(kind, Listening)
    assert kind.start
    assert set(kind.start) <= set(COMMANDS[name].values())
    assert all(command.name == key for key, command in COMMANDS[name].items() if command in kind.start)


@pytest.mark.parametrize("name", ["plantower-pmsx003", "plantower-pms5003t", "plantower-pms5003st"])
def test_plantower_sleeps_wakes_and_waits_to_be_asked(name: str) -> None:
    one, say = simulated(name), plantower.COMMANDS
    assert one.tick(1.0)
    assert say["sleep"].is_acknowledged_by(one.answer(say["sleep"].data, 2.0))
    assert one.tick(3.0) == b""
    assert one.answer(say["wake"].data, 4.0) == b""
    assert one.tick(5.0)
    assert say["passive_mode"].is_acknowledged_by(one.answer(say["passive_mode"].data, 6.0))
    assert one.tick(7.0) == b""
    listener = Listener(find(name))
    assert len(listener.feed(one.answer(say["passive_read"].data, 8.0))) == 1
    assert say["active_mode"].is_acknowledged_by(one.answer(say["active_mode"].data, 9.0))
    assert one.tick(10.0)
    assert one.answer(b"\x42\x4d\xe2\x00\x00\x01\x72", 11.0) == b""  # a wrong sum is not heard
    assert listener.rejected == {}


def test_pms3003_hears_nothing() -> None:
    one = simulated("plantower-pms3003")
    assert one.answer(plantower.COMMANDS["sleep"].data, 1.0) == b""
    assert one.tick(2.0)
