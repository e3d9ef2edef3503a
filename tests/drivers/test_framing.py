"""The framer steps by one byte, counts what it refuses, and stays bounded."""

import random

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated
from drivers.core.framing import SyncFramer


def framer(header: bytes = b"\x42\x4d") -> SyncFramer:
    """Frames `42 4D size … sum`; size is the whole frame, 5 to 20 bytes."""
    return SyncFramer(
        header, 3, lambda head: head[2] if 5 <= head[2] <= 20 else 0, lambda f: sum(f[:-1]) & 255 == f[-1], max_bytes=20
    )


def frame(payload: bytes) -> bytes:
    body = b"\x42\x4d" + bytes([len(payload) + 4]) + payload
    return body + bytes([sum(body) & 255])


GOOD = frame(b"abc")


def kinds(items: list[bytes | Rejection]) -> list[object]:
    return [item if isinstance(item, bytes) else type(item) for item in items]


def test_whole_byte_by_byte_and_joined() -> None:
    stream = GOOD + frame(b"xyz") + GOOD
    assert framer().feed(stream) == [GOOD, frame(b"xyz"), GOOD]
    one = framer()
    assert [f for byte in stream for f in one.feed(bytes([byte]))] == [GOOD, frame(b"xyz"), GOOD]
    assert one.discarded == 0
    assert one.held == 0


def test_a_frame_inside_a_false_candidate_is_found() -> None:
    false = b"\x42\x4d\x14"  # announces 20 bytes and swallows the good frame's beginning
    one = framer()
    assert kinds(one.feed(false + GOOD + GOOD * 2)) == [Integrity, GOOD, GOOD, GOOD]
    assert one.discarded == 3


def test_first_header_byte_doubled() -> None:
    one = framer()
    assert kinds(one.feed(b"\x42" + GOOD)) == [FixedBits, GOOD]
    assert one.discarded == 1


def test_one_refusal_for_a_run_of_noise_however_it_is_cut() -> None:
    noise = bytes(range(0x50, 0x90))
    for size in (1, 3, 64):
        one = framer()
        items: list[bytes | Rejection] = []
        stream = noise + GOOD
        for at in range(0, len(stream), size):
            items += one.feed(stream[at : at + size])
        assert kinds(items) == [FixedBits, GOOD]
        assert one.discarded == len(noise)


def test_impossible_length_is_refused_at_once() -> None:
    one = framer()
    assert kinds(one.feed(b"\x42\x4d\xff" + GOOD)) == [Truncated, GOOD]
    assert one.discarded == 3


def test_finish_refuses_the_half_and_finds_what_is_inside() -> None:
    one = framer()
    assert one.feed(b"\x42\x4d\x14" + GOOD) == []
    assert one.held == 3 + len(GOOD)
    assert kinds(one.finish()) == [Truncated, GOOD]
    assert one.held == 0
    assert one.discarded == 3


def test_reset_forgets_and_counts() -> None:
    one = framer()
    one.feed(GOOD[:4])
    one.reset()
    assert (one.held, one.discarded) == (0, 4)
    assert one.feed(GOOD) == [GOOD]


def test_noise_is_bounded_and_accounted_for_to_the_byte() -> None:
    dice = random.Random(7)
    one = framer()
    stream = bytes(dice.choice(b"\x42\x4d\x05\x07\x14\x00\xff") for _ in range(60_000))
    taken = 0
    for at in range(0, len(stream), 13):
        taken += sum(len(f) for f in one.feed(stream[at : at + 13]) if isinstance(f, bytes))
        assert one.held < 20
    assert taken + one.discarded + one.held == len(stream)
    assert taken > 0
