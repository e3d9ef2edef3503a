"""The line-protocol encoder against the published corpus, the official client, and an independent reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb_client import Point as ClientPoint
from influxdb_client import WritePrecision

from gateway.ingest.lines import encode_line, encode_points
from gateway.ingest.points import Intake, Note, Origin, Point, make_shape
from gateway.wire.times import SECOND, format_time
from tests.ingest.line_parser import Line, Unsigned, parse

CASES = json.loads((Path(__file__).parent / "line_protocol.json").read_text())["cases"]
DECODE = [case for case in CASES if case["kind"] == "decode"]
ENCODE = [case for case in CASES if case["kind"] == "encode"]
ORIGIN = Origin("nimman-07", "air", "pms-roof")
NOW = 1_774_000_000 * SECOND


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """The corpus writes {"float": 1}; the value that means, of its own type."""
    make = {"float": float, "int": int, "uint": Unsigned, "string": str, "bool": bool}
    return {key: make[kind](value) for key, typed in fields.items() for kind, value in typed.items()}


def typed(fields: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    return {key: (type(value), value) for key, value in fields.items()}


@pytest.mark.parametrize("case", DECODE, ids=lambda case: case["id"])
def test_the_reader_of_these_tests_agrees_with_the_corpus(case: dict[str, Any]) -> None:
    if isinstance(case["expected"], dict):
        with pytest.raises((ValueError, IndexError)):
            parse(case["line"], case["precision"])
        return
    got = parse(case["line"], case["precision"])
    assert [(each.measurement, each.tags, typed(each.fields)) for each in got] == [
        (each["measurement"], each["tags"], typed(plain(each["fields"]))) for each in case["expected"]
    ]
    for line, expected in zip(got, case["expected"], strict=True):
        assert line.time is None or line.time == expected["time"]


@pytest.mark.parametrize("case", ENCODE, ids=lambda case: case["id"])
def test_encoded_points_mean_what_the_corpus_says(case: dict[str, Any]) -> None:
    point = case["point"]
    text = encode_line(point["measurement"], point["tags"], plain(point["fields"]), point["time_ns"])
    (got,) = parse(text)
    (expected,) = parse(case["expected"])
    assert got == expected
    assert typed(got.fields) == typed(expected.fields)
    assert text.split()[0] == case["expected"].split()[0], "measurement, tags and escapes are byte for byte the same"


@given(
    tags=st.dictionaries(st.text("ab ,=é", min_size=1, max_size=5), st.text("xy ,=\\ไ", max_size=5), max_size=4),
    fields=st.dictionaries(
        st.text("ab ,=", min_size=1, max_size=5),
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    at=st.integers(0, 2**62),
)
@settings(max_examples=150, deadline=None)
def test_the_official_client_prints_the_same_points(tags: dict[str, str], fields: dict[str, Any], at: int) -> None:
    point = ClientPoint("m 1,x").time(at, WritePrecision.NS)
    for key, value in tags.items():
        point = point.tag(key, value)
    for key, value in fields.items():
        point = point.field(key, value)
    ours = encode_line("m 1,x", tags, fields, at)
    if not any(value.endswith("\\") for value in tags.values()):  # theirs would escape the separator
        assert parse(ours) == parse(point.to_line_protocol())
    assert typed(parse(ours)[0].fields) == typed(fields)


def test_what_line_protocol_cannot_carry_is_made_harmless_or_refused() -> None:
    assert encode_line("m", {"a": "x\\", "b": "", "c": "two\nlines"}, {"f": 1.0}, 5) == r"m,a=x,c=two\ lines f=1.0 5"
    with pytest.raises(ValueError, match="no field"):
        encode_line("m", {}, {}, 0)
    with pytest.raises(ValueError, match="nan"):
        encode_line("m", {}, {"f": float("nan")}, 0)


def admit(v: dict[str, float], q: dict[str, int] | None = None, failed: dict[str, float] | None = None) -> Point:
    intake = Intake(10 * SECOND)
    intake.now_at(NOW)
    point = intake.admit(ORIGIN, 0x9F3C71AA, 1234, format_time(NOW), v, q or {}, failed or {})
    assert isinstance(point, Point), point
    return point


def test_a_reading_becomes_the_line_that_the_design_describes() -> None:
    (text,) = encode_points([admit({"pm2_5": 37.5, "pm10": 612.0}, {"pm10": 3, "pm1": 9, "pm4": 4}, {"pm4": -7.25})])
    assert parse(text) == [
        Line(
            "air",
            {"node": "nimman-07", "device": "pms-roof"},
            {
                **{"pm2_5": 37.5, "pm10": 612.0, "pm4_failed": -7.25},
                **{"pm2_5_q": 1, "pm10_q": 3, "pm1_q": 9, "pm4_q": 4},
                **{"q": 9, "seq": 1234, "spool": 0x9F3C71AA},
            },
            NOW + 1234,
        )
    ]
    assert typed(parse(text)[0].fields)["pm10"] == (float, 612.0)


def test_a_device_without_quality_tests_has_only_the_one_flag() -> None:
    (text,) = encode_points([admit({"stage": 3.0}, {"*": 2})])
    assert parse(text)[0].fields == {"stage": 3.0, "q": 2, "seq": 1234, "spool": 0x9F3C71AA}


def test_undated_readings_have_a_measurement_of_their_own_and_events_keep_their_number() -> None:
    undated = Point(ORIGIN, admit({"pm10": 1.0}).shape, (1.0,), NOW, 7, 1, is_dated=False)
    event = Note("event", ORIGIN, NOW, {"from": 1.5, "to": 2}, {"event": "counter-reset"}, seq=8, spool=1)
    first, second = map(parse, encode_points([undated, event]))
    assert first[0].measurement == "undated"
    assert first[0].tags == {"node": "nimman-07", "device": "pms-roof", "class": "air"}
    assert second == [
        Line(
            "event",
            {"node": "nimman-07", "device": "pms-roof", "class": "air", "event": "counter-reset"},
            {"from": 1.5, "to": 2, "seq": 8, "spool": 1},
            NOW + 8,
        )
    ]


def test_the_stamp_tells_two_readings_of_the_same_millisecond_apart() -> None:
    shape = make_shape(("a",), {}, ())
    one, two = (Point(ORIGIN, shape, (1.0,), NOW, seq, 1).stamp for seq in (999_999, 1_000_001))  # type: ignore[arg-type]
    assert (one, two) == (NOW + 999_999, NOW + 1)
