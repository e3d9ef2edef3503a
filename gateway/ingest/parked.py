"""The parked store: messages and readings that were refused, kept durably with their reason until a person decides.

Each is kept as a message (topic, payload) that reads like any other, so that a retry takes the same way. The same one
again is counted, not kept twice. Bounded in bytes: a full store refuses, and ingest then stops acknowledging.
Blocking; one thread at a time; another process may list, retry and drop meanwhile.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.spool.intervals import Intervals

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE parked (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, why TEXT NOT NULL, topic TEXT NOT NULL,
  payload BLOB NOT NULL, node TEXT NOT NULL, spool TEXT NOT NULL, seq INTEGER NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL, is_retry INTEGER NOT NULL
);
CREATE INDEX parked_retry ON parked (id) WHERE is_retry;
"""
_DROPPED = """
CREATE TABLE IF NOT EXISTS dropped (
  node TEXT NOT NULL, spool TEXT NOT NULL, reason TEXT NOT NULL, numbers BLOB NOT NULL,
  PRIMARY KEY (node, spool, reason)
) WITHOUT ROWID
"""
_OVERHEAD_BYTES = 200
_COLUMNS = "id, reason, why, topic, payload, node, spool, seq, first_at, last_at, times, is_retry"


class ParkedError(Exception):
    """The parked store cannot be used; the message names the file and the remedy."""


class ParkedFull(ParkedError):
    """There is no room for another one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing to be parked. `spool` (8 hex digits) and `seq` name it where that could be told, else "" and 0."""

    reason: str
    why: str
    topic: str
    payload: bytes
    node: str = ""
    spool: str = ""
    seq: int = 0

    @property
    def key(self) -> str:
        """The same for the same thing: its identity, or a digest of what was received."""
        if self.seq:
            return f"{self.node}/{self.spool}/{self.seq}"
        return hashlib.sha256(self.topic.encode(errors="replace") + b"\0" + self.payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Parked:
    """One thing in the store; `first_at` and `last_at` ns since the epoch, `times` how often it came."""

    id: int
    refused: Refused
    first_at: int
    last_at: int
    times: int
    is_retry: bool


class ParkedStore:
    """The store in one SQLite file, at most about `max_bytes` of it. Raises ParkedError where the file cannot serve."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10, check_same_thread=False)
            try:
                self._prepare()
                self._bytes = self._measure()
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            raise ParkedError(
                f"the parked store {path} cannot be used ({error}): repair its disk, or move the file away"
            ) from error

    def add(self, refused: Iterable[Refused], at: int) -> None:
        """Keep these; on disk when this returns. All or none: raises ParkedFull, or ParkedError for a failing disk."""
        try:
            with self._db:
                for one in refused:
                    self._add(one, at)
        except sqlite3.Error as error:
            self._bytes = self._measure()
            raise ParkedError(
                f"the parked store {self._path} cannot be written ({error}): is its disk full?"
            ) from error
        except ParkedFull:
            self._bytes = self._measure()
            raise

    def entries(self, *, reason: str | None = None, after_id: int = 0, limit: int = 100) -> list[Parked]:
        """What is parked, oldest first."""
        query = f"SELECT {_COLUMNS} FROM parked WHERE id > ? AND (? IS NULL OR reason = ?) ORDER BY id LIMIT ?"
        with self._guard():
            return [_parked(row) for row in self._db.execute(query, (after_id, reason, reason, limit))]

    def show(self, parked_id: int) -> Parked | None:
        """One of them; None where there is none."""
        with self._guard():
            row = self._db.execute(f"SELECT {_COLUMNS} FROM parked WHERE id = ?", (parked_id,)).fetchone()
        return None if row is None else _parked(row)

    def retry(self, ids: Iterable[int]) -> int:
        """Mark these for ingest to try again; how many there were."""
        with self._guard(), self._db:
            return self._db.executemany("UPDATE parked SET is_retry=1 WHERE id=?", [(each,) for each in ids]).rowcount

    def retries(self, limit: int) -> list[Parked]:
        """What is marked for another try, oldest first."""
        query = f"SELECT {_COLUMNS} FROM parked WHERE is_retry ORDER BY id LIMIT ?"
        with self._guard():
            return [_parked(row) for row in self._db.execute(query, (limit,))]

    def drop(self, ids: Iterable[int]) -> list[Parked]:
        """Remove these; what they were."""
        gone = [one for one in map(self.show, ids) if one is not None]
        with self._guard():
            with self._db:
                self._db.executemany("DELETE FROM parked WHERE id=?", [(one.id,) for one in gone])
            self._bytes = self._measure()
        return gone

    def discard(self, ids: Iterable[int]) -> list[Parked]:
        """Remove these because a person gave them up; their numbers stay in table `dropped`, for the audit."""
        gone = [one for one in map(self.show, ids) if one is not None]
        with self._guard():
            with self._db:
                self._db.execute(_DROPPED)
                for one in gone:
                    self._remember(one.refused)
                    self._db.execute("DELETE FROM parked WHERE id=?", (one.id,))
            self._bytes = self._measure()
        return gone

    def counts(self) -> dict[str, int]:
        """How many are parked, by reason."""
        with self._guard():
            return dict(self._db.execute("SELECT reason, count(*) FROM parked GROUP BY reason"))

    def size_bytes(self) -> int:
        """About how many bytes they take."""
        return self._bytes

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """SQLite's troubles by one name."""
        try:
            yield
        except sqlite3.Error as error:
            raise ParkedError(
                f"the parked store {self._path} cannot be used now ({error}): is its disk full?"
            ) from error

    def _remember(self, one: Refused) -> None:
        """The number of something that is dropped, if it has one."""
        if not one.seq:
            return
        key = (one.node, one.spool, one.reason)
        query = "SELECT numbers FROM dropped WHERE node=? AND spool=? AND reason=?"
        row = self._db.execute(query, key).fetchone()
        numbers = Intervals.decode(row[0]) if row is not None else Intervals()
        numbers.add(one.seq)
        self._db.execute("INSERT OR REPLACE INTO dropped VALUES (?,?,?,?)", (*key, numbers.encode()))

    def _add(self, one: Refused, at: int) -> None:
        found = self._db.execute(
            "UPDATE parked SET reason=?, why=?, last_at=?, times=times+1, is_retry=0 WHERE key=?",
            (one.reason, one.why, at, one.key),
        )
        if found.rowcount:
            return
        size = _OVERHEAD_BYTES + len(one.payload) + len(one.topic) + len(one.why)
        if self._bytes + size > self._max_bytes:
            self._bytes = self._measure()  # someone may have made room
            if self._bytes + size > self._max_bytes:
                raise ParkedFull(
                    f"the parked store {self._path} holds {self._bytes} of {self._max_bytes} bytes: retry or drop some"
                )
        self._bytes += size
        self._db.execute(
            "INSERT INTO parked (key, reason, why, topic, payload, node, spool, seq, first_at, last_at, times, "
            "is_retry) VALUES (?,?,?,?,?,?,?,?,?,?,1,0)",
            (one.key, one.reason, one.why, one.topic, one.payload, one.node, one.spool, one.seq, at, at),
        )

    def _measure(self) -> int:
        query = (
            f"SELECT coalesce(sum({_OVERHEAD_BYTES} + length(payload) + length(topic) + length(why)), 0) FROM parked"
        )
        (size,) = self._db.execute(query).fetchone()
        return int(size)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT")
        elif version != SCHEMA_VERSION:
            raise ValueError(f"it has schema {version}, this program knows {SCHEMA_VERSION}")


def _parked(row: tuple[object, ...]) -> Parked:
    number, reason, why, topic, payload, node, spool, seq, first_at, last_at, times, is_retry = row
    refused = Refused(str(reason), str(why), str(topic), payload, str(node), str(spool), int(seq))  # type: ignore[arg-type, call-overload]  # SQLite's types
    return Parked(int(number), refused, int(first_at), int(last_at), int(times), bool(is_retry))  # type: ignore[call-overload]  # SQLite's types
