"""SHDLC's stuffing and framing against published frames, and against a plain second way of unstuffing."""

import random

import pytest

from drivers.core import shdlc
from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated

EMPTY = bytes.fromhex("7e 00 03 00 00 fc 7e")  # SPS30 datasheet 5.3.3
STUFFED = bytes.fromhex("7e 00 7d 31 00 00 ee 7e")  # bertrik/sps30: reply to wake


def kinds(items: list[bytes | Rejection]) -> list[object]:
    return [item if isinstance(item, bytes) else type(item) for item in items]


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        ("00 00 02 01 03", "7e 00 00 02 01 03 f9 7e"),  # Sensirion/embedded-uart-sps: start
        ("00 11 00", "7e 00 7d 31 00 ee 7e"),  # bertrik/sps30: wake
        ("00 80 01 00", "7e 00 80 01 00 7d 5e 7e"),  # the check itself is stuffed
    ],
)
def test_published_frames(data: str, frame: str) -> None:
    assert shdlc.framed(bytes.fromhex(data)).hex(" ") == frame


def test_unstuffing_is_the_way_back_and_takes_no_byte_twice() -> None:
    dice = random.Random(2)
    for _ in range(500):
        data = bytes(dice.choice(b"\x7e\x7d\x11\x13\x5e\x5d\x31\x33\x00") for _ in range(dice.randrange(30)))
        wire = shdlc.stuffed(data)
        assert not set(wire) & {0x7E, 0x11, 0x13}
        plain, at = bytearray(), 0
        while at < len(wire):
            plain.append(wire[at + 1] ^ 0x20 if wire[at] == 0x7D else wire[at])
            at += 1 + (wire[at] == 0x7D)
        assert bytes(plain) == data == shdlc.unstuffed(wire)


@pytest.mark.parametrize("data", ["7d c6", "00 7d", "7d 7d 5d"])
def test_an_escape_that_there_is_not(data: str) -> None:
    with pytest.raises(FixedBits):
        shdlc.unstuffed(bytes.fromhex(data))


def test_state_and_length() -> None:
    reply = shdlc.parse_reply(shdlc.framed(bytes((0, 3, 0xC3, 2, 0x7E, 0x11))))
    assert reply == shdlc.Reply(0, 3, 0x43, True, b"\x7e\x11")
    with pytest.raises(Truncated, match="length says 9"):
        shdlc.parse_reply(shdlc.framed(bytes((0, 3, 0, 9, 1))))
    with pytest.raises(Integrity):
        shdlc.parse_reply(EMPTY[:-2] + b"\xfd\x7e")


def test_a_lone_flag_swallows_nothing() -> None:
    one = shdlc.ReplyFramer(40)
    assert kinds(one.feed(b"\x00\x7e" + EMPTY + b"\x7e" + STUFFED)) == [FixedBits, EMPTY, STUFFED]
    assert one.discarded == 3


def test_the_flag_that_ends_a_bad_frame_may_begin_the_next() -> None:
    one = shdlc.ReplyFramer(40)
    assert kinds(one.feed(b"\x7e\x01\x02" + EMPTY)) == [Truncated, EMPTY]
    assert one.discarded == 3
    assert kinds(one.feed(EMPTY[:-2] + b"\x00" + EMPTY)) == [Integrity, EMPTY]


def test_no_end_is_refused_by_size_and_by_silence() -> None:
    one = shdlc.ReplyFramer(4)
    assert one.feed(b"\x7e" + bytes(18)) == []
    assert kinds(one.feed(b"\x00")) == [Truncated]
    assert one.held == 0
    assert one.feed(EMPTY[:-1]) == []
    assert kinds(one.finish()) == [Truncated]
    assert kinds(one.feed(b"\x7e" + bytes(12) + b"\x7e")) == [Integrity]
    assert one.finish() == []  # the last flag belonged to what was refused


def test_too_long_between_flags() -> None:
    one = shdlc.ReplyFramer(4)
    assert kinds(one.feed(b"\x7e" + bytes(40) + EMPTY)) == [Truncated, EMPTY]


def test_noise_is_bounded_and_accounted_for_to_the_byte() -> None:
    dice = random.Random(9)
    one, taken = shdlc.ReplyFramer(40), 0
    stream = b"".join(dice.choice((EMPTY, b"\x7e", b"\x7d", b"\x00\x03", STUFFED)) for _ in range(8000))
    for at in range(0, len(stream), 17):
        taken += sum(len(item) for item in one.feed(stream[at : at + 17]) if isinstance(item, bytes))
        assert one.held < 92
    one.finish()
    assert taken + one.discarded == len(stream)
    assert taken > 0
