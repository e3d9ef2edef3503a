"""The SQLite sink: repeats change nothing, a person can ask it, it stays within its bounds and says what ails it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from gateway.ingest.points import Note, Origin, Point, Shape, make_shape
from gateway.ingest.sinks.base import Unavailable
from gateway.ingest.sinks.sqlite import SqliteSink
from gateway.wire.times import MS, SECOND, format_time

AIR = Origin("nimman-07", "air", "pms-roof")
WATER = Origin("nimman-07", "water", "gauge")
NOW = time.time_ns() // MS * MS
DAY = 86_400 * SECOND


def shape(*quantities: str, q: dict[str, int] | None = None, failed: tuple[str, ...] = ()) -> Shape:
    made = make_shape(quantities, q or {}, failed)
    assert isinstance(made, Shape)
    return made


def point(seq: int, *, at: int = NOW, origin: Origin = AIR, spool: int = 1, is_dated: bool = True) -> Point:
    return Point(origin, shape("pm10"), (1.5 + seq,), at, seq, spool, is_dated)


def open_sink(path: Path, *, retention_ns: int = 365 * DAY, max_bytes: int = 1 << 30) -> SqliteSink:
    return SqliteSink(path, retention_ns=retention_ns, max_bytes=max_bytes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "readings.db"


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def test_a_repeat_changes_nothing(path: Path) -> None:
    sink = open_sink(path)
    event = Note("event", AIR, NOW, {"from": 1.0}, {"event": "counter-reset"}, seq=3, spool=1)
    for _ in range(2):
        assert sink.write([point(1), point(2), event]) == []
    sink.write([point(2), point(2, spool=2)])
    assert sink.count("nimman-07", "pms-roof", NOW, NOW + MS) == 3
    assert ask(path, "SELECT count(*) FROM note") == [(1,)]
    sink.close()


def test_count_takes_the_start_and_leaves_the_end_out(path: Path) -> None:
    sink = open_sink(path)
    sink.write([point(seq, at=NOW + seq * SECOND) for seq in range(10)] + [point(50, origin=WATER)])
    sink.write([point(60, at=NOW + SECOND, is_dated=False)])
    assert sink.count("nimman-07", "pms-roof", NOW + 2 * SECOND, NOW + 5 * SECOND) == 3
    assert sink.count("nimman-07", "gauge", 0, 2**62) == 1
    assert sink.count("elsewhere", "pms-roof", 0, 2**62) == 0
    sink.close()


def test_a_person_can_ask_it(path: Path) -> None:
    sink = open_sink(path)
    graded = Point(AIR, shape("pm10", "pm2_5", q={"pm2_5": 3, "pm1": 4}, failed=("pm1",)), (7.0, 8.5, -1.0), NOW, 1, 5)
    plain = Point(WATER, shape("stage", q={"*": 2}), (3.25,), NOW, 2, 5)
    sink.write([graded, plain])
    assert ask(path, "SELECT device, t, quantity, value, flag FROM value ORDER BY quantity") == [
        ("pms-roof", format_time(NOW), "pm10", 7.0, 1),
        ("pms-roof", format_time(NOW), "pm2_5", 8.5, 3),
        ("gauge", format_time(NOW), "stage", 3.25, 2),
    ]
    assert ask(path, "SELECT failed, worst FROM latest WHERE device='pms-roof'") == [('{"pm1":-1.0}', 4)]
    assert ask(path, "SELECT json_extract(v, '$.stage') FROM reading WHERE class='water'") == [(3.25,)]
    sink.close()


def test_it_is_durable_at_its_yes(path: Path) -> None:
    sink = open_sink(path)
    sink.write([point(1)])
    assert sink.durable_after_s == 0
    assert sink.confirm(sink.mark(), point(1))
    (mode,), (level,) = ask(path, "PRAGMA journal_mode")[0], sink._open().execute("PRAGMA synchronous").fetchone()
    assert (mode, level) == ("wal", 2)
    sink.close()


def test_what_is_older_than_the_retention_goes(path: Path) -> None:
    sink = open_sink(path, retention_ns=DAY)
    sink.write([point(1, at=NOW - 2 * DAY), point(2), Note("about", AIR, NOW - 2 * DAY, {"rev": 1})])
    assert sink.removed == 2
    assert sink.count("nimman-07", "pms-roof", 0, 2**62) == 1
    sink.close()


def test_what_is_too_much_goes_oldest_first_and_the_file_shrinks(path: Path) -> None:
    sink = open_sink(path, max_bytes=2 << 20)
    for start in range(0, 40_000, 4000):
        sink.write([point(seq, at=NOW + seq * MS) for seq in range(start, start + 4000)])
    held = sink.count("nimman-07", "pms-roof", 0, 2**62)
    assert held + sink.removed == 40_000
    assert sink.removed > 0
    assert sink.size_bytes() <= 2 << 20
    assert sink.count("nimman-07", "pms-roof", NOW + (40_000 - held) * MS, 2**62) == held, (
        "the newest are the ones held"
    )
    sink.close()
    assert path.stat().st_size < 3 << 20


def test_a_full_disk_is_a_reason_to_wait_and_it_goes_on_afterwards(path: Path) -> None:
    sink = open_sink(path)
    sink.write([point(1)])
    db = sink._open()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}").fetchone()  # SQLite then answers as on a full disk
    with pytest.raises(Unavailable, match="full") as caught:
        sink.write([point(seq) for seq in range(2, 5000)])
    assert not caught.value.needs_person
    sink.write([point(seq) for seq in range(2, 5000)])  # the connection was opened anew, without that limit
    assert sink.count("nimman-07", "pms-roof", 0, 2**62) == 4999
    sink.close()


def test_a_damaged_file_is_named_with_its_remedy(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this was a database once" * 1000)
    with pytest.raises(Unavailable, match=r"readings\.db is damaged.*move it away") as caught:
        open_sink(path)
    assert caught.value.needs_person


def test_another_schema_is_refused(path: Path) -> None:
    open_sink(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(Unavailable, match="schema 99"):
        open_sink(path)


def test_a_locked_file_is_a_reason_to_wait(path: Path) -> None:
    sink = open_sink(path)
    sink._open().execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another"):
        sink.write([point(1)])
    other.close()
    sink.write([point(1)])
    sink.close()
