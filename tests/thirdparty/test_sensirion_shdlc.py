"""Sensirion's own SHDLC driver: its frames beside ours, and its port on our simulated SPS30."""

from __future__ import annotations

import random
import struct

from sensirion_shdlc_driver.serial_frame_builder import ShdlcSerialMisoFrameBuilder, ShdlcSerialMosiFrameBuilder

from drivers.core import shdlc
from drivers.core.contract import Decoded
from drivers.core.polling import Round
from drivers.core.registry import find

SPS30 = find("sensirion-sps30")


def test_questions_are_theirs_byte_by_byte() -> None:
    dice = random.Random(4)
    for _ in range(2000):
        address, command, data = dice.randrange(256), dice.randrange(256), dice.randbytes(dice.randrange(40))
        assert shdlc.question(command, data, address) == bytes(
            ShdlcSerialMosiFrameBuilder(address, command, data).to_bytes()
        )


def test_answers_mean_the_same_to_both() -> None:
    dice = random.Random(5)
    for _ in range(2000):
        told = bytes((dice.randrange(256), dice.randrange(256), dice.randrange(256)))
        data = dice.randbytes(dice.randrange(40))
        frame = shdlc.framed(told + bytes((len(data),)) + data)
        theirs = ShdlcSerialMisoFrameBuilder()
        assert theirs.add_data(frame)
        address, command, state, got = theirs.interpret_data()
        ours = shdlc.parse_reply(frame)
        assert (address, command, state & 0x7F, state >> 7 == 1, bytes(got)) == (
            ours.address,
            ours.command,
            ours.error,
            ours.has_status,
            ours.data,
        )


def test_a_whole_round_is_read_alike() -> None:
    instrument = SPS30.simulate(3, 0)
    for second in range(1, 30):
        one = Round.of(SPS30.kind, 0, {"output": "float"})
        reply = b""
        while (request := one.request) is not None:
            reply = instrument.answer(request.data, 1000.0 + second)
            assert one.feed(reply)
        theirs = ShdlcSerialMisoFrameBuilder()
        theirs.add_data(reply)
        _, command, _, data = theirs.interpret_data()
        ours = one.result()
        assert isinstance(ours, Decoded)
        assert command == 3
        values = struct.unpack(">10f", bytes(data))
        assert [f"{value:.7g}" for value in values] == [f"{value:.7g}" for value in ours.values.values()]
