"""Frames found by what they look like: pieces, noise, failed checks, and that nothing grows."""

import re
from random import Random

import pytest

from drivers.core.contract import Rejection
from drivers.core.patterned import PatternFramer

FRAME = re.compile(rb"<[0-9]{3}>")
BEGINNING = re.compile(rb"<[0-9]{0,3}\Z")


def scan(data: bytes, size: int, *, checked: bool = False) -> tuple[list[bytes | str], int]:
    framer = PatternFramer(FRAME, BEGINNING, (lambda frame: frame[1:2] != b"9") if checked else None)
    items: list[bytes | Rejection] = []
    for at in range(0, len(data), size):
        items += framer.feed(data[at : at + size])
        assert framer.held <= 4
    items += framer.finish()
    assert framer.held == 0
    return [i.reason if isinstance(i, Rejection) else i for i in items], framer.discarded


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("data", "found", "discarded"),
    [
        (b"<123>", [b"<123>"], 0),
        (b"<123><456>", [b"<123>", b"<456>"], 0),
        (b"x<123>yy<456>", ["FixedBits", b"<123>", "FixedBits", b"<456>"], 3),
        (b"<1<12<123>", ["FixedBits", b"<123>"], 5),
        (b"<12", ["Truncated"], 3),
        (b"<123>\r\n<12", [b"<123>", "FixedBits"], 5),
        (b"", [], 0),
        (b"<<<<<123>", ["FixedBits", b"<123>"], 4),
    ],
)
def test_frames(data: bytes, found: list[bytes | str], discarded: int, size: int) -> None:
    assert scan(data, size) == (found, discarded)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_failed_check_hides_nothing_behind_it(size: int) -> None:
    assert scan(b"<923><123>", size, checked=True) == (["Integrity", b"<123>"], 5)


def test_noise_of_its_own_letters_is_bounded() -> None:
    dice = Random(2)
    framer = PatternFramer(FRAME, BEGINNING)
    for _ in range(4000):
        framer.feed(bytes(dice.choice(b"<0123456789") for _ in range(dice.randrange(9))))
        assert framer.held <= 4
