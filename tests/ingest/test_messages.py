"""From message to part: what is stored, what is parked and by what name, whatever a peer sends."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingest.batch import Batch
from gateway.ingest.lines import encode_points
from gateway.ingest.messages import Part, Reader
from gateway.ingest.points import Note, Point, Reason
from gateway.ingest.sinks.base import Rejection
from gateway.wire.times import MS, SECOND, format_time
from tests.ingest.line_parser import parse

ROOT, SPOOL = "lanna/v1", "9f3c71aa"
NOW = time.time_ns() // MS * MS
T = format_time(NOW)
READING = f"{ROOT}/n1/air/pms/reading"
BACKLOG = f"{ROOT}/n1/air/backlog"


def reader() -> Reader:
    made = Reader(ROOT, retention_ns=86_400 * SECOND, max_payload_bytes=100_000)
    made.now_at(NOW)
    return made


def read(topic: str, message: Any) -> Part:
    return reader().read(topic, message if isinstance(message, bytes) else json.dumps(message).encode())


def reading(**changes: Any) -> dict[str, Any]:
    return {"t": T, "spool": SPOOL, "seq": 7, "v": {"pm10": 1.5}} | changes


def entry(seq: int, **changes: Any) -> dict[str, Any]:
    return {"device": "pms", "t": T, "seq": seq, "v": {"pm10": float(seq)}} | changes


def test_a_reading() -> None:
    part = read(READING, reading())
    (point,) = part.points
    assert isinstance(point, Point)
    assert (point.origin.node, point.origin.device_class, point.origin.device) == ("n1", "air", "pms")
    assert (point.seq, point.spool, point.at, point.values) == (7, 0x9F3C71AA, NOW, (1.5,))
    assert (part.node, part.spool, part.refused) == ("n1", SPOOL, [])


def test_a_batch_of_readings_and_events() -> None:
    event = {"device": "meter", "t": T, "seq": 3, "event": "counter-reset", "data": {"from": 5, "why": "text"}}
    part = read(BACKLOG, {"spool": SPOOL, "readings": [entry(1), entry(2, device="other"), event]})
    first, second, third = part.points
    assert (first.seq, first.origin.device, second.origin.device) == (1, "pms", "other")
    assert isinstance(third, Note)
    assert (third.measurement, third.seq, third.tags, third.fields) == (
        *("event", 3),
        *({"event": "counter-reset"}, {"from": 5.0}),
    )
    assert third.text == {"why": "text"}


@pytest.mark.parametrize(
    ("topic", "message", "reason"),
    [
        (READING, b"\xff\xfe", Reason.JSON),
        (READING, b"", Reason.JSON),
        (READING, b"[" * 50_000, Reason.JSON),
        (READING, [], Reason.JSON),
        (READING, {"v": {}}, Reason.JSON),
        (READING, reading(spool="../etc"), Reason.SPOOL),
        (READING, reading(seq=0), Reason.SEQ),
        (READING, b" " * 100_001, Reason.OVERSIZE),
        (f"{ROOT}/N1/air/pms/reading", reading(), Reason.TOPIC),
        (f"{ROOT}/n1/fire/pms/reading", reading(), Reason.TOPIC),
        ("elsewhere/n1/air/pms/reading", reading(), Reason.TOPIC),
        (BACKLOG, {"spool": SPOOL}, Reason.JSON),
        (BACKLOG, {"spool": 5, "readings": []}, Reason.JSON),
        (BACKLOG, {"spool": "xyz", "readings": [entry(1)]}, Reason.SPOOL),
        (f"{ROOT}/n1/status", {"state": "asleep"}, Reason.JSON),
        (f"{ROOT}/n1/status", {"state": "online", "spools": {"x": {"first": 1, "next": 2}}}, Reason.JSON),
        (f"{ROOT}/n1/status", {"state": "online", "spools": {SPOOL: {"first": 1, "next": 2**60}}}, Reason.JSON),
        (f"{ROOT}/n1/lost", {SPOOL: [[5, 4, "x"]]}, Reason.JSON),
        (f"{ROOT}/n1/air/pms/event", {"t": T, "spool": SPOOL, "seq": 1, "event": "No Event"}, Reason.EVENT),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_bytes(topic: str, message: Any, reason: Reason) -> None:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    part = read(topic, message)
    assert part.points == []
    (refused,) = part.refused
    assert refused.reason is reason
    assert refused.topic == topic
    assert refused.payload == data or (reason is Reason.OVERSIZE and data.startswith(refused.payload))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": {"pm10": "abc"}}, Reason.JSON),
        ({"v": {"pm10": None}}, Reason.JSON),
        ({"t": 5}, Reason.JSON),
        ({"t": "2019-01-01T00:00:00.000Z"}, Reason.TOO_OLD),
        ({"v": {"bad name": 1}}, Reason.QUANTITY),
    ],
)
def test_a_refused_reading_keeps_its_number(changes: dict[str, Any], reason: Reason) -> None:
    for part in (
        read(READING, reading(**changes)),
        read(BACKLOG, {"spool": SPOOL, "readings": [entry(7, **changes)]}),
    ):
        (refused,) = part.refused
        assert (refused.reason, refused.node, refused.spool, refused.seq) == (reason, "n1", SPOOL, 7)
        assert part.spool == SPOOL


def test_one_bad_entry_costs_only_itself_and_can_come_again_alone() -> None:
    bad = entry(2, v={"pm10": "abc"}), entry(3, t="never"), entry(4, device="No Id"), entry(5, event="x"), {"seq": 6}
    part = read(BACKLOG, {"spool": SPOOL, "readings": [entry(1), *bad, "nothing", entry(9)]})
    assert [point.seq for point in part.points] == [1, 9]
    refused = {one.seq: one for one in part.refused}
    assert {seq: one.reason for seq, one in refused.items()} == {
        **{2: Reason.JSON, 3: Reason.TIME, 4: Reason.DEVICE, 5: Reason.JSON, 6: Reason.JSON},
        0: Reason.JSON,  # "nothing" has no number
    }
    again = read(refused[2].topic, refused[2].payload.replace(b'"abc"', b"2.5"))
    assert [point.seq for point in again.points] == [2]


def test_an_undated_reading_is_marked() -> None:
    part = read(READING, reading(t=None))
    assert part.has_undated
    assert not part.points[0].is_dated


def test_what_a_node_says_of_itself() -> None:
    status = {"state": "online", "at": T, "spools": {SPOOL: {"first": 3, "next": 10}}}
    birth = read(f"{ROOT}/n1/status", status)
    assert (birth.holds, birth.is_birth) == ({SPOOL: (3, 10)}, True)
    will = read(f"{ROOT}/n1/status", status | {"state": "offline"})
    assert (will.holds, will.is_birth) == ({SPOOL: (3, 10)}, False)
    lost = read(f"{ROOT}/n1/lost", {SPOOL: [[1000, 1099, "spool bound"]]})
    assert lost.lost == [(SPOOL, 1000, 1099, "spool bound")]
    assert read(f"{ROOT}/n1/lost", b"").refused == [], "a retained message that was emptied"
    health = read(
        f"{ROOT}/n1/health", {"t": T, "spools": {SPOOL: {"first": 3, "next": 12}}, "devices": {"pms": {"state": "ok"}}}
    )
    assert health.holds == {SPOOL: (3, 12)}
    assert not health.is_birth
    assert [note.origin.device for note in health.points] == ["", "pms"]


def test_states_and_descriptions_become_numbers_and_tags() -> None:
    status = read(f"{ROOT}/n1/air/pms/status", {"state": "silent", "since": T, "why": "no frame for 20 s"})
    about = read(
        f"{ROOT}/n1/air/pms/about",
        {"rev": 2, "since": T, "driver": "plantower-pmsx003", "model": "PMS5003", "position": {"lat": 18.8}},
    )
    first, second = (parse(line)[0] for line in encode_points([*status.points, *about.points]))
    assert (first.measurement, first.fields, first.time) == ("device_status", {"state": 1}, NOW)
    assert (second.measurement, second.fields["rev"], second.fields["lat"], second.time) == ("about", 2, 18.8, NOW)
    assert second.tags["driver"] == "plantower-pmsx003"
    assert not any(isinstance(value, str) for value in second.fields.values())


def test_a_point_that_the_sink_refused_can_come_again_unchanged() -> None:
    message = reading(v={"pm10": 1.5, "pm1": 2.0}, q={"pm1": 3, "pm4": 4, "pm2_5": 9}, failed={"pm4": -1.0})
    event = {
        "t": T,
        "spool": SPOOL,
        "seq": 8,
        "event": "counter-reset",
        "data": {"from": 5.5, "quantity": "energy_import"},
    }
    plain = reading(seq=9, q={"*": 2})
    batch = Batch([read(READING, message), read(f"{ROOT}/n1/air/pms/event", event), read(READING, plain)])
    batch.put_together()
    refused = batch.sink_refusals(ROOT, [Rejection(index, "type conflict") for index in range(3)])
    assert [(one.seq, one.why, one.topic) for one in refused] == [(seq, "type conflict", BACKLOG) for seq in (7, 8, 9)]
    again = [read(one.topic, one.payload).points[0] for one in refused]
    assert encode_points(again) == encode_points(batch.points)


SCRAP = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def test_every_number_of_a_nodes_health_is_stored_and_each_reason_by_its_name() -> None:
    device = {"state": "ok", "readings": 3, "missed": 2, "rejected": {"Integrity": 4, "FixedBits": 1}}
    said = {
        **{"t": T, "hours_left": 12.5, "undated": 7, "never_dated": 3, "clock_steps": 2, "clock_doubt": "stepped"},
        **{"loss_total": 5, "losses": {"spool bound": 4, "disk full": 1, "!?": 9}, "refused": {"not authorized": 6}},
        **{"spool_bytes": 10**400, "devices": {"pms": device}},
    }
    node, pms = read(f"{ROOT}/n1/health", said).points
    assert isinstance(node, Note)
    assert isinstance(pms, Note)
    expected = {"hours_left": 12.5, "undated": 7.0, "never_dated": 3.0, "clock_steps": 2.0, "loss_total": 5.0}
    expected |= {"lost_spool_bound": 4.0, "lost_disk_full": 1.0, "refused": 6.0, "refused_not_authorized": 6.0}
    assert expected.items() <= node.fields.items()
    assert {"spool_age_s", "clock_trusted", "unsettled", "unconfirmed", "resent", "ledger_silent"} <= set(node.fields)
    assert "spool_bytes" not in node.fields, "no float holds it"
    assert node.text["clock_doubt"] == "stepped"
    expected = {"readings": 3.0, "missed": 2.0, "rejected": 5.0, "rejected_integrity": 4.0, "rejected_fixedbits": 1.0}
    assert expected.items() <= pms.fields.items()


KINDS = ("air/pms/reading", "air/backlog", "air/pms/event", "status", "about", "health", "lost", "air/pms/about")


@given(kind=st.sampled_from(KINDS), data=st.data())
@settings(max_examples=400, deadline=None)
def test_nothing_a_peer_sends_raises_and_everything_admitted_has_a_line(kind: str, data: st.DataObject) -> None:
    base: dict[str, Any] = {
        **reading(),
        **entry(5),
        "readings": [entry(1), entry(2)],
        "state": "ok",
        "rev": 1,
        "since": T,
    }
    message = base | {
        data.draw(st.sampled_from([*base, "q", "failed", "event", "data", "spools", "position"])): data.draw(SCRAP)
        for _ in range(data.draw(st.integers(0, 3)))
    }
    if data.draw(st.booleans()):
        message["readings"] = [entry(1) | {data.draw(st.sampled_from([*entry(1), "event"])): data.draw(SCRAP)}]
    part = read(f"{ROOT}/n1/{kind}", json.dumps(message).encode())
    for line in encode_points(part.points):
        line.encode()
        assert len(parse(line)) == 1
    for refused in part.refused:
        assert refused.key.encode()
        refused.why.encode()


def test_cut_and_flipped_messages_never_raise() -> None:
    dice = random.Random(7)
    whole = json.dumps({"spool": SPOOL, "readings": [entry(seq) for seq in range(1, 6)]}).encode()
    made = reader()
    for _ in range(2000):
        data = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(3)):
            if data:
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        part = made.read(BACKLOG, bytes(data))
        assert part.points or part.refused or data
