"""SML frames: real captures against another library, values whose lengths lie, and meters that count badly."""

from __future__ import annotations

from random import Random

import pytest
from smllib import SmlStreamReader
from smllib.crc import kermit, x25

from drivers.core.contract import FixedBits, Rejection, Truncated
from drivers.core.hearing import hear
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from drivers.energy import sml_wire

SML = find("sml")
CAPTURES = of_driver(SML).vectors
ESCAPE = b"\x1b" * 4


def framed(body: bytes, kind: str = "x25") -> bytes:
    fill = -len(body) % 4
    frame = ESCAPE + b"\1" * 4 + (body + bytes(fill)).replace(ESCAPE, ESCAPE * 2) + ESCAPE + bytes((0x1A, fill))
    return frame + sml_wire.crc(frame, kind).to_bytes(2, "little")


REFUSED = "EMH_eHZ-IW8E2A5L0EK2P_with_error"
"""A real frame with an entry without a value: the other library gives up on all of it."""


@pytest.mark.parametrize("case", [case for case in CAPTURES if case.id != REFUSED], ids=lambda case: case.id)
def test_another_library_finds_the_same_entries(case):
    reader = SmlStreamReader()
    reader.add(case.data)
    frame = reader.get_frame()
    assert frame is not None
    (response,) = (m.message_body for m in frame.parse_frame() if hasattr(m.message_body, "val_list"))
    server, ours = sml_wire.entries(case.data)
    assert server == response.server_id
    assert len(ours) == len(response.val_list)
    for one, theirs in zip(ours, response.val_list, strict=True):
        a, b, c, d, e, f = bytes.fromhex(theirs.obis)
        assert one.name == f"{a}-{b}:{c}.{d}.{e}*{f}"
        assert one.unit == theirs.unit
        assert one.scaler == (theirs.scaler or 0)
        number = one.value.value if isinstance(one.value, sml_wire.Number) else one.value
        if isinstance(number, bytes):  # it shows what looks like text as text
            assert theirs.value in (number.hex(), number.decode("latin1"))
        else:
            assert number == theirs.value


@pytest.mark.parametrize("size", [0, 1, 9, 200])
def test_both_checks_are_those_of_another_library(size):
    data = Random(size).randbytes(size)
    swapped = sml_wire.crc(data, "x25").to_bytes(2, "little")
    assert int.from_bytes(swapped, "big") == x25.get_crc(data)
    swapped = sml_wire.crc(data, "kermit").to_bytes(2, "little")
    assert int.from_bytes(swapped, "big") == kermit.get_crc(data)


def test_a_meter_with_the_other_check_needs_to_be_told():
    body = CAPTURES[2].data[8:-8]
    frame = framed(body[: len(body) - CAPTURES[2].data[-3]], "kermit")
    assert hear(SML, [frame], {"crc": "kermit"}, None, ends=True).readings
    heard = hear(SML, [frame], {}, None, ends=True)
    assert not heard.readings
    assert heard.refusals[0].reason == "Integrity"


def test_a_sum_without_a_sign_is_power_only_where_it_is_said():
    case = next(case for case in CAPTURES if case.id.startswith("EMH-ED300L"))
    assert "active_power" not in hear(SML, [case.data], {}, None, ends=True).readings[0].values
    told = hear(SML, [case.data], {"absolute_power": "import"}, None, ends=True).readings[0]
    assert told.values["active_power"] == pytest.approx(137.1)


def test_escapes_in_the_body_are_taken_out():
    case = CAPTURES[0]
    body = case.data[8:-8][: -case.data[-3] or None]
    at = body.index(b"ISK")
    changed = body[: at - 1] + ESCAPE + body[at + 3 :]
    frame = framed(changed)
    assert ESCAPE * 2 in frame
    for pieces in ([frame], [frame[i : i + 1] for i in range(len(frame))]):
        heard = hear(SML, pieces, {}, None, ends=True)
        assert not [r for r in heard.refusals if r.reason == "Truncated"]
        assert heard.readings
        assert heard.readings[0].values["energy_import"] == pytest.approx(10732.3091)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\x8f\x8f\x8f\x8f\x0f",  # a list of 268 million
        b"\xf7" + b"\x8f" * 200 + b"\x0f",
        b"\x71" * 400,  # 400 deep
        b"\x8f" * 300,
        b"\x0f\x00",
        b"\x5a" + bytes(9),  # a number of nine bytes
        b"\x50",
        b"\x40",
        b"\x32\x00",
        b"\x76",
        b"\x80",
        b"\x00\x00\x00\x00",
        b"\x76\x01\x01\x01\x72\x63\x07\x01\x77\x01\x01\x01\x01\x01\x01\x01\x01\x00",
        b"\x76\x01\x01\x01\x72\x63\x07\x01\x77\x01\x01\x01\x01\x71\x77\x07\x01\x00\x01\x08\x00\xff\x01\x01\x01\x01\x71\x01\x01\x01\x01\x01\x00",
    ],
)
def test_lengths_that_lie_are_refused_at_once(body):
    with pytest.raises((FixedBits, Truncated)):
        sml_wire.entries(framed(body))
    heard = hear(SML, [framed(body)], {}, None, ends=True)
    assert not heard.readings
    assert heard.refusals


def test_damaged_bodies_under_a_good_check_raise_nothing_else():
    dice = Random(7)
    bodies = [case.data[8:-8] for case in CAPTURES]
    refused = 0
    for _ in range(1000):
        body = bytearray(dice.choice(bodies))
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.choice((0x00, 0x01, 0x7F, 0x8F, 0xF7, 0xFF, dice.randrange(256)))
        try:
            SML.kind.decode(framed(bytes(body)), {})
        except Rejection:
            refused += 1
    assert refused > 50


def test_scalers_and_units_that_cannot_be_give_no_value():
    frame = SML.simulate(1, 1).tick(10.0)
    body = bytearray(frame[8:-8][: -frame[-3] or None])
    at = body.index(bytes((1, 0, 16, 7, 0, 255))) + 6
    for change in ((at + 5, 100), (at + 3, 77)):
        changed = bytearray(body)
        changed[change[0]] = change[1]
        (reading,) = hear(SML, [framed(bytes(changed))], {}, None, ends=True).readings
        assert reading.quality == {"active_power": 9}
        assert "active_power" not in reading.values
