"""The InfluxDB sink: every answer a server can give, from a stub; and the truth, from a real VictoriaMetrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.ingest.lines import encode_points
from gateway.ingest.points import Note, Origin, Point, Shape, make_shape
from gateway.ingest.sinks.base import Rejection, Span, Unavailable
from gateway.ingest.sinks.influx import InfluxSink
from gateway.spool.intervals import Intervals
from gateway.wire.times import MS, SECOND
from tests.ingest.line_parser import parse
from tests.rig.database import VictoriaMetrics
from tests.rig.influx_stub import Answer, InfluxStub
from tests.rig.process import free_port

AIR = Origin("nimman-07", "air", "pms-roof")
NOW = time.time_ns() // MS * MS
SHAPE = make_shape(("pm10", "pm2_5"), {}, ())
assert isinstance(SHAPE, Shape)


def points(count: int, *, start: int = 1, step_ns: int = SECOND) -> list[Point | Note]:
    """Readings with seq from `start`, the last one a moment ago."""
    assert isinstance(SHAPE, Shape)
    first_at = NOW - count * step_ns
    return [
        Point(AIR, SHAPE, (float(seq), 2.5), first_at + (seq - start) * step_ns, seq, 0x9F3C71AA)
        for seq in range(start, start + count)
    ]


@pytest.fixture
def stub() -> Iterator[InfluxStub]:
    with InfluxStub() as running:
        yield running


def sink_on(url: str, **options: Any) -> InfluxSink:
    return InfluxSink(url, **({"org": "o", "bucket": "b", "token": "secret", "timeout_s": 5.0} | options))


def seqs(lines: list[str]) -> list[Any]:
    return sorted(parse(line)[0].fields["seq"] for line in lines)


def test_a_batch_is_one_request_with_ns_precision_and_token(stub: InfluxStub) -> None:
    sink = sink_on(stub.url)
    assert sink.write(points(500)) == []
    assert stub.lines == encode_points(points(500))
    assert stub.bodies == [500]
    assert stub.paths == ["/api/v2/write?org=o&bucket=b&precision=ns"]
    assert stub.headers[0]["Authorization"] == "Token secret"
    assert sink.durable_after_s == 0
    sink.close()


def test_gzip_is_a_setting(stub: InfluxStub) -> None:
    sink = sink_on(stub.url, gzip=True)
    sink.write(points(100))
    assert stub.headers[0]["Content-Encoding"] == "gzip"
    assert stub.lines == encode_points(points(100))
    sink.close()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_halved_until_only_the_bad_points_are_left(stub: InfluxStub, status: int) -> None:
    bad = {3, 77, 78, 200}

    def judge(lines: list[str]) -> Answer:
        found = [seq for seq in seqs(lines) if seq in bad]
        return Answer(status, f"field type conflict at {found[0]}") if found else Answer()

    stub.judge = judge
    sink = sink_on(stub.url)
    refused = sink.write(points(200))
    assert sorted(one.index + 1 for one in refused) == sorted(bad)
    assert Rejection(76, f"{status} field type conflict at 77") in refused
    assert seqs(stub.lines) == [seq for seq in range(1, 201) if seq not in bad]
    sink.close()


def test_a_batch_that_is_only_too_large_is_split_and_stored_whole(stub: InfluxStub) -> None:
    stub.judge = lambda lines: Answer(413, "too large") if len(lines) > 30 else Answer()
    sink = sink_on(stub.url)
    assert sink.write(points(100)) == []
    assert seqs(stub.lines) == list(range(1, 101))
    sink.close()


@pytest.mark.parametrize(
    ("answer", "needs_person", "after_s", "why"),
    [
        (Answer(401, "unauthorized access"), True, None, "401.*unauthorized access"),
        (Answer(403, "insufficient permissions"), True, None, "403"),
        (Answer(404, 'bucket "b" not found'), True, None, '404.*bucket "b" not found'),
        (Answer(405, ""), True, None, "405"),
        (Answer(429, "quota", {"Retry-After": "7"}), False, 7.0, "429"),
        (Answer(429, "quota", {"Retry-After": "86400"}), False, 600.0, "429"),
        (Answer(503, "busy", {"Retry-After": "3"}), False, 3.0, "503"),
        (Answer(503, "busy", {"Retry-After": "soon"}), False, None, "503"),
        (Answer(503, "busy", {"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}), False, 600.0, "503"),
        (Answer(503, "busy", {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}), False, 0.0, "503"),
        (Answer(500, "internal"), False, None, "500"),
        (Answer(act="cut"), False, None, "127.0.0.1"),
        (Answer(act="hang"), False, None, "127.0.0.1.*imed out"),
    ],
)
def test_what_is_no_fault_of_the_points_is_waited_for(
    stub: InfluxStub, answer: Answer, needs_person: bool, after_s: float | None, why: str
) -> None:
    sink = sink_on(stub.url, timeout_s=0.4)
    stub.script.append(answer)
    with pytest.raises(Unavailable, match=why) as caught:
        sink.write(points(2000))
    assert (caught.value.needs_person, caught.value.retry_after_s) == (needs_person, after_s)
    assert "secret" not in str(caught.value)
    assert stub.lines == []
    assert sink.write(points(2000)) == [], "the next try is a fresh one"
    assert len(stub.lines) == 2000
    sink.close()


def test_trouble_in_the_middle_of_halving_settles_nothing(stub: InfluxStub) -> None:
    stub.script += [Answer(400, "bad line"), Answer(204), Answer(503, "busy")]
    sink = sink_on(stub.url)
    with pytest.raises(Unavailable, match="503"):
        sink.write(points(100))
    assert sink.write(points(100)) == []
    sink.close()


def test_nobody_there_is_waited_for_too() -> None:
    sink = sink_on(f"http://127.0.0.1:{free_port()}")
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            sink.write(points(1))
        assert not caught.value.needs_person
    assert sink.durable_after_s == 0
    sink.close()


def test_the_kind_of_server_is_found_out(stub: InfluxStub) -> None:
    stub.health = "OK"
    assert _durable_after(stub.url) == 30.0
    stub.health = '{"name":"influxdb"}'
    assert _durable_after(stub.url) == 0.0
    assert _durable_after(stub.url, dialect="victoriametrics") == 30.0
    assert _durable_after(stub.url, durable_after_s=2.5) == 2.5


def _durable_after(url: str, **options: Any) -> float:
    sink = sink_on(url, **options)
    sink.write(points(1))
    sink.close()
    return sink.durable_after_s


def test_influxdb_is_counted_in_flux(stub: InfluxStub) -> None:
    sink = sink_on(stub.url, durable_after_s=1.0)
    stub.csv = "#datatype,string,long,long\r\n,result,table,_value\r\n,_result,0,41\r\n\r\n"
    assert sink.count("nimman-07", "pms-roof", NOW, NOW + SECOND) == 41
    assert f"range(start: time(v: {NOW}), stop: time(v: {NOW + SECOND}))" in stub.queries[0]
    assert 'r.device == "pms-roof"' in stub.queries[0]
    assert sink.mark() is None
    assert sink.confirm(None, points(1)[0])
    stub.csv = "\r\n"
    assert sink.count("nimman-07", "pms-roof", NOW, NOW + SECOND) == 0
    assert not sink.confirm(None, points(1)[0])
    sink.close()


def test_victoriametrics_stores_counts_and_confirms(victoria: VictoriaMetrics) -> None:
    sink = sink_on(victoria.url)
    batch = points(1000)
    event = Note("event", AIR, NOW, {"from": 1.5}, {"event": "counter-reset"}, seq=5000, spool=1)
    state = Note("device_status", AIR, NOW, {"state": 1})
    mark = sink.mark()
    assert mark is not None
    for _ in range(2):
        assert sink.write([*batch, event, state]) == []
    victoria.flush()
    assert sink.durable_after_s == 30.0
    assert sink.count("nimman-07", "pms-roof", 0, NOW + SECOND) == 1000, "a repeat is no second reading"
    assert sink.count("nimman-07", "pms-roof", NOW - 10 * SECOND, NOW - 5 * SECOND) == 5
    assert sink.count("nimman-07", "another", 0, NOW + SECOND) == 0
    assert all(sink.confirm(mark, one) for one in (batch[-1], event, state))
    assert not sink.confirm(mark, points(1, start=2000)[0])
    (series,) = victoria.export('{__name__="air_seq"}')
    assert series.values == [float(seq) for seq in range(1, 1001)]
    assert series.labels == {"__name__": "air_seq", "node": "nimman-07", "device": "pms-roof"}
    (spool,) = victoria.export('{__name__="air_spool"}')
    assert set(spool.values) == {float(0x9F3C71AA)}, "exact as a double"
    sink.close()


def test_a_database_killed_after_its_yes_confirms_nothing(victoria: VictoriaMetrics) -> None:
    sink = sink_on(victoria.url)
    mark = sink.mark()
    assert mark is not None
    sink.write(points(100))
    victoria.kill()
    with pytest.raises(Unavailable):
        sink.confirm(mark, points(100)[-1])
    while time.time() < int(mark) + 1:
        time.sleep(0.05)  # its start time has whole seconds
    victoria.start()
    sink.write(points(100))
    victoria.flush()
    assert not sink.confirm(mark, points(100)[-1]), "the point is there again, but what else was lost is unknown"
    assert sink.confirm(sink.mark(), points(100)[-1])
    sink.close()


def test_the_numbers_that_are_there_are_read_back_from_victoriametrics(victoria: VictoriaMetrics) -> None:
    """Readings over hours, events and undated ones, of two nodes and two spools; only what lies within the spans."""
    sink = sink_on(victoria.url)
    old, new = points(900, step_ns=30 * SECOND), points(20, start=2001)
    other = [one._replace(origin=Origin("rooftop-2", "air", "pms"), spool=5) for one in new if isinstance(one, Point)]
    undated = [one._replace(is_dated=False, spool=7, seq=9) for one in new[:1] if isinstance(one, Point)]
    event = Note("event", AIR, NOW, {"from": 1.5}, {"event": "counter-reset"}, seq=5000, spool=0x9F3C71AA)
    sink.write([*old, *new, *other, *undated, event, Note("device_status", AIR, NOW, {"state": 1})])
    victoria.flush()

    def span(name: str, node: str, *found: Point | Note) -> Span:
        return Span(name, node, min(one.stamp for one in found), max(one.stamp for one in found))

    held = sink.held([span("air", "nimman-07", *old[:800]), span("undated", "nimman-07", *undated)])
    assert held is not None
    assert set(held) == {("nimman-07", "9f3c71aa"), ("nimman-07", "00000007")}
    first, last = held["nimman-07", "9f3c71aa"].ranges()[0]
    assert first == 1
    assert 800 <= last < 810, "what lies close by may come, too"
    assert held["nimman-07", "00000007"].ranges() == [(9, 9)]
    assert sink.held([span("event", "nimman-07", event)]) == {("nimman-07", "9f3c71aa"): Intervals([(5000, 5000)])}
    assert sink.held([span("air", "rooftop-2", *other)]) == {("rooftop-2", "00000005"): Intervals([(2001, 2020)])}
    assert sink.held([span("water", "nimman-07", *old)]) == {}
    sink.close()
