"""Wired M-Bus: real frames against another library, rounds of several telegrams, and frames that lie."""

from __future__ import annotations

import warnings
from decimal import Decimal
from random import Random

import pytest

from drivers.core.contract import DeviceFault, FixedBits, Polled, Rejection, Truncated
from drivers.core.polling import Round
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from drivers.energy import mbus_wire as wire
from drivers.energy.mbus_values import parse_meanings, physical

MBUS = find("mbus-wired")
KIND = MBUS.kind
assert isinstance(KIND, Polled)
CAPTURES = of_driver(MBUS).vectors


def play(answers: dict[bytes, list[bytes]], options: dict | None = None) -> tuple[list[bytes], Round]:
    """A round against scripted answers, by question."""
    one, asked = Round.of(KIND, 1, options or {}), []
    while (request := one.request) is not None:
        asked.append(request.data)
        queue = answers.get(request.data, [])
        if not (queue and one.feed(queue.pop(0))):
            one.timeout()
    return asked, one


def answer(records: bytes, *, status: int = 0, ci: int = 0x72, signature: bytes = b"\0\0", address: int = 1) -> bytes:
    head = bytes((0x08, address, ci)) + bytes.fromhex("78563412 434c 01 02 05") + bytes((status,)) + signature
    return wire.long_frame(head + records)


RESET, GIVE, NEXT = wire.short_frame(0x40, 1), wire.short_frame(0x7B, 1), wire.short_frame(0x5B, 1)
ENERGY = bytes.fromhex("04 03 e8 03 00 00")


def test_frames_are_those_of_the_standard():
    assert RESET.hex() == "1040014116"
    assert NEXT.hex() == "105b015c16"
    assert GIVE.hex() == "107b017c16"
    chosen = [request.data.hex() for request in KIND.requests(1, {"secondary": "123456782C2D3004"})]
    assert chosen == ["680b0b6873fd52785634122d2c30046316", "107bfd7816"]  # the first from rscada/libmbus
    with pytest.raises(ValueError, match="16 hex digits"):
        KIND.requests(1, {"secondary": "1234"})


@pytest.mark.parametrize("case", CAPTURES, ids=lambda case: case.id)
def test_another_library_cuts_the_same_records(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from meterbus.telegram_long import TelegramLong

    theirs = [record for record in TelegramLong(list(case.data)).records if not record.dib.is_eoud]
    ours = wire.parse(case.data).records
    assert len(ours) == len(theirs)
    compared = 0
    for mine, their in zip(ours, theirs, strict=True):
        assert mine.vif == bytes(their.vib.parts).hex()
        storage, tariff, subunit = their.dib.parse_dife()
        assert (mine.storage, mine.tariff, mine.subunit) == (storage, tariff or 0, subunit or 0)
        known = physical(mine.vif)
        if known is None or mine.number is None:
            continue
        value = float(mine.number.scaleb(known[2])) * (1000 if known[1] == "kWh" else 1)
        assert value == pytest.approx(float(their.value), rel=1e-6)
        assert their.unit in (known[1], "Wh", "m^3", "m^3/h", "°C", "C")
        compared += 1
    assert compared >= 1


def test_one_telegram():
    asked, one = play({RESET: [b"\xe5"], GIVE: [answer(ENERGY)]})
    assert asked == [RESET, GIVE]
    decoded = one.result()
    assert decoded.values == {"energy_import": 1.0}
    assert decoded.info["serial"] == "12345678"
    asked, one = play({GIVE: [answer(ENERGY)]}, {"reset": False})
    assert asked == [GIVE]


def test_more_follows_and_the_bit_turns():
    volts = bytes.fromhex("02 fd c8 ff 01 fc 08")
    answers = {RESET: [b"\xe5"], GIVE: [answer(ENERGY + b"\x1f")], NEXT: [answer(volts)]}
    asked, one = play(answers)
    assert asked == [RESET, GIVE, NEXT]
    assert one.result().values == {"energy_import": 1.0, "voltage_l1": 230.0}


def test_a_meter_that_says_more_follows_for_ever_is_left_when_it_repeats_itself():
    same = answer(ENERGY + b"\x1f")
    asked, one = play({RESET: [b"\xe5"], GIVE: [same] * 9, NEXT: [same] * 9})
    assert asked == [RESET, GIVE, NEXT]
    assert one.result().values == {"energy_import": 1.0}
    new = [answer(ENERGY[:2] + bytes((n, 0, 0, 0)) + b"\x1f") for n in range(20)]
    asked, one = play({RESET: [b"\xe5"], GIVE: new[::2], NEXT: new[1::2]})
    assert asked == [RESET, GIVE, NEXT, GIVE, NEXT]


def test_what_is_told_twice_alike_is_nobodys_value():
    volts = bytes.fromhex("02 fd 48 fc 08 02 fd 48 f0 08")
    with pytest.raises(DeviceFault, match=r"none of its records is known here: fd48/0/0#2=228.8V"):
        play({RESET: [b"\xe5"], GIVE: [answer(volts)]})[1].result()
    told = {"values": "fd48 voltage_l1; fd48#2 voltage_l2"}
    decoded = play({RESET: [b"\xe5"], GIVE: [answer(volts)]}, told)[1].result()
    assert decoded.values == {"voltage_l1": 230.0, "voltage_l2": 228.8}


@pytest.mark.parametrize("text", ["fd4 voltage", "fd48", "fd48 voltag", "fd48 voltage; fd48 voltage_l1", "zz voltage"])
def test_meanings_that_make_no_sense(text):
    with pytest.raises(ValueError, match=r"values|record|quantity"):
        parse_meanings(text)


@pytest.mark.parametrize(
    ("record", "number"),
    [
        ("01 03 ff", -1),
        ("02 03 00 80", -32768),
        ("03 03 ff ff 7f", 8388607),
        ("07 03 01 00 00 00 00 00 00 80", -(2**63) + 1),
        ("0a 03 34 12", 1234),
        ("0a 03 34 f2", -234),
        ("0a 03 34 a2", None),
        ("0a 03 3a 12", None),
        ("0e 03 78 56 34 12 00 00", 12345678),
        ("05 03 00 00 80 3f", 1),
        ("05 03 00 00 c0 7f", None),
        ("05 03 00 00 80 7f", None),
        ("00 03", None),
        ("08 03", None),
        ("0d 03 c2 34 12", 1234),
        ("0d 03 d2 34 12", -1234),
        ("0d 03 e2 ff ff", -1),
        ("0d 03 02 41 42", None),
    ],
)
def test_every_type_of_value(record, number):
    (one,) = wire.parse(answer(bytes.fromhex(record))).records
    assert one.number == (None if number is None else Decimal(number))


def test_a_value_that_the_meter_marks_as_wrong_is_missing():
    decoded = play({RESET: [b"\xe5"], GIVE: [answer(ENERGY + bytes.fromhex("0a 2b aa aa"))]})[1].result()
    assert decoded.values == {"energy_import": 1.0}
    assert decoded.quality == {"active_power": 9}
    decoded = play({RESET: [b"\xe5"], GIVE: [answer(ENERGY, status=0x10)]})[1].result()
    assert decoded.quality == {"energy_import": 3}


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (answer(b"\x04\x03\x01"), Truncated),
        (answer(b"\x04"), Truncated),
        (answer(b"\x84" * 30), Truncated),
        (answer(b"\x84" + b"\x80" * 11 + b"\x00\x03\x00\x00\x00\x00"), FixedBits),
        (answer(b"\x04" + b"\x83" * 12 + b"\x00" + bytes(4)), FixedBits),
        (answer(b"\x0d\x03\xfa"), FixedBits),
        (answer(b"\x0d\x03\xbf\x01"), Truncated),
        (answer(b"\x0d\x03"), Truncated),
        (answer(b"\x04\x7c\xff"), Truncated),
        (answer(b"\x7f"), FixedBits),
        (answer(ENERGY, signature=b"\x00\x05"), DeviceFault),
        (answer(ENERGY, ci=0x73), FixedBits),
        (wire.long_frame(b"\x08\x01\x70\x08"), DeviceFault),
        (wire.long_frame(b"\x08\x01\x70\x63"), DeviceFault),
        (wire.long_frame(b"\x08\x01\x72"), Truncated),
    ],
)
def test_answers_that_lie_are_refused(frame, kind):
    with pytest.raises(kind):
        wire.parse(frame)


def test_a_text_of_its_own_as_unit_is_passed_over():
    told = bytes.fromhex("04 7c 03 57 56 41 01 00 00 00") + ENERGY
    assert play({RESET: [b"\xe5"], GIVE: [answer(told)]})[1].result().values == {"energy_import": 1.0}


def test_another_meters_answer_is_no_answer():
    _, one = play({RESET: [b"\xe5"], GIVE: [answer(ENERGY, address=2)]})
    assert one.rejected["Integrity"] == 1
    with pytest.raises(DeviceFault, match="acknowledges"):
        one.result()
    assert play({})[1].result() is None


def test_damaged_bodies_under_a_good_check_raise_nothing_else():
    dice = Random(5)
    refused = 0
    for _ in range(1500):
        body = bytearray(dice.choice(CAPTURES).data[4:-2])
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(15, len(body))] = dice.choice((0x7C, 0xFC, 0x0D, 0xFF, 0x8F, dice.randrange(256)))
        try:
            KIND.decode(((KIND.ask(GIVE, {}), wire.long_frame(bytes(body))),), {})
        except Rejection:
            refused += 1
    assert refused > 50


def test_the_simulated_meter_is_chosen_by_its_number():
    meter = MBUS.simulate(1, 5)
    assert meter.answer(wire.short_frame(0x40, 5), 1.0) == b"\xe5"
    assert meter.answer(wire.short_frame(0x40, 6), 1.0) == b""
    questions = [request.data for request in KIND.requests(9, {"secondary": "12345678FFFFFFFF"})]
    assert [bool(meter.answer(question, 1.0)) for question in questions] == [True, True]
    questions = [request.data for request in KIND.requests(9, {"secondary": "99345678FFFFFFFF"})]
    assert [bool(meter.answer(question, 1.0)) for question in questions] == [False, False]
