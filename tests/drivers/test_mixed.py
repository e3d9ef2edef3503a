"""Several sorts of frames on one line: nothing lost between them, nothing held for ever."""

import random

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated
from drivers.core.framing import SyncFramer
from drivers.core.mixed import FrameKind, MixedFramer, SiftedFramer

LONG = FrameKind(
    b"\x42\x4d", 3, lambda head: head[2] if 5 <= head[2] <= 20 else 0, lambda f: sum(f[:-1]) & 255 == f[-1]
)
SHORT = FrameKind(b"\xff", 1, lambda head: 4, lambda f: sum(f[:3]) & 255 == f[3])


def long_frame(payload: bytes) -> bytes:
    body = b"\x42\x4d" + bytes([len(payload) + 4]) + payload
    return body + bytes([sum(body) & 255])


A = long_frame(b"abc")
B = b"\xff\x01\x02\x02"


def framer() -> MixedFramer:
    return MixedFramer((LONG, SHORT), max_bytes=20)


def kinds(items: list[bytes | Rejection]) -> list[object]:
    return [item if isinstance(item, bytes) else type(item) for item in items]


def test_both_sorts_whole_and_byte_by_byte() -> None:
    stream = A + B + B + A
    assert framer().feed(stream) == [A, B, B, A]
    one = framer()
    assert [f for byte in stream for f in one.feed(bytes([byte]))] == [A, B, B, A]
    assert (one.held, one.discarded) == (0, 0)


def test_a_frame_of_one_sort_inside_a_false_candidate_of_the_other() -> None:
    assert kinds(framer().feed(b"\xff" + A + A)) == [Integrity, A, A]
    assert kinds(framer().feed(b"\x42\x4d\x09" + B + A)) == [Integrity, B, A]


def test_impossible_length_and_noise() -> None:
    assert kinds(framer().feed(b"\x42\x4d\xfe" + A)) == [Truncated, A]
    assert kinds(framer().feed(b"\x00\x00\x42\x00" + A)) == [FixedBits, A]


def test_finish_refuses_the_half_and_finds_what_is_inside() -> None:
    one = framer()
    assert one.feed(b"\x42\x4d\x14" + B) == []
    assert kinds(one.finish()) == [Truncated, B]
    assert (one.held, one.discarded) == (0, 3)
    one.feed(A[:2])
    assert kinds(one.finish()) == [Truncated]


def test_half_a_header_waits_and_is_let_go() -> None:
    one = framer()
    assert kinds(one.feed(b"\x00\x42")) == [FixedBits]
    assert one.held == 1
    assert one.feed(A[1:]) == [A]
    one.feed(b"\x42")
    one.reset()
    assert (one.held, one.discarded) == (0, 2)


def test_one_sort_alone_does_as_the_plain_framer_does() -> None:
    dice = random.Random(5)
    stream = bytes(dice.choice(b"\x42\x4d\x05\x07\x14\x00\xff") for _ in range(20_000)) + A * 3
    mixed = MixedFramer((LONG,), max_bytes=20)
    plain = SyncFramer(LONG.header, LONG.head_bytes, LONG.size_of, LONG.holds, max_bytes=20)
    for at in range(0, len(stream), 11):
        piece = stream[at : at + 11]
        assert kinds(mixed.feed(piece)) == kinds(plain.feed(piece))
        assert mixed.held == plain.held < 20
    assert mixed.discarded == plain.discarded


def test_sifting_counts_what_it_does_not_pass_on() -> None:
    refusal = FixedBits("no")
    one = SiftedFramer(framer(), lambda f: f if f == A else (None if f == B else refusal))
    odd = long_frame(b"xyz!")
    assert one.feed(b"\x00" + A + B + odd + A)[1:] == [A, refusal, A]
    assert one.discarded == 1 + len(B) + len(odd)
    one.feed(A[:3])
    assert one.held == 3
    one.reset()
    assert one.held == 0
