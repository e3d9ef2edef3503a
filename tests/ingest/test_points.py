"""What may enter a database, and the reason of everything that may not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gateway.ingest.points import FUTURE_NS, MAX_SEQ, Intake, Origin, Point, Reason, Shape, make_shape, spool_number
from gateway.wire.times import MS, SECOND, format_time

ORIGIN = Origin("n", "air", "d")
NOW = 1_774_000_000 * SECOND
RETENTION = 86_400 * SECOND


def admit(**changes: Any) -> Point | Reason:
    intake = Intake(RETENTION)
    intake.now_at(NOW)
    given = {"spool": 1, "seq": 1, "t": format_time(NOW), "v": {"pm10": 1.0}, "q": {}, "failed": {}} | changes
    return intake.admit(ORIGIN, **given)


def test_a_good_reading_is_admitted() -> None:
    point = admit(v={"pm10": 1.0, "pm2_5": -0.5}, seq=MAX_SEQ - 1)
    assert isinstance(point, Point)
    assert (point.values, point.at, point.seq, point.is_dated) == ((1.0, -0.5), NOW, MAX_SEQ - 1, True)
    assert point.shape.flags == {"pm10": 1, "pm2_5": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 0}, Reason.SEQ),
        ({"seq": -1}, Reason.SEQ),
        ({"seq": MAX_SEQ}, Reason.SEQ),
        ({"t": "yesterday"}, Reason.TIME),
        ({"t": "2026-13-01T00:00:00.000Z"}, Reason.TIME),
        ({"t": ""}, Reason.TIME),
        ({"t": format_time(NOW - RETENTION - MS)}, Reason.TOO_OLD),
        ({"t": format_time(NOW + FUTURE_NS + MS)}, Reason.FUTURE),
        ({"v": {}}, Reason.EMPTY),
        ({"v": {}, "q": {"*": 2}}, Reason.EMPTY),
        ({"v": {f"x{n}": 1.0 for n in range(257)}}, Reason.TOO_MANY),
        ({"v": {"PM10": 1.0}}, Reason.QUANTITY),
        ({"v": {"pm 10": 1.0}}, Reason.QUANTITY),
        ({"v": {"": 1.0}}, Reason.QUANTITY),
        ({"v": {"_measurement": 1.0}}, Reason.QUANTITY),
        ({"v": {"a" * 65: 1.0}}, Reason.QUANTITY),
        ({"v": {"pm10\n": 1.0}}, Reason.QUANTITY),
        ({"v": {"seq": 1.0}}, Reason.QUANTITY),
        ({"v": {"pm10_q": 1.0}}, Reason.QUANTITY),
        ({"v": {"pm10_failed": 1.0}}, Reason.QUANTITY),
        ({"q": {"no such": 3}}, Reason.QUANTITY),
        ({"failed": {"pm10": 1.0}, "q": {"pm10": 4}}, Reason.QUANTITY),
        ({"q": {"pm10": 7}}, Reason.FLAG),
        ({"q": {"pm10": 4}}, Reason.FLAG),
        ({"q": {"pm10": 9}}, Reason.FLAG),
        ({"q": {"pm1": 3}}, Reason.FLAG),
        ({"failed": {"pm1": 5.0}, "q": {"pm1": 3}}, Reason.FLAG),
        ({"v": {"pm10": math.nan}}, Reason.VALUE),
        ({"v": {"pm10": math.inf, "pm1": -math.inf}}, Reason.VALUE),
        ({"failed": {"pm1": math.inf}, "q": {"pm1": 4}}, Reason.VALUE),
    ],
)
def test_everything_else_has_its_reason(changes: dict[str, Any], reason: Reason) -> None:
    assert admit(**changes) is reason


def test_the_edges_of_the_time_range_are_inside() -> None:
    assert isinstance(admit(t=format_time(NOW - RETENTION)), Point)
    assert isinstance(admit(t=format_time(NOW + FUTURE_NS)), Point)


def test_large_finite_values_are_no_overflow() -> None:
    assert isinstance(admit(v={"a": 1.7e308, "b": 1.7e308}), Point)


def test_an_undated_reading_waits_for_a_time() -> None:
    point = admit(t=None)
    assert isinstance(point, Point)
    assert not point.is_dated


def test_a_device_of_which_everything_is_missing_still_reports() -> None:
    point = admit(v={}, q={"pm10": 9})
    assert isinstance(point, Point)
    assert point.shape.worst == 9
    assert point.shape.template.startswith("pm10_q=9i,")


def test_a_general_flag_holds_for_what_is_not_named() -> None:
    shape = make_shape(("a", "b"), {"*": 2, "b": 3}, ())
    assert isinstance(shape, Shape)
    assert shape.flags == {"a": 2, "b": 3}
    assert shape.worst == 3


def test_shapes_do_not_grow_without_bound() -> None:
    intake = Intake(RETENTION)
    intake.now_at(NOW)
    for number in range(10_000):
        intake.admit(ORIGIN, 1, 1, format_time(NOW), {f"x{number}": 1.0}, {}, {})
    assert len(intake._shapes) <= 4096


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9f3c71aa", 0x9F3C71AA),
        ("00000000", 0),
        ("9F3C71AA", None),
        ("9f3c71a", None),
        ("", None),
        ("9f3c71aa\n", None),
    ],
)
def test_a_spool_id_is_eight_hex_digits(text: str, number: int | None) -> None:
    assert spool_number(text) == number
