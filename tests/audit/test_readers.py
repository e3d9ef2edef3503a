"""What the databases answer: SQLite and a real VictoriaMetrics say the same of the same messages."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.descriptions import as_of, revisions
from gateway.audit.facts import About, Database, Row, StateChange
from gateway.audit.flux_reader import FluxReader
from gateway.audit.sqlite_reader import SqliteReader
from gateway.audit.victoria_reader import VictoriaReader
from gateway.ingest.messages import Reader
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Unavailable
from gateway.ingest.sinks.influx import InfluxSink
from gateway.ingest.sinks.sqlite import SqliteSink
from gateway.wire.times import MS, SECOND, format_time
from tests.rig.database import VictoriaMetrics
from tests.rig.influx_stub import InfluxStub

ROOT, SPOOL, OTHER = "lanna/v1", "9f3c71aa", "00000001"
HOUR = 3600 * SECOND
NOW = time.time_ns() // SECOND * SECOND
T0 = NOW - 50 * HOUR
YEAR_NS = 365 * 24 * HOUR


def points() -> list[Point | Note]:
    """What ingest makes of a little stream of messages."""
    reader = Reader(ROOT, retention_ns=YEAR_NS, max_payload_bytes=1 << 20)
    reader.now_at(NOW)
    found: list[Point | Note] = []

    def say(path: str, said: dict[str, Any]) -> None:
        part = reader.read(f"{ROOT}/{path}", json.dumps(said).encode())
        assert not part.refused
        found.extend(part.points)

    for seq in range(1, 49):
        t = format_time(T0 + seq * HOUR)
        say("n1/air/pms/reading", {"t": t, "spool": SPOOL, "seq": 2 * seq, "v": {"pm10": 1.0}})
        say("n1/energy/meter/reading", {"t": t, "spool": SPOOL, "seq": 2 * seq + 1, "v": {"power": 5.0}})
    say("n1/air/pms/reading", {"t": None, "spool": SPOOL, "seq": 98, "v": {"pm10": 1.0}})
    for hour, seq, before, after in ((0, 101, "", "ok"), (30, 102, "ok", "silent"), (40, 103, "silent", "ok")):
        data = {"from": before, "to": after, "why": "no frame"}
        t = format_time(T0 + hour * HOUR + 5 * MS)
        say("n1/air/pms/event", {"t": t, "spool": SPOOL, "seq": seq, "event": "state", "data": data})
    say("n1/air/pms/event", {"t": format_time(T0), "spool": OTHER, "seq": 1, "event": "other", "data": {}})
    for seq, hour, count in ((110, 1, 3), (111, 20, 4)):
        gap = {"count": count, "first": 10, "last": 9 + count}
        t = format_time(T0 + hour * HOUR + 7 * MS)
        say("n1/water/gauge/event", {"t": t, "spool": SPOOL, "seq": seq, "event": "lost-in-air", "data": gap})
    for rev, since, period_s in ((1, T0 - HOUR, 60), (2, T0 + HOUR, 3600)):
        reader.now_at(since)
        about = {"rev": rev, "since": format_time(since), "driver": "d", "model": f"m{rev}", "period_s": period_s}
        say("n1/air/pms/about", about)
    reader.now_at(NOW)
    say("n1/about", {"rev": 1, "since": format_time(T0), "site": "s"})
    for hour, names in ((1, ("pms", "meter")), (40, ("meter",))):
        devices = {name: {"state": "ok", "readings": hour} for name in names}
        say("n1/health", {"t": format_time(T0 + hour * HOUR), "devices": devices})
    say("n2/status", {"state": "online"})
    say("n2/water/level/reading", {"t": format_time(T0), "spool": OTHER, "seq": 7, "v": {"stage": 1.0}})
    # What ingest does for the undated: a time that stays theirs.
    return [
        point._replace(at=T0 + 7 * HOUR) if type(point) is Point and not point.is_dated else point for point in found
    ]


@pytest.fixture(params=["sqlite", "victoria"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        sink = SqliteSink(tmp_path / "r.sqlite", retention_ns=YEAR_NS, max_bytes=1 << 40)
        sink.write(points())
        yield SqliteReader(tmp_path / "r.sqlite")
        sink.close()
        return
    server: VictoriaMetrics = request.getfixturevalue("victoria")
    influx = InfluxSink(server.url)
    influx.write(points())
    server.flush()
    yield VictoriaReader(influx.get, retention_ns=YEAR_NS)
    influx.close()


def test_rows(database: Database) -> None:
    found = sorted(database.rows("n1", T0, T0 + 60 * HOUR))
    assert len(found) == 48 * 2 + 1 + 3 + 1 + 2
    assert found[0] == Row(OTHER, 1, T0, "air", "pms", "event")
    assert found[1:3] == [
        Row(SPOOL, 2, T0 + HOUR, "air", "pms", "reading"),
        Row(SPOOL, 3, T0 + HOUR, "energy", "meter", "reading"),
    ]
    assert [row for row in found if row.kind == "undated"] == [Row(SPOOL, 98, T0 + 7 * HOUR, "air", "pms", "undated")]
    assert [row.seq for row in found if row.kind == "event"] == [1, 101, 102, 103, 110, 111]
    assert list(database.rows("n2", T0, NOW)) == [Row(OTHER, 7, T0, "water", "level", "reading")]
    assert list(database.rows("n3", T0, NOW)) == []


def test_descriptions(database: Database) -> None:
    """Every revision of a device, and of a node; what held at a time."""
    first, second = revisions(database.descriptions("pms", NOW + HOUR))
    assert (first.node, first.device, first.device_class, first.rev) == ("n1", "pms", "air", 1)
    assert (first.since_at, first.words, first.figures) == (
        T0 - HOUR,
        {"driver": "d", "model": "m1", "method": "last"},
        {"period_s": 60.0},
    )
    assert (second.rev, second.since_at, second.words["model"]) == (2, T0 + HOUR, "m2")
    told = database.descriptions("pms", NOW + HOUR)
    assert [as_of(told, T0 + hours * HOUR) for hours in (-2, -1, 0, 1, 40)] == [
        [],
        [first],
        [first],
        [second],
        [second],
    ]
    (node,) = database.descriptions("n1", NOW + HOUR)
    assert (node.device, node.words, node.holds_from) == ("", {"site": "s"}, T0)
    assert database.descriptions("meter", NOW + HOUR) == []
    assert database.descriptions("pms", T0 - 2 * HOUR) == []


def test_rows_of_a_stretch(database: Database) -> None:
    """From its begin on, up to its end, to the millisecond."""

    def seqs(from_at: int, to_at: int) -> list[int]:
        return sorted(row.seq for row in database.rows("n1", from_at, to_at))

    assert seqs(T0 + 2 * HOUR, T0 + 3 * HOUR) == [4, 5]
    assert seqs(T0 + 2 * HOUR + MS, T0 + 3 * HOUR + MS) == [6, 7]
    assert seqs(T0 + 2 * HOUR + MS, T0 + 3 * HOUR) == []
    assert seqs(NOW, NOW) == []
    whole = seqs(T0 - 10 * HOUR, NOW)
    halves = seqs(T0 - 10 * HOUR, T0 + 20 * HOUR) + seqs(T0 + 20 * HOUR, NOW)
    assert whole == sorted(halves)


def test_states(database: Database) -> None:
    found = sorted(database.states("n1", T0 - HOUR, NOW))
    assert found == [
        StateChange("pms", T0 + 5 * MS, "ok", None),
        StateChange("pms", T0 + 30 * HOUR + 5 * MS, "silent", "ok"),
        StateChange("pms", T0 + 40 * HOUR + 5 * MS, "ok", "silent"),
    ]
    last, change = sorted(database.states("n1", T0 + 35 * HOUR, NOW))
    assert (last.device, last.state, last.before is not None, last.at < T0 + 35 * HOUR) == ("pms", "silent", True, True)
    assert change.at == T0 + 40 * HOUR + 5 * MS
    assert database.states("n2", T0, NOW) == []


def test_what_was_lost_in_the_air(database: Database) -> None:
    assert database.lost_in_air("n1", T0, NOW) == {"gauge": 7}
    assert database.lost_in_air("n1", T0 + 2 * HOUR, NOW) == {"gauge": 4}
    assert database.lost_in_air("n2", T0, NOW) == {}


def test_abouts_health_and_nodes(database: Database) -> None:
    assert sorted(database.abouts("n1", NOW)) == [
        About("pms", "air", T0 - HOUR, 60.0),
        About("pms", "air", T0 + HOUR, 3600.0),
    ]
    assert database.abouts("n1", T0) == [About("pms", "air", T0 - HOUR, 60.0)]
    found = database.heard("n1", T0, T0 + 48 * HOUR)
    assert {name: at // HOUR for name, at in found.items()} == {
        "": (T0 + 40 * HOUR) // HOUR, "pms": (T0 + HOUR) // HOUR, "meter": (T0 + 40 * HOUR) // HOUR
    }  # fmt: skip
    assert database.heard("n1", T0 + 41 * HOUR, T0 + 48 * HOUR) == {}
    assert database.nodes(T0, NOW) == {"n1", "n2"}
    assert database.kept_from(NOW) == 0


def test_what_the_sink_removed_is_remembered(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "r.sqlite", retention_ns=20 * HOUR, max_bytes=1 << 40)
    sink.write(points())
    sink.close()
    found = SqliteReader(tmp_path / "r.sqlite")
    assert abs(found.kept_from(NOW) - (time.time_ns() - 20 * HOUR)) < 60 * SECOND
    assert list(found.rows("n1", 0, found.kept_from(NOW))) == []


def test_a_retention_that_is_near(victoria: VictoriaMetrics) -> None:
    influx = InfluxSink(victoria.url)
    influx.write(points())
    victoria.flush()
    assert VictoriaReader(influx.get, retention_ns=40 * HOUR).kept_from(NOW) == NOW - 40 * HOUR
    assert VictoriaReader(influx.get, retention_ns=400 * HOUR).kept_from(NOW) == 0
    assert VictoriaReader(influx.get, retention_ns=100 * YEAR_NS).kept_from(NOW) == 0
    influx.close()


@pytest.mark.parametrize("is_running", [False, True])
def test_who_may_only_read(is_running: bool) -> None:
    """An operator without rights in the folder, beside a running ingest and when there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sink = SqliteSink(folder / "r.sqlite", retention_ns=YEAR_NS, max_bytes=1 << 40)
        sink.write(points())
        if not is_running:
            sink.close()
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            assert SqliteReader(folder / "r.sqlite").nodes(T0, NOW) == {"n1", "n2"}
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)
        sink.close()


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        list(SqliteReader(tmp_path / "nowhere.sqlite").rows("n", 0, 1))
    (tmp_path / "bad").write_bytes(b"no database" * 500)
    with pytest.raises(Unavailable):
        SqliteReader(tmp_path / "bad").nodes(0, 1)
    assert not (tmp_path / "nowhere.sqlite").exists()


ANSWER = """#group,false,false,true,true,false,true,false,false
#datatype,string,long,string,string,dateTime:RFC3339,string,long,long
#default,_result,,,,,,,
,result,table,_measurement,device,_time,node,seq,spool
,,0,air,pms,2026-03-20T09:46:40.120000123Z,n1,123,2671538602
,,0,air,pms,2026-03-20T09:46:41Z,n1,124,2671538602

#group,false,false,true,true,true,true,false,false,false
#datatype,string,long,string,string,string,string,dateTime:RFC3339,long,long
#default,_result,,,,,,,,
,result,table,_measurement,class,device,node,_time,seq,spool
,,1,event,air,pms,n1,2026-03-20T09:46:42.5Z,125,2671538602
,,1,event,air,pms,n1,2026-03-20T09:46:43.5Z,,2671538602
"""


def test_flux() -> None:
    """The questions to InfluxDB, and its annotated CSV; tables of one answer have headers of their own."""
    at = 1_774_000_000 * SECOND
    with InfluxStub() as stub:
        stub.csv = ANSWER.replace("\n", "\r\n")
        influx = InfluxSink(stub.url, org="o", bucket="b")
        reader = FluxReader(influx.query, "b", retention_ns=YEAR_NS)
        assert list(reader.rows("n1", at, at + HOUR)) == [
            Row(SPOOL, 123, at + 120 * MS, "air", "pms", "reading"),
            Row(SPOOL, 124, at + SECOND, "air", "pms", "reading"),
            Row(SPOOL, 125, at + 2500 * MS, "air", "pms", "event"),
        ]
        (query,) = stub.queries
        assert query.startswith(f'from(bucket: "b") |> range(start: time(v: {at}), stop: time(v: {at + HOUR}))')
        assert 'r._measurement == "undated"' in query
        assert '(r._field == "seq" or r._field == "spool") and r.node == "n1"' in query
        assert query.endswith('pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")')
        stub.csv = ",result,table,_time,_value,device,state,before,class\r\n,,0,2026-03-20T09:46:40Z,1,pms,1,,air\r\n"
        assert reader.states("n1", at, at + HOUR)[0] == StateChange("pms", at, "silent", None)
        assert reader.abouts("n1", at + HOUR) == [About("pms", "air", at, 1.0)]
        assert reader.heard("n1", at, at + HOUR) == {"pms": at}
        assert reader.kept_from(NOW) == NOW - YEAR_NS
        stub.csv = (
            ",result,table,_measurement,_time,node,device,class,driver,rev,since_s,period_s,lat\r\n"
            ",,0,about,2026-03-20T09:46:40.5Z,n1,pms,air,d,2,1773990000.25,60,\r\n"
        )
        (found,) = reader.descriptions("pms", at + HOUR)
        assert (found.node, found.device, found.rev, found.at) == ("n1", "pms", 2, at + 500 * MS)
        assert found.since_at == 1_773_990_000_250 * MS
        assert (found.words, found.figures) == ({"driver": "d"}, {"period_s": 60.0})
        stub.csv = ",result,table,_value\r\n,,0,n1\r\n,,0,n2\r\n"
        assert reader.nodes(at, at + HOUR) == {"n1", "n2"}
        stub.csv = ""
        assert reader.kept_from(NOW) == 0
        assert list(reader.rows("n1", at, at + 50 * HOUR)) == []
        influx.close()
