"""Readings in one SQLite file: the right database for one box, and one that a person can open and ask.

Table `reading`: one row a reading, values by quantity as JSON in `v`; (node, spool, seq) is the key, so a repeat
changes nothing. View `value`: one row a value with its flag. View `latest`: the last reading of each device. Table
`note`: events (with spool and seq), states, health and descriptions. Times are ns since the epoch; the views have text
as well.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Held, Rejection, Span, Unavailable

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE reading (
  node TEXT NOT NULL, spool INTEGER NOT NULL, seq INTEGER NOT NULL,
  class TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL, is_dated INTEGER NOT NULL,
  worst INTEGER NOT NULL, v TEXT NOT NULL, q TEXT, failed TEXT,
  PRIMARY KEY (node, spool, seq)
) WITHOUT ROWID;
CREATE INDEX reading_by_device ON reading (node, device, at);
CREATE INDEX reading_by_time ON reading (at);
CREATE TABLE note (
  measurement TEXT NOT NULL, node TEXT NOT NULL, class TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL,
  spool INTEGER NOT NULL, seq INTEGER NOT NULL, is_dated INTEGER NOT NULL,
  tags TEXT NOT NULL, fields TEXT NOT NULL, text TEXT NOT NULL
);
CREATE UNIQUE INDEX note_numbered ON note (node, spool, seq) WHERE seq > 0;
CREATE UNIQUE INDEX note_unnumbered ON note (measurement, node, device, at) WHERE seq = 0;
CREATE INDEX note_by_time ON note (at);
CREATE VIEW value AS
  SELECT r.node, r.class, r.device, strftime('%Y-%m-%dT%H:%M:%fZ', r.at / 1e9, 'unixepoch') AS t, r.at, r.is_dated,
         j.key AS quantity, j.value AS value,
         CASE WHEN r.q IS NULL THEN 2 ELSE json_extract(r.q, '$.' || j.key) END AS flag, r.spool, r.seq
  FROM reading AS r, json_each(r.v) AS j;
CREATE VIEW latest AS
  SELECT node, class, device, strftime('%Y-%m-%dT%H:%M:%fZ', max(at) / 1e9, 'unixepoch') AS t, max(at) AS at, v, q,
         failed, worst, spool, seq
  FROM reading WHERE is_dated GROUP BY node, device;
"""
_ADD_READING = "INSERT OR IGNORE INTO reading VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_ADD_NOTE = "INSERT OR IGNORE INTO note VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_TRIM_EVERY_S = 60.0
_TRIM_ROWS = 5_000


class SqliteSink:
    """A sink on one file. `retention_ns` and `max_bytes` bound it: the oldest goes first and is counted in `removed`.

    Raises Unavailable (needs_person) when the file cannot be opened or is damaged.
    """

    name = "sqlite"
    durable_after_s = 0.0

    def __init__(self, path: Path, *, retention_ns: int, max_bytes: int) -> None:
        self._path = path
        self._retention_ns = retention_ns
        self._max_bytes = max_bytes
        self._trimmed_mono = -_TRIM_EVERY_S
        self._db: sqlite3.Connection | None = None
        self.removed = 0
        self._open()

    def mark(self) -> str | None:
        """A commit with synchronous=FULL needs no second look."""
        return None

    def confirm(self, mark: str | None, last: Point | Note) -> bool:
        """True: see `mark`."""
        return True

    def held(self, spans: Sequence[Span]) -> Held | None:
        """None: nobody needs to ask."""
        return None

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        """One transaction; on disk when this returns. Refuses nothing."""
        readings = [_reading_row(point) for point in points if isinstance(point, Point)]
        notes = [_note_row(point) for point in points if isinstance(point, Note)]
        try:
            db = self._open()
            with db:
                db.executemany(_ADD_READING, readings)
                db.executemany(_ADD_NOTE, notes)
            self._trim(db)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return []

    def count(self, node: str, device: str, from_at: int, to_at: int) -> int:
        """How many dated readings of a device are stored with `from_at` <= t < `to_at` (ns)."""
        query = "SELECT count(*) FROM reading WHERE node=? AND device=? AND at>=? AND at<? AND is_dated"
        try:
            (number,) = self._open().execute(query, (node, device, from_at, to_at)).fetchone()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return int(number)

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def size_bytes(self) -> int:
        """Bytes in use in the file, without free pages and write-ahead log."""
        pages, free, page_bytes = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * page_bytes

    def _open(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        try:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA journal_size_limit=67108864")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT")
            elif version != SCHEMA_VERSION:
                raise Unavailable(
                    f"{self._path} was written by another version of this program (schema {version}, this one knows "
                    f"{SCHEMA_VERSION}): use that version, or another path",
                    needs_person=True,
                )
        except sqlite3.Error as error:
            db.close()
            raise self._unavailable(error) from error
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _unavailable(self, error: Exception) -> Unavailable:
        """What a person should know; the connection is dropped, so that the next call starts clean."""
        self.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            why = f"{self._path} is damaged or no database ({error}): move it away, or give another path"
            return Unavailable(why, needs_person=True)
        if code == sqlite3.SQLITE_FULL:
            return Unavailable(f"the disk of {self._path} is full: free some space, or lower max_size")
        if code == sqlite3.SQLITE_BUSY:
            return Unavailable(f"{self._path} is locked by another program")
        return Unavailable(f"cannot write {self._path}: {error}", needs_person=True)

    def _pragma(self, name: str) -> int:
        (value,) = self._open().execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _trim(self, db: sqlite3.Connection) -> None:
        """Remove what is older than the retention, now and then; and the oldest at once while the file is too big."""
        if time.monotonic() - self._trimmed_mono >= _TRIM_EVERY_S:
            self._trimmed_mono = time.monotonic()
            self._remove(db, time.time_ns() - self._retention_ns)
        while self.size_bytes() > self._max_bytes:
            table = "reading" if db.execute("SELECT 1 FROM reading LIMIT 1").fetchone() else "note"
            oldest = db.execute(f"SELECT at FROM {table} ORDER BY at LIMIT {_TRIM_ROWS}").fetchall()
            if not oldest or not self._remove(db, oldest[-1][0] + 1):
                return

    def _remove(self, db: sqlite3.Connection, before_at: int) -> int:
        """Remove everything older than `before_at`; how many rows there were."""
        with db:
            gone = sum(
                db.execute(f"DELETE FROM {table} WHERE at < ?", (before_at,)).rowcount for table in ("reading", "note")
            )
            if gone:
                self._remember_removal(db, before_at)
        db.execute("PRAGMA incremental_vacuum").fetchall()
        self.removed += gone
        return gone

    @staticmethod
    def _remember_removal(db: sqlite3.Connection, before_at: int) -> None:
        """Table `removed` says up to which time rows went on purpose, so that nobody takes them for lost."""
        db.execute("CREATE TABLE IF NOT EXISTS removed (before_at INTEGER NOT NULL)")
        db.execute("INSERT INTO removed SELECT max(?, coalesce(max(before_at), 0)) FROM removed", (before_at,))
        db.execute("DELETE FROM removed WHERE rowid < (SELECT max(rowid) FROM removed)")


def _reading_row(point: Point) -> tuple[object, ...]:
    origin, shape = point.origin, point.shape
    good = dict(zip(shape.quantities, point.values, strict=False))
    failed = dict(zip(shape.failed, point.values[len(shape.quantities) :], strict=True))
    return (
        *(origin.node, point.spool, point.seq, origin.device_class, origin.device, point.at, point.is_dated),
        *(shape.worst, _json(good), _json(shape.flags) if shape.flags else None, _json(failed) if failed else None),
    )


def _note_row(note: Note) -> tuple[object, ...]:
    origin = note.origin
    return (
        *(note.measurement, origin.node, origin.device_class, origin.device, note.at),
        *(note.spool, note.seq, note.is_dated, _json(note.tags), _json(note.fields), _json(note.text)),
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
