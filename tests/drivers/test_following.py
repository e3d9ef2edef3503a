"""Following a dialogue that somebody else leads."""

import pytest

from drivers.core.contract import Decoded, Dialogue
from drivers.core.following import Follower
from drivers.core.registry import find
from drivers.water.sdi12_wire import crc

SDI12 = find("sdi12").kind
HEAD = find("iec62056-21")
assert isinstance(SDI12, Dialogue)


def hear(follower: Follower, *lines: tuple[bytes, bytes]) -> list[object]:
    found: list[object] = []
    for question, answer in lines:
        follower.asked(question)
        for at in range(0, len(answer), 3):
            found += follower.answered(answer[at : at + 3])
    return found


def checked(text: bytes) -> bytes:
    return text + crc(text) + b"\r\n"


@pytest.mark.parametrize(("measure", "values"), [(b"aMC!", checked(b"a+1.5")), (b"aM!", b"a+1.5\r\n")])
def test_who_comes_late_understands_from_the_next_round_on(measure, values):
    follower = Follower(SDI12, ord("a"), {})
    assert hear(follower, (b"aD0!", values)) == []
    for _ in range(3):
        (reading,) = hear(follower, (measure, b"a0001\r\n"), (b"aD0!", values))
        assert isinstance(reading, Decoded)
        assert reading.values == {"x_sdi12_1": 1.5}


def test_other_sensors_of_the_line_are_passed_over():
    follower = Follower(SDI12, ord("a"), {})
    rounds = [(b"bMC!", b"b0001\r\n"), (b"bD0!", checked(b"b+9")), (b"aMC!", b"a0001\r\n"), (b"aD0!", checked(b"a+1"))]
    (reading,) = hear(follower, *rounds, *rounds[:2])
    assert isinstance(reading, Decoded)
    assert reading.values == {"x_sdi12_1": 1.0}


def test_a_damaged_answer_is_told():
    follower = Follower(SDI12, ord("a"), {})
    found = hear(follower, (b"aMC!", b"a0001\r\n"), (b"aD0!", b"a+1abc\r\n"), (b"aD0!", checked(b"a+1")))
    assert [type(item).__name__ for item in found] == ["Integrity", "Decoded"]


def test_a_meters_block_at_any_speed():
    kind = HEAD.kind
    assert isinstance(kind, Dialogue)
    head = HEAD.simulate(1, 1)
    lines = [(question, head.answer(question, 10.0)) for question in (b"/?!\r\n", b"\x06050\r\n")]
    follower = Follower(kind, 1, {})
    assert hear(follower, lines[1]) == []
    (reading,) = hear(follower, *lines)
    assert isinstance(reading, Decoded)
    assert "energy_import" in reading.values
