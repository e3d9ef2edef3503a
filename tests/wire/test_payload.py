import json

import pytest

from gateway.wire import entry as e
from gateway.wire.payload import Backlog, Event, NodeStatus, Reading, SpoolRange, decode, encode
from gateway.wire.topics import Address, is_id, parse

T = "2026-03-20T09:46:40.120Z"
ENTRY = e.Entry("air", "pms-roof", 1_774_000_000_120, 5_000, "9f3c71aa", True, {"pm2_5": 37.5}, {"pm10": 3, "pm1": 9})


def test_a_reading_looks_as_the_design_says() -> None:
    topic, payload = e.live_message("lanna/v1", "nimman-07", "9f3c71aa", 1234, ENTRY, T)
    assert topic == "lanna/v1/nimman-07/air/pms-roof/reading"
    assert json.loads(payload) == {
        "t": "2026-03-20T09:46:40.120Z",
        "spool": "9f3c71aa",
        "seq": 1234,
        "v": {"pm2_5": 37.5},
        "q": {"pm10": 3, "pm1": 9},
    }
    assert decode(Reading, payload).seq == 1234


def test_backlog_carries_the_same_readings_and_events() -> None:
    event = e.Entry("air", "pms-roof", 1_774_000_000_120, 5_000, "b", True, event="reset", data={"from": 9})
    topic, payload = e.late_message(
        "lanna/v1", "nimman-07", "air", "9f3c71aa", [e.late_part(1, ENTRY, T), e.late_part(2, event, None)]
    )
    assert topic == "lanna/v1/nimman-07/air/backlog"
    batch = decode(Backlog, payload)
    assert [(r.seq, r.v, r.event) for r in batch.readings] == [(1, {"pm2_5": 37.5}, None), (2, None, "reset")]
    assert e.live_message("lanna/v1", "n", "s", 2, event, T)[0].endswith("/event")
    assert decode(Event, e.live_message("lanna/v1", "n", "s", 2, event, T)[1]).data == {"from": 9}


def test_an_entry_survives_the_disk() -> None:
    assert e.unpack(e.pack(ENTRY)) == ENTRY


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"\x91\xa3air", e.pack(ENTRY)[:-1]])
def test_bytes_that_are_no_entry(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a spool entry"):
        e.unpack(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"t":null,"spool":"a","seq":"1","v":{}}',
        b'{"t":null,"spool":"a","seq":1,"v":{"pm2_5":"37"}}',
        b'{"t":null,"spool":"a","seq":1,"v":{"pm2_5":NaN}}',
        b'{"t":null,"spool":"a","seq":1}',
        b"[" * 100_000,
    ],
)
def test_a_hostile_payload_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(Reading, data)


def test_a_member_from_the_future_is_ignored() -> None:
    assert decode(NodeStatus, b'{"state":"online","later":[1]}').state == "online"


def test_status_spells_its_spools() -> None:
    status = NodeStatus("online", "2026-03-20T09:46:40.120Z", "nimman", "0.1", {"9f3c71aa": SpoolRange(1, 1235)})
    assert json.loads(encode(status))["spools"] == {"9f3c71aa": {"first": 1, "next": 1235}}


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        ("lanna/v1/n-1/status", Address("n-1", "status")),
        ("lanna/v1/n-1/air/backlog", Address("n-1", "backlog", "air")),
        ("lanna/v1/n-1/air/pms/reading", Address("n-1", "reading", "air", "pms")),
        ("lanna/v1/n-1/water/gauge/alarm/flood", Address("n-1", "alarm", "water", "gauge", "flood")),
        ("lanna/v1/n-1/status/x/reading", None),
        ("lanna/v1/N-1/status", None),
        ("lanna/v1/n-1/air/pms/secret", None),
        ("lanna/v1//air/pms/reading", None),
        ("lanna/v10/n-1/status", None),
        ("lanna/v1", None),
    ],
)
def test_topics_are_taken_apart(topic: str, address: Address | None) -> None:
    assert parse("lanna/v1", topic) == address


def test_ids() -> None:
    assert is_id("a-1")
    assert is_id("x" * 32)
    assert not any(is_id(text) for text in ("", "x" * 33, "A", "a_b", "a/b", "a\n", "ก"))
