"""A round: order, retries, missing answers, and that a late reply never passes for another."""

import math

import pytest

from drivers.core import modbus
from drivers.core.contract import DeviceFault, Instrument, Polled
from drivers.core.modbus import closed
from drivers.core.polling import LATE_S, Round
from drivers.core.registry import find

METER = find("eastron-sdm630")
KIND = METER.kind
assert isinstance(KIND, Polled)


def meter(address: int = 1) -> Instrument:
    assert METER.simulate is not None
    return METER.simulate(5, address)


def begin(tries: int = 1) -> Round:
    assert isinstance(KIND, Polled)
    return Round.of(KIND, 1, tries=tries)


def test_a_round_asks_in_order_and_joins_the_answers() -> None:
    one, asked = begin(), []
    while (request := one.request) is not None:
        asked.append(request.data)
        assert one.wait_s == request.gap_s == pytest.approx(0.1)
        assert one.feed(meter().answer(request.data, 100.0))
    assert [modbus.parse_question(data).start for data in asked] == [0, 234, 342]
    decoded = one.result()
    assert decoded is not None
    assert set(decoded.values) == set(METER.quantities)
    assert decoded.quality == {}
    assert (one.answered, one.missing, one.discarded, one.rejected) == (3, 0, 0, {})


def test_a_missing_answer_is_missing_and_never_zero() -> None:
    one = begin()
    while (request := one.request) is not None:
        if modbus.parse_question(request.data).start == 234:
            one.timeout()
        else:
            one.feed(meter().answer(request.data, 1.0))
    decoded = one.result()
    assert decoded is not None
    assert decoded.quality == {"thd_voltage_l1": 9, "thd_voltage_l2": 9, "thd_voltage_l3": 9}
    assert "thd_voltage_l1" not in decoded.values
    assert decoded.values["voltage_l1"] > 200
    assert one.missing == 1


def test_no_answer_at_all_is_no_reading() -> None:
    one = begin()
    for _ in range(3):
        one.timeout()
    assert one.request is None
    assert one.result() is None


def test_tries_ask_the_same_again() -> None:
    one = begin(tries=3)
    first = one.request
    one.timeout()
    one.timeout()
    assert one.request is first
    one.timeout()
    assert one.request is not first
    assert one.missing == 1


def test_after_a_timeout_the_line_must_stay_silent_for_long() -> None:
    one = begin()
    first = one.request
    assert first is not None
    one.timeout()
    assert one.wait_s == first.timeout_s
    assert one.request is not None
    one.feed(meter().answer(one.request.data, 1.0))
    assert one.wait_s == pytest.approx(0.1)


def test_an_answer_to_the_second_try_may_be_the_late_first_one() -> None:
    one = begin(tries=2)
    first = one.request
    assert first is not None
    one.timeout()
    one.feed(meter().answer(first.data, 1.0))
    assert one.answered == 1
    assert one.wait_s == first.timeout_s


def test_waiting_is_owed_after_the_last_question_too() -> None:
    one = begin()
    for _ in range(3):
        request = one.request
        assert request is not None
        one.timeout()
    assert one.request is None
    assert one.wait_s == LATE_S  # nobody knows what is asked next


def test_an_exception_is_an_answer_and_is_not_asked_again() -> None:
    one = begin(tries=3)
    assert one.feed(closed(b"\x01\x84\x02"))
    assert one.missing == 1
    while (request := one.request) is not None:
        one.feed(meter().answer(request.data, 1.0))
    decoded = one.result()
    assert decoded is not None
    assert decoded.quality["voltage_l1"] == 9
    assert one.rejected == {"DeviceFault": 1}


def test_nothing_but_exceptions_is_the_device_s_fault() -> None:
    one = begin()
    while one.request is not None:
        one.feed(closed(b"\x01\x84\x04"))
    with pytest.raises(DeviceFault, match="server device failure"):
        one.result()


def test_a_damaged_answer_is_counted_and_asked_for_again() -> None:
    one = begin(tries=2)
    request = one.request
    assert request is not None
    good = bytearray(meter().answer(request.data, 1.0))
    good[20] ^= 4
    assert not one.feed(bytes(good))
    one.timeout()
    assert one.request is request
    assert one.rejected["Integrity"] == 1
    assert one.feed(meter().answer(request.data, 1.0))


def test_a_wrong_baud_rate_is_told_as_fixed_bits() -> None:
    one = begin()
    one.feed(bytes.fromhex("98e6009880"))
    one.timeout()
    assert one.rejected == {"FixedBits": 1}
    assert one.discarded == 5


def test_patience_covers_the_wire() -> None:
    request = begin().request
    assert request is not None
    slow = METER.line.__class__(baud=2400)
    assert request.patience_s(slow) - request.timeout_s == pytest.approx((8 + 165) * 10 / 2400)
    assert math.isclose(METER.line.byte_s(), 10 / 9600)


def test_late_bytes_after_the_round_are_counted() -> None:
    one = begin()
    for _ in range(3):
        one.timeout()
    assert one.feed(b"\x01\x04\x04")
    assert one.discarded == 3
