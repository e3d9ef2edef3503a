"""The dialogues without any port: silence, refusals, probes that find another modem, Ebyte's registers."""

from __future__ import annotations

import pytest

from gateway.lora.modems.ebyte import EbyteTalk, Model
from gateway.lora.modems.events import Packet
from gateway.lora.modems.kinds import DIALOGUES
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.modems.talk import TRIES
from gateway.sim.radio_modem import Modem

REYAX = DIALOGUES["rylr998"]


def answered(dialogue, modem: Modem, said) -> list[object]:  # type: ignore[no-untyped-def]
    """Let them talk until neither has anything to say; the events."""
    events = [*said.events]
    while said.write:
        said = dialogue.feed(modem.feed(said.write))
        events += said.events
    return events


def test_a_modem_that_does_not_answer_is_asked_again_and_then_rested() -> None:
    talk = REYAX(RadioSettings())
    assert talk.start().write == b"AT\r\n"
    for _ in range(TRIES - 1):
        assert talk.on_timeout().write == b"AT\r\n"
    assert talk.on_timeout().write == b""
    assert talk.problem == "AT: no answer"
    rest_s = talk.timeout_s
    assert rest_s is not None
    assert rest_s > 5
    assert talk.on_timeout().write == b"AT\r\n"  # and from the beginning
    modem = Modem("rylr998")
    answered(talk, modem, talk.feed(b"+OK\r\n"))
    assert (talk.is_listening, talk.problem) == (True, "")


def test_a_packet_between_a_command_and_its_answer_is_heard() -> None:
    talk, modem = REYAX(RadioSettings()), Modem("rylr998")
    said = talk.start()
    early = talk.feed(b"+RCV=1,2,ab,-50,4\r\n")
    assert early.events == (Packet(b"ab", -50, 4, 1),)
    assert early.write == b""
    answered(talk, modem, said)
    assert talk.is_listening


def test_a_probe_that_finds_other_settings_sets_the_modem_up_again() -> None:
    talk, modem = REYAX(RadioSettings()), Modem("rylr998")
    answered(talk, modem, talk.start())
    assert (talk.is_listening, talk.resets) == (True, 0)
    modem.settings["PARAMETER"] = "12,7,1,4"  # it was reset, and its banner was lost
    said = talk.on_timeout()
    assert said.write == b"AT+BAND?\r\n"
    answered(talk, modem, said)
    while not talk.is_listening or talk.timeout_s != 60.0:
        answered(talk, modem, talk.on_timeout())
    assert talk.resets == 1
    assert modem.settings["PARAMETER"] == "9,7,1,12"
    answered(talk, modem, talk.on_timeout())
    assert talk.resets == 1


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("e22", "c00007000012620049 80"),
        ("e220", "c0000600006200 49 80"),
        ("e32", "c000001a 3d 44"),
    ],
)
def test_ebyte_s_registers(model: Model, written: str) -> None:
    frequency_hz = 923_000_000 if model == "e32" else 923_125_000
    wanted = bytes.fromhex(written)
    good = wanted if model == "e32" else b"\xc1" + wanted[1:]
    wrong = bytearray(good)
    wrong[-2] ^= 1
    for answer, problem in ((good, False), (bytes(wrong), True), (b"", False)):
        talk = EbyteTalk(model, RadioSettings(frequency_hz=frequency_hz))
        assert talk.start().write == wanted
        talk.feed(answer)
        if not answer:
            talk.on_timeout()  # in another mode: it listens already
        assert talk.is_listening
        assert bool(talk.problem) == problem
        talk.feed(b"\x40" * 14 + b"\xc0")
        has_rssi = model != "e32"
        packet = Packet(b"\x40" * 14, -64.0) if has_rssi else Packet(b"\x40" * 14 + b"\xc0")
        assert talk.on_timeout().events == (packet,)
    silent = EbyteTalk(model, RadioSettings(frequency_hz=frequency_hz, is_set_up=False))
    assert silent.start().write == b""
    assert silent.is_listening
