"""The ledger: which numbers of which spool of which node are settled; committed first, and only then told as `stored`.

`Ledger` is the interface, in interval sets only; `SqliteLedger` is one file, for one ingest. Blocking; one thread at a
time. Changes become true with `commit`. Under one id `upto` never falls; a deleted file comes back with a new id.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from gateway.ingest.spool_record import SpoolRecord
from gateway.spool.intervals import Intervals
from gateway.wire.payload import SpoolSettled, Stored
from gateway.wire.times import MS, SECOND

SCHEMA_VERSION = 1
LOST, PARKED, BEFORE = "lost", "parked", "before"
"""States of settled numbers that are not simply stored; `before`: gone from the node when this ledger first met it."""
SPOOL_GONE = "spool gone"
_BLOCK = 1000
_SCHEMA = """
CREATE TABLE ledger (id TEXT NOT NULL);
CREATE TABLE spool (
  node TEXT NOT NULL, spool TEXT NOT NULL, settled BLOB NOT NULL, next INTEGER NOT NULL, is_announced INTEGER NOT NULL,
  due INTEGER NOT NULL, seen INTEGER NOT NULL, seen_at INTEGER NOT NULL, gone_at INTEGER, is_closed INTEGER NOT NULL,
  PRIMARY KEY (node, spool)
) WITHOUT ROWID;
CREATE TABLE exception (
  node TEXT NOT NULL, spool TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, numbers BLOB NOT NULL,
  PRIMARY KEY (node, spool, state, reason)
) WITHOUT ROWID;
CREATE TABLE undated (node TEXT NOT NULL, spool TEXT NOT NULL, block INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (node, spool, block)
) WITHOUT ROWID;
"""

_WAITING = (
    "CREATE TABLE IF NOT EXISTS waiting (node TEXT NOT NULL, spool TEXT NOT NULL, numbers BLOB NOT NULL, "
    "at INTEGER NOT NULL, PRIMARY KEY (node, spool)) WITHOUT ROWID"
)


class LedgerError(Exception):
    """The ledger cannot be used; the message names the file and the remedy."""


class Ledger(Protocol):
    """What ingest needs of a ledger; `at` is ns since the epoch, ranges are inclusive."""

    id: str

    def settle(self, node: str, spool: str, ranges: Iterable[tuple[int, int]]) -> None: ...
    def expect(self, node: str, spool: str, last: int) -> None: ...
    def miss(self, node: str, spool: str, ranges: Iterable[tuple[int, int]]) -> None: ...
    def wait(self, node: str, numbers: Mapping[str, Iterable[tuple[int, int]]], at: int) -> None: ...
    def declare(self, node: str, spool: str, first: int, last: int, reason: str, state: str = LOST) -> int: ...
    def announce(self, node: str, spools: Mapping[str, tuple[int, int]], at: int, *, is_birth: bool) -> None: ...
    def close_gone(self, at: int, after_s: float) -> list[tuple[str, str]]: ...
    def date(self, node: str, spool: str, seq: int, at: int) -> int: ...
    def upto(self, node: str, spool: str) -> int: ...
    def missing(self, node: str, spool: str, at: int, grace_s: float) -> list[tuple[int, int]]: ...
    def stored(self, node: str, at: int, grace_s: float) -> Stored: ...
    def nodes(self) -> list[str]: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...


class SqliteLedger:
    """A ledger in one SQLite file, WAL, synchronous=FULL. Raises LedgerError where the file cannot serve."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spools: dict[tuple[str, str], SpoolRecord] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._undated: dict[tuple[str, str, int], int] = {}
        self._waits: dict[str, tuple[dict[str, Intervals], int]] = {}
        """By node what waits for a time there, and when that was told; not written yet."""
        self._waiting: set[str] = set()
        """Nodes of which something waits, by what is written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10, check_same_thread=False)
            try:
                self.id = self._load()
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            raise LedgerError(
                f"the ledger {path} cannot be used ({error}). Repair its disk, or move it away: a new ledger begins, "
                "and nodes send again what they hold"
            ) from error

    def settle(self, node: str, spool: str, ranges: Iterable[tuple[int, int]]) -> None:
        """These numbers are durably stored. Ones that were declared otherwise before are so no longer."""
        record = self._touch(node, spool)
        for first, last in ranges:
            record.settled.add(first, last)
            for numbers in record.exceptions.values():
                numbers.remove(first, last)

    def expect(self, node: str, spool: str, last: int) -> None:
        """Numbers up to `last` are known to exist, settled or not."""
        record = self._touch(node, spool)
        record.next = max(record.next, last + 1)

    def miss(self, node: str, spool: str, ranges: Iterable[tuple[int, int]]) -> None:
        """These numbers were looked for and are not there: unless they are settled they are missing at once."""
        for first, last in ranges:
            self.expect(node, spool, last)
            self._spools[node, spool].gone.add(first, last)

    def wait(self, node: str, numbers: Mapping[str, Iterable[tuple[int, int]]], at: int) -> None:
        """These numbers wait at their node for a time, by spool; others of it no longer do. Only the audit asks."""
        found = {spool: Intervals(ranges) for spool, ranges in numbers.items()}
        if found or node in self._waiting:
            self._waits[node] = found, at

    def declare(self, node: str, spool: str, first: int, last: int, reason: str, state: str = LOST) -> int:
        """Those of these numbers that are not settled yet become so, as `state` for `reason`; how many there are."""
        record = self._touch(node, spool)
        numbers = record.exceptions.setdefault((state, reason), Intervals())
        holes = record.settled.missing(first, last)
        for start, end in holes:
            numbers.add(start, end)
        record.settled.add(first, last)
        return sum(end - start + 1 for start, end in holes)

    def announce(self, node: str, spools: Mapping[str, tuple[int, int]], at: int, *, is_birth: bool) -> None:
        """The node holds these spools: (first, next) each. What one met first now no longer holds is not asked for.

        A birth that leaves one out begins its 24 hours; a will, which may be older than what came since, does not.
        """
        for spool, (first, following) in spools.items():
            record = self._touch(node, spool)
            record.next = max(record.next, following)
            record.gone_at, record.is_closed = None, False
            if not record.is_announced:
                record.is_announced = True
                if first > 1:
                    self.declare(node, spool, 1, first - 1, "before this ledger", BEFORE)
        if is_birth:
            for (owner, spool), record in self._spools.items():
                if owner == node and spool not in spools and record.gone_at is None:
                    record.gone_at = at
                    self._dirty.add((owner, spool))

    def close_gone(self, at: int, after_s: float) -> list[tuple[str, str]]:
        """Close the holes of spools that their node has not listed for `after_s`; which ones had to be closed."""
        closed = []
        for (node, spool), record in self._spools.items():
            if record.gone_at is None or record.is_closed or at - record.gone_at < after_s * SECOND:
                continue
            record.is_closed = True
            self.declare(node, spool, 1, record.horizon, SPOOL_GONE)
            closed.append((node, spool))
        return closed

    def date(self, node: str, spool: str, seq: int, at: int) -> int:
        """The time under which an undated reading is stored: about when it first came, the same at every repeat.

        A thousand numbers share a second, so that a second of base time serves them all. Commit before writing.
        """
        key = (node, spool, seq // _BLOCK)
        base = self._undated.get(key)
        if base is None:
            query = "SELECT at FROM undated WHERE node=? AND spool=? AND block=?"
            try:
                row = self._db.execute(query, key).fetchone()
                (latest,) = self._db.execute("SELECT max(at) FROM undated WHERE node=?", (node,)).fetchone()
            except sqlite3.Error as error:
                raise LedgerError(f"the ledger {self._path} cannot be read ({error})") from error
            if row is None:
                taken = [latest or 0, *(held for (owner, *_), held in self._undated.items() if owner == node)]
                self._undated[key] = base = max(at - at % MS, max(taken) + SECOND)
            else:
                base = int(row[0])
        return base + seq % _BLOCK * MS

    def upto(self, node: str, spool: str) -> int:
        """The end of the settled prefix; 0 where nothing is settled."""
        record = self._spools.get((node, spool))
        return record.settled.upto() if record else 0

    def missing(self, node: str, spool: str, at: int, grace_s: float) -> list[tuple[int, int]]:
        """Holes among the numbers known for longer than the grace period (at most twice that), oldest first."""
        record = self._spools.get((node, spool))
        if record is None:
            return []
        if record.age(at, grace_s):
            self._dirty.add((node, spool))
        return record.missing()

    def stored(self, node: str, at: int, grace_s: float) -> Stored:
        """What the node may be told now. Commit before it is published."""
        spools = {}
        for (owner, spool), record in self._spools.items():
            if owner == node and not record.is_closed:
                upto, horizon = record.settled.upto(), record.horizon
                following = horizon + 1 if horizon > upto else 0
                spools[spool] = SpoolSettled(upto, self.missing(node, spool, at, grace_s), following)
        return Stored(self.id, spools)

    def exceptions(self, node: str, spool: str) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """Settled numbers that are not simply stored: ranges by (state, reason)."""
        record = self._spools.get((node, spool))
        return {key: numbers.ranges() for key, numbers in record.exceptions.items() if numbers} if record else {}

    def spools(self, node: str) -> list[str]:
        """The spools of a node that this ledger knows."""
        return sorted(spool for owner, spool in self._spools if owner == node)

    def nodes(self) -> list[str]:
        """The nodes that this ledger knows."""
        return sorted({node for node, _ in self._spools})

    def commit(self) -> None:
        """All changes are on disk when this returns. Raises LedgerError; nothing is then forgotten."""
        if not self._dirty and not self._undated and not self._waits:
            return
        try:
            with self._db:
                for node, spool in self._dirty:
                    self._save(node, spool, self._spools[node, spool])
                rows = [(*key, at) for key, at in self._undated.items()]
                self._db.executemany("INSERT OR IGNORE INTO undated VALUES (?,?,?,?)", rows)
                for node, (found, at) in self._waits.items():
                    self._db.execute("DELETE FROM waiting WHERE node=?", (node,))
                    kept = [(node, spool, each.encode(), at) for spool, each in found.items()]
                    self._db.executemany("INSERT INTO waiting VALUES (?,?,?,?)", kept)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self._path} cannot be written ({error}): is its disk full?") from error
        self._dirty.clear()
        self._undated.clear()
        for node, (found, _) in self._waits.items():
            (self._waiting.add if found else self._waiting.discard)(node)
        self._waits.clear()

    def close(self) -> None:
        """Closes the file; what was not committed is forgotten."""
        self._db.close()

    def _touch(self, node: str, spool: str) -> SpoolRecord:
        self._dirty.add((node, spool))
        record = self._spools.get((node, spool))
        if record is None:
            record = self._spools[node, spool] = SpoolRecord()
        return record

    def _save(self, node: str, spool: str, record: SpoolRecord) -> None:
        row = (
            *(node, spool, record.settled.encode(), record.next, record.is_announced),
            *(record.due, record.seen, record.seen_at, record.gone_at, record.is_closed),
        )
        self._db.execute("INSERT OR REPLACE INTO spool VALUES (?,?,?,?,?,?,?,?,?,?)", row)
        for (state, reason), numbers in record.exceptions.items():
            self._db.execute(
                "INSERT OR REPLACE INTO exception VALUES (?,?,?,?,?)", (node, spool, state, reason, numbers.encode())
            )

    def _load(self) -> str:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            fresh = secrets.token_hex(4)
            self._db.executescript(
                f"BEGIN; {_SCHEMA} INSERT INTO ledger VALUES ('{fresh}'); PRAGMA user_version={SCHEMA_VERSION}; COMMIT"
            )
        elif version != SCHEMA_VERSION:
            raise ValueError(f"it has schema {version}, this program knows {SCHEMA_VERSION}")
        self._db.execute(_WAITING)
        self._waiting = {str(node) for (node,) in self._db.execute("SELECT DISTINCT node FROM waiting")}
        for node, spool, settled, *rest in self._db.execute("SELECT * FROM spool"):
            following, is_announced, due, seen, seen_at, gone_at, is_closed = rest
            self._spools[node, spool] = SpoolRecord(
                *(
                    Intervals.decode(settled),
                    following,
                    bool(is_announced),
                    due,
                    seen,
                    seen_at,
                    gone_at,
                    bool(is_closed),
                )
            )
        for node, spool, state, reason, numbers in self._db.execute("SELECT * FROM exception"):
            self._spools[node, spool].exceptions[state, reason] = Intervals.decode(numbers)
        (ledger_id,) = self._db.execute("SELECT id FROM ledger").fetchone()
        return str(ledger_id)
