"""What the vectors do not say about Winsen's sensors: modes, dormancy, and answers that are not the asked one's."""

import pytest

from drivers.air import _winsen, winsen_mhz19, winsen_ze07co, winsen_zh03b
from drivers.core.commands import Command
from drivers.core.contract import Decoded, DeviceFault, Driver, FixedBits, Implausible, Instrument, Polled, Rejection
from drivers.core.listening import Listener
from drivers.core.polling import Round
from drivers.core.registry import find

MHZ19 = find("winsen-mhz19")


def simulated(driver: Driver, address: int = 1) -> Instrument:
    assert driver.simulate is not None
    return driver.simulate(3, address)


def asked(name: str) -> Round:
    assert isinstance(MHZ19.kind, Polled)
    return Round(MHZ19.kind, (MHZ19.kind.ask(winsen_mhz19.COMMANDS[name].data, {}),))


@pytest.mark.parametrize(
    ("name", "commands"), [("winsen-zh03b", winsen_zh03b.COMMANDS), ("winsen-ze07co", winsen_ze07co.COMMANDS)]
)
def test_question_mode_and_back(name: str, commands: dict[str, Command]) -> None:
    driver = find(name)
    one, listener = simulated(driver), Listener(driver)
    assert len(listener.feed(one.tick(1.0))) == 1
    one.answer(commands["set_qa_mode"].data, 2.0)
    assert one.tick(3.0) == b""
    reply = one.answer(commands["read"].data, 4.0)
    assert commands["read"].is_acknowledged_by(reply)
    one.answer(commands["set_initiative_mode"].data, 4.0)
    uploaded, answered = listener.feed(one.tick(4.0) + reply)
    assert isinstance(uploaded, Decoded)
    assert isinstance(answered, Decoded)
    assert uploaded.values == answered.values
    assert listener.rejected == {}


def test_zh03b_sleeps_and_the_start_wakes_it() -> None:
    one = simulated(find("winsen-zh03b"))
    reply = one.answer(winsen_zh03b.COMMANDS["dormant_on"].data, 1.0)
    assert winsen_zh03b.COMMANDS["dormant_on"].is_acknowledged_by(reply)
    one.answer(winsen_zh03b.COMMANDS["set_qa_mode"].data, 1.0)
    assert one.tick(2.0) == b""
    assert one.answer(winsen_zh03b.COMMANDS["read"].data, 3.0) == b""
    for command in winsen_zh03b.START:
        one.answer(command.data, 4.0)
    assert one.tick(5.0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_winsen.reply(4, 3, 1, 0x80, 5, 0x13, 0x88), DeviceFault),
        (_winsen.reply(4, 9, 1, 0, 5, 0x13, 0x88), FixedBits),
        (_winsen.reply(4, 3, 4, 0, 5, 0x13, 0x88), FixedBits),
        (_winsen.reply(4, 3, 0, 0x7F, 0xFF, 0x7F, 0xFF), Implausible),
    ],
)
def test_ze07co_refusals(data: bytes, reason: type[Exception]) -> None:
    (refusal,) = Listener(find("winsen-ze07co")).feed(data)
    assert isinstance(refusal, reason)


def test_ze07co_decimals_are_the_frames_own() -> None:
    (reading,) = Listener(find("winsen-ze07co")).feed(_winsen.reply(4, 3, 0, 0, 37, 1, 0xF4))
    assert isinstance(reading, Decoded)
    assert reading.values == {"co": 37.0}
    assert reading.info["full_range_ppm"] == "500"


def test_a_late_acknowledgement_does_not_pass_for_an_answer() -> None:
    one = asked("read_co2")
    assert not one.feed(_winsen.reply(0x79, 1))
    assert one.feed(bytes.fromhex("ff86027c42000000ba"))
    decoded = one.result()
    assert decoded is not None
    assert decoded.values == {"co2": 636.0, "device_temperature": 26.0}
    assert one.discarded == 9
    assert one.rejected == {}


def test_a_read_answer_does_not_pass_for_an_acknowledgement() -> None:
    one = asked("abc_off")
    assert not one.feed(bytes.fromhex("ff86027c42000000ba"))
    assert one.feed(_winsen.reply(0x79, 1))
    decoded = one.result()
    assert decoded is not None
    assert decoded.values == {}


def test_a_stuck_sensor_is_told_as_a_device_fault() -> None:
    one = asked("read_co2")
    assert one.feed(bytes.fromhex("424d0c9c09ad0213012800 00e2000613"))
    with pytest.raises(DeviceFault, match="answers no question"):
        one.result()


def test_the_simulator_answers_to_its_own_number_only() -> None:
    one = simulated(MHZ19, address=1)
    assert one.answer(_winsen.command(_winsen.READ, sensor=2), 1.0) == b""
    assert one.answer(_winsen.command(_winsen.READ)[:-1] + b"\x7a", 1.0) == b""
    assert one.tick(1.0) == b""
    calibrate = _winsen.command(0x87)
    assert calibrate.hex(" ") == "ff 01 87 00 00 00 00 00 78"
    assert one.answer(calibrate, 2.0) == b""
    reading = asked("read_co2")
    reading.feed(one.answer(winsen_mhz19.COMMANDS["read_co2"].data, 2.0))
    decoded = reading.result()
    assert decoded is not None
    assert decoded.values["co2"] == 400.0


@pytest.mark.parametrize(
    ("data", "reason"),
    [("ff0186", "Truncated"), ("fe0186000000000079", "FixedBits"), ("ff0186000000000078", "Integrity")],
)
def test_a_wrong_question_is_refused(data: str, reason: str) -> None:
    with pytest.raises(Rejection) as caught:
        winsen_mhz19.ask(bytes.fromhex(data), {})
    assert caught.value.reason == reason


def test_a_lone_reply_finds_its_question() -> None:
    assert winsen_mhz19.guess(bytes.fromhex("ff86027c42000000ba"), {}) == (
        winsen_mhz19.COMMANDS["read_co2"].data,
        True,
    )
    assert winsen_mhz19.guess(_winsen.reply(0x79, 1), {})[0] == winsen_mhz19.COMMANDS["abc_on"].data
    assert winsen_mhz19.guess(b"", {}) == (winsen_mhz19.COMMANDS["read_co2"].data, False)
