"""Modbus RTU against captures, against pymodbus, and against what real lines add to an answer."""

import random
import tomllib
from importlib.resources import files
from typing import Any

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersRequest

from drivers.core import modbus
from drivers.core.contract import DeviceFault, FixedBits, Integrity, Rejection, Truncated
from drivers.core.modbus import Read, ReplyFramer, closed, question

CASES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    files("drivers.core").joinpath("modbus.vectors.toml").read_text("utf-8")
)


def ask(unit: int, function: int, count: int, start: int = 0) -> bytes:
    return question(Read(unit, function, start, count))


def answer(unit: int, function: int, data: bytes) -> bytes:
    return closed(bytes((unit, function, len(data))) + data)


def scan(asked: bytes, data: bytes, size: int = 1 << 20) -> tuple[list[bytes | Rejection], int]:
    framer = ReplyFramer(asked)
    items = [i for at in range(0, len(data), size) for i in framer.feed(data[at : at + size])]
    return items + framer.finish(), framer.discarded


@pytest.mark.parametrize("case", CASES["vector"], ids=lambda c: str(c["id"]))
def test_answers_of_captures(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])
    seen = modbus.find_reply(data)
    assert seen is not None
    asked = bytes.fromhex(case["request"]) if "request" in case else question(seen)
    (item,), discarded = scan(asked, data)
    assert discarded == 0
    if "exception" in case:
        assert isinstance(item, DeviceFault)
        assert f"exception {case['exception']}, {case['name']}" in str(item)
    else:
        assert item == data
        registers = modbus.reply_data(data, modbus.parse_question(asked))
        assert [modbus.number(registers[i : i + 2], "uint16") for i in range(0, len(registers), 2)] == case["registers"]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("case", CASES["stream"] + CASES["fault"], ids=lambda c: str(c["id"]))
def test_streams_of_real_adapters(case: dict[str, Any], size: int) -> None:
    frames = [bytes.fromhex(frame) for frame in case.get("frames", ())]
    function, data_bytes = (frames[0][1], frames[0][2]) if frames else (3, 6)
    items, discarded = scan(ask(case["unit"], function, data_bytes // 2), bytes.fromhex(case["hex"]), size)
    assert [i for i in items if isinstance(i, bytes)] == frames
    assert [i.reason for i in items if isinstance(i, Rejection)] == ([case["reason"]] if "reason" in case else [])
    if frames:
        assert discarded == case["discarded"]


def test_questions_agree_with_pymodbus() -> None:
    framer = FramerRTU(DecodePDU(False))
    for unit, start, count in ((1, 0, 2), (0x67, 72, 2), (247, 342, 22)):
        theirs = framer.buildFrame(ReadInputRegistersRequest(address=start, count=count, dev_id=unit))
        assert ask(unit, 4, count, start) == theirs


def test_answers_made_by_pymodbus_are_taken() -> None:
    framer = FramerRTU(DecodePDU(True))
    registers = [0x0102, 0x8000, 0xFFFF]
    theirs = framer.buildFrame(ReadHoldingRegistersResponse(registers=registers, dev_id=9))
    items, _ = scan(ask(9, 3, 3), theirs)
    assert items == [theirs]


def test_echo_noise_and_joined_answers() -> None:
    asked = ask(1, 4, 2)
    good = answer(1, 4, b"\x43\x66\x33\x34")
    for before in (b"", b"\x00", b"\xff\x00", asked, b"\x00" + asked + b"\xff", b"\x01", b"\x01\x04", b"\x01\x04\x05"):
        for size in (1, 3, 64):
            items, discarded = scan(asked, before + good + b"\x00", size)
            assert [i for i in items if isinstance(i, bytes)] == [good], (before.hex(), size)
            assert discarded == len(before) + 1
    assert scan(asked, good + good)[0] == [good, good]


def test_echo_whose_third_byte_is_the_byte_count() -> None:
    for start, count in ((0x0400, 2), (0x0200, 1)):
        asked = ask(1, 4, count, start)
        good = answer(1, 4, bytes(2 * count))
        for size in (1, 7, 64):
            items, discarded = scan(asked, asked + good, size)
            assert items == [good], (start, size)
            assert discarded == len(asked)


def test_a_false_beginning_does_not_swallow_the_answer() -> None:
    asked, good = ask(1, 4, 2), answer(1, 4, b"\x43\x66\x33\x34")
    items, discarded = scan(asked, b"\x01\x04\x04" + good)
    assert [type(i) for i in items] == [Integrity, bytes]
    assert discarded == 3


def test_foreign_answers_are_no_answers() -> None:
    asked = ask(1, 4, 2)
    for foreign in (answer(2, 4, bytes(4)), answer(1, 3, bytes(4)), answer(1, 4, bytes(8)), closed(b"\x02\x84\x02")):
        items, discarded = scan(asked, foreign)
        assert [type(i) for i in items] == [FixedBits], foreign.hex()
        assert discarded == len(foreign)


def test_silence_is_no_refusal() -> None:
    assert scan(ask(1, 4, 2), b"") == ([], 0)


def test_half_an_answer() -> None:
    good = answer(1, 4, bytes(160))
    items, discarded = scan(ask(1, 4, 80), good[:79])
    assert [type(i) for i in items] == [Truncated]
    assert discarded == 79


def test_modbus_tcp_on_an_rtu_port_is_named() -> None:
    data = bytes.fromhex("003500000007010404") + b"\x43\x66\x33\x34"
    items, _ = scan(ask(1, 3, 2), data)
    assert "Modbus TCP" in str(items[-1])


def test_noise_is_bounded_and_gives_nothing() -> None:
    dice = random.Random(3)
    framer = ReplyFramer(ask(1, 4, 80))
    noise = bytes(dice.choice(b"\x01\x04\x84\xa0\x00\x42") for _ in range(40_000))
    for at in range(0, len(noise), 17):
        assert not [i for i in framer.feed(noise[at : at + 17]) if not isinstance(i, Integrity | Truncated)]
        assert framer.held < 165


@pytest.mark.parametrize(
    ("wanted", "limit", "hole", "even", "expected"),
    [
        ([(0, 2), (2, 2)], 80, 0, False, [(0, 4)]),
        ([(0, 2), (4, 2)], 80, 0, False, [(0, 2), (4, 2)]),
        ([(0, 2), (4, 2)], 80, 2, False, [(0, 6)]),
        ([(0, 2), (78, 2), (80, 2)], 80, 100, False, [(0, 80), (80, 2)]),
        ([(6, 2), (0, 2), (0, 2)], 80, 8, False, [(0, 8)]),
        ([(1, 1), (4, 1)], 10, 2, True, [(0, 6)]),
        ([(0, 4), (1, 2)], 10, 0, False, [(0, 4)]),
        ([(0, 1), (1, 4)], 4, 9, False, [(0, 1), (1, 4)]),
    ],
)
def test_merge(
    wanted: list[tuple[int, int]], limit: int, hole: int, even: bool, expected: list[tuple[int, int]]
) -> None:
    reads = modbus.merge([Read(1, 4, at, count) for at, count in wanted], limit, hole, even=even)
    assert [(r.start, r.count) for r in reads] == expected


def test_merge_keeps_functions_apart_and_refuses_what_does_not_fit() -> None:
    reads = modbus.merge([Read(1, 3, 0, 2), Read(1, 4, 2, 2)], 80, 8)
    assert len(reads) == 2
    with pytest.raises(ValueError, match="do not fit"):
        modbus.merge([Read(1, 4, 0, 4)], 3, 0)


def test_merge_covers_everything_within_the_limit() -> None:
    dice = random.Random(5)
    for _ in range(200):
        limit = dice.randint(4, 60)
        wanted = [Read(1, 4, dice.randrange(300), dice.choice((1, 2, 4))) for _ in range(dice.randint(1, 40))]
        reads = modbus.merge(wanted, limit, dice.randint(0, 10))
        assert all(r.count <= limit for r in reads)
        for one in wanted:
            assert any(r.start <= one.start and one.start + one.count <= r.start + r.count for r in reads)


@pytest.mark.parametrize(
    ("raw", "kind", "low", "value"),
    [
        ("fffe", "int16", False, -2),
        ("fffe", "uint16", False, 65534),
        ("0001 0002", "uint32", False, 65538),
        ("0002 0001", "uint32", True, 65538),
        ("ffff fffe", "int32", False, -2),
        ("fffe ffff", "int32", True, -2),
        ("0000 0000 0000 0102", "uint64", False, 258),
        ("0102 0000 0000 0000", "int64", True, 258),
        ("4366 3333", "float32", False, 230.2),
        ("3333 4366", "float32", True, 230.2),
        ("406c c666 6666 6666", "float64", False, 230.2),
    ],
)
def test_numbers(raw: str, kind: modbus.NumberType, low: bool, value: float) -> None:
    data = bytes.fromhex(raw)
    assert modbus.number(data, kind, low_word_first=low) == pytest.approx(value, rel=1e-7)
    assert modbus.register_bytes(value, kind, low_word_first=low) == data


def test_wrong_questions_are_refused() -> None:
    for read in (Read(0, 4, 0, 2), Read(1, 6, 0, 2), Read(1, 4, 0, 126), Read(1, 4, 0xFFFF, 2), Read(1, 4, 0, 0)):
        with pytest.raises(ValueError, match=r"cannot be asked|no reading question"):
            question(read)
    with pytest.raises(Truncated):
        modbus.parse_question(b"\x01")
    with pytest.raises(Integrity):
        modbus.parse_question(bytes.fromhex("01040000000271cc"))
    with pytest.raises(FixedBits):
        modbus.parse_question(closed(bytes.fromhex("010600000002")))


@pytest.mark.parametrize(
    ("hex_", "seen"),
    [
        ("ff0201fe", Read(255, 2, 0, 8)),
        ("010102cd6b", Read(1, 1, 0, 16)),
        ("01030400000000", Read(1, 3, 0, 2)),
        ("0a0402 0001", Read(10, 4, 0, 1)),
        ("018202", Read(1, 2, 0, 1)),
    ],
)
def test_a_lone_answer_of_each_reading_function_is_found(hex_: str, seen: Read) -> None:
    reply = closed(bytes.fromhex(hex_))
    for data in (reply, b"\x00" + reply, reply + b"\x00", b"\x00" * 7 + reply):
        assert modbus.find_reply(data) == seen
    damaged = reply[:-1] + bytes((reply[-1] ^ 1,))
    assert modbus.find_reply(damaged) == seen  # what looks like one, where nothing holds
    assert modbus.find_reply(b"\x00" * 7 + damaged) is None


def test_bits_have_a_limit_of_their_own() -> None:
    assert len(question(Read(1, 2, 0, 2000))) == 8
    with pytest.raises(ValueError, match="cannot be asked for"):
        question(Read(1, 1, 0, 2001))
