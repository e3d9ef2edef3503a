"""What tail makes of messages: the right rows, and nothing bad of bad ones."""

import json
import time

import pytest

from gateway.cli.readings import Reader, Wish, as_json, clock, columns, format_age, format_value, quality, rows
from gateway.cli.table import Table
from gateway.ops import texts
from gateway.wire.times import parse_time

ROOT = "lanna/v1"
NOW = parse_time("2026-03-20T09:46:50.000Z")
READING = (
    b'{"t":"2026-03-20T09:46:40.120Z","spool":"9f3c71aa","seq":1234,'
    b'"v":{"pm2_5":37.5,"pm10":612.0},"q":{"pm10":3,"pm1":9},"failed":{"pm4":9999}}'
)
TOPIC = f"{ROOT}/nimman-07/air/pms-roof/reading"


@pytest.fixture(autouse=True)
def _setting(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Bangkok")
    time.tzset()
    texts.set_language("en")
    yield
    texts.set_language(None)
    monkeypatch.undo()
    time.tzset()


def lines(reader, readings, now=NOW):
    table = Table(columns())
    return [table.row(row).split() for seen in readings for row in rows(seen, reader, now)]


def test_rows_of_a_reading():
    reader = Reader(ROOT, Wish())
    assert lines(reader, reader.take(TOPIC, READING)) == [
        ["16:46:40", "nimman-07", "pms-roof", "pm2_5", "37.5", "µg/m³", "9.9", "s", "good"],
        ["16:46:40", "nimman-07", "pms-roof", "pm10", "612", "µg/m³", "9.9", "s", "suspect"],
        ["16:46:40", "nimman-07", "pms-roof", "pm4", "9999", "µg/m³", "9.9", "s", "failed"],
        ["16:46:40", "nimman-07", "pms-roof", "pm1", "–", "µg/m³", "9.9", "s", "missing"],
    ]


def test_json_has_always_the_same_keys():
    reader = Reader(ROOT, Wish())
    [seen] = reader.take(TOPIC, READING)
    assert json.loads(as_json(seen, reader)) == {
        "node": "nimman-07",
        "class": "air",
        "device": "pms-roof",
        "t": "2026-03-20T09:46:40.120Z",
        "spool": "9f3c71aa",
        "seq": 1234,
        "late": False,
        "v": {"pm2_5": 37.5, "pm10": 612.0},
        "failed": {"pm4": 9999.0},
        "q": {"pm10": 3, "pm1": 9},
        "units": {"pm2_5": "ug/m3", "pm10": "ug/m3", "pm4": "ug/m3"},
    }
    [undated] = reader.take(TOPIC, b'{"t":null,"spool":"a","seq":1,"v":{},"q":{"*":2}}')
    assert list(json.loads(as_json(undated, reader))) == list(json.loads(as_json(seen, reader)))


def test_backlog_is_late_and_events_are_no_readings():
    reader = Reader(ROOT, Wish(late=True))
    payload = (
        b'{"spool":"a","readings":[{"device":"d","t":"2026-03-19T00:00:00.000Z","seq":1,"v":{"stage":1.25}},'
        b'{"device":"d","t":null,"seq":2,"event":"x"}]}'
    )
    [line] = lines(reader, reader.take(f"{ROOT}/n/water/backlog", payload))
    assert line == ["2026-03-19", "07:00:00", "n", "d", "stage", "1.25", "m", "34", "h", "good,", "late"]


def test_units_of_unknown_quantities_come_from_the_device():
    reader = Reader(ROOT, Wish())
    about = b'{"rev":1,"since":null,"driver":"x","units":{"odd":"\\u001b[31mfoo"}}'
    assert reader.take(f"{ROOT}/n/air/d/about", about) == []
    readings = reader.take(f"{ROOT}/n/air/d/reading", b'{"t":null,"spool":"a","seq":1,"v":{"odd":1}}')
    assert lines(reader, readings) == [["undated", "n", "d", "odd", "1", "�[31mfoo", "good"]]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"t":"yesterday","spool":"a","seq":1,"v":{}}',
        b'{"t":"2569-13-01T00:00:00Z","spool":"a","seq":1,"v":{}}',
        b'{"t":null,"spool":"a","seq":1,"v":{"a":NaN}}',
        b'{"t":null,"spool":"a","seq":1,"v":{"a":1e999}}',
        b'{"t":null,"spool":"a","seq":1,"v":{"a":"1"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_reading_is_counted(payload):
    reader = Reader(ROOT, Wish())
    assert reader.take(TOPIC, payload) == []
    assert reader.unreadable == 1


def test_other_topics_are_nothing():
    reader = Reader(ROOT, Wish())
    for topic in (
        "x",
        f"{ROOT}/n/status",
        f"{ROOT}/n/air/d/event",
        f"{ROOT}/N/air/d/reading",
        "lanna/v2/n/air/d/reading",
    ):
        assert reader.take(topic, READING) == []
    assert reader.unreadable == 0


def test_hostile_names_stay_text():
    reader = Reader(ROOT, Wish())
    payload = (
        b'{"t":"0001-01-01T00:00:00Z","spool":"a","seq":1,'
        b'"v":{"\\u001b[2J\\n":1,"\\ud83d\\ude00":-1e300},"q":{"x":-99999999999}}'
    )
    readings = reader.take(TOPIC, payload)
    for width in (None, 40):
        table = Table(columns(), width=width, colour=True)
        for seen in readings:
            for row in rows(seen, reader, NOW):
                assert not {"\n", "\r", "\x07"} & set(table.row(row))
                assert "\x1b[2J" not in table.row(row)
            assert as_json(seen, reader).isascii()
    many = {f"q{n}": 1 for n in range(1000)}
    [seen] = reader.take(TOPIC, json.dumps({"t": None, "spool": "a", "seq": 1, "v": many}).encode())
    assert len(list(rows(seen, reader, NOW))) == 200


@pytest.mark.parametrize(
    ("wish", "is_shown"),
    [
        (Wish(), True),
        (Wish(nodes={"nimman-07"}), True),
        (Wish(nodes={"other", "x"}), False),
        (Wish(classes={"water"}), False),
        (Wish(devices={"pms-roof", "x"}), True),
        (Wish(devices={"x"}), False),
        (Wish(quantities={"pm10"}), True),
        (Wish(quantities={"pm1"}), True),
        (Wish(quantities={"stage"}), False),
    ],
)
def test_filters(wish, is_shown):
    reader = Reader(ROOT, wish)
    assert bool(reader.take(TOPIC, READING)) == is_shown


def test_a_quantity_alone():
    reader = Reader(ROOT, Wish(quantities={"pm10"}))
    [seen] = reader.take(TOPIC, READING)
    assert (seen.values, seen.failed, seen.flags) == ({"pm10": 612.0}, {}, {"pm10": 3})


def test_topic_filters_are_as_narrow_as_can_be():
    assert Wish().filters(ROOT) == [f"{ROOT}/+/+/+/about", f"{ROOT}/+/+/+/reading"]
    assert Wish(nodes={"n"}, devices={"d"}, classes={"air", "water"}, late=True).filters(ROOT) == [
        f"{ROOT}/n/+/d/about",
        f"{ROOT}/n/+/d/reading",
        f"{ROOT}/n/+/backlog",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.34, "0.3 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (5969, "99 min"),
        (6000, "2 h"),
        (86400, "24 h"),
        (864000, "10 d"),
        (-0.01, "0.0 s"),
        (-3, "-3.0 s"),
    ],
)
def test_age(seconds, text):
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (37.5, "37.5"),
        (612.0, "612"),
        (1000.0, "1000"),
        (0.1 + 0.2, "0.3"),
        (-1.2345, "-1.234"),
        (12345678.9, "12345678.9"),
        (0.00012, "0.00012"),
        (1e15, "1e+15"),
    ],
)
def test_value(value, text):
    assert format_value(value) == text


def test_clock_at_the_calendars_ends():
    assert clock(parse_time("9999-12-31T23:59:59Z"), NOW) == "9999-12-31T23:59:59.000Z"
    assert clock(NOW, NOW) == "16:46:50"


def test_quality_words():
    assert [quality(flag, late=False) for flag in (1, 2, 3, 4, 9, 77)] == [
        "good",
        "not tested",
        "suspect",
        "failed",
        "missing",
        "77",
    ]
