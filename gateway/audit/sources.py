"""The ledger and the parked store, read beside a running ingest and without writing anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway.audit.facts import LedgerSpool
from gateway.ingest.ledger import BEFORE, PARKED, SCHEMA_VERSION, LedgerError
from gateway.ingest.parked import ParkedError
from gateway.spool.intervals import Intervals
from gateway.wire.times import SECOND

_WORD_HOLDS_S = 600
"""A node says every minute what has no time yet; of one that is silent nobody knows."""
BEFORE_LEDGER = "before this ledger"
T = TypeVar("T")


@dataclass(slots=True)
class LedgerFacts:
    """A ledger as it was at one moment: its spools by node. `id` is "" where there is none."""

    id: str = ""
    nodes: dict[str, dict[str, LedgerSpool]] = field(default_factory=dict)


@dataclass(slots=True)
class ParkedFacts:
    """Numbers in the parked store, and those that a person dropped from it: by node and spool."""

    held: dict[str, dict[str, Intervals]] = field(default_factory=dict)
    dropped: dict[str, dict[str, Intervals]] = field(default_factory=dict)


def read_ledger(path: Path, now_at: int, grace_s: float) -> LedgerFacts:
    """The ledger in a file; an empty one where there is none. Raises LedgerError."""
    if not path.exists():
        return LedgerFacts()
    try:
        # All that it knows it knew when it was written last; if that is long ago, all of it is overdue.
        written_at = max(each.stat().st_mtime_ns for each in (path, Path(f"{path}-wal")) if each.exists())
        return reading(path, lambda db: _ledger(db, now_at, grace_s, is_old=now_at - written_at > grace_s * SECOND))
    except (sqlite3.Error, OSError, ValueError) as error:
        raise LedgerError(f"the ledger {path} cannot be read ({error})") from error


def read_parked(path: Path) -> ParkedFacts:
    """The parked store in a file; an empty one where there is none. Raises ParkedError."""
    if not path.exists():
        return ParkedFacts()
    try:
        return reading(path, _parked)
    except (sqlite3.Error, OSError, ValueError) as error:
        raise ParkedError(f"the parked store {path} cannot be read ({error})") from error


def reading(path: Path, ask: Callable[[sqlite3.Connection], T]) -> T:
    """What `ask` makes of the database, opened read-only, within one transaction: one consistent picture."""
    try:
        return _within(f"{path.absolute().as_uri()}?mode=ro", ask)
    except sqlite3.OperationalError:
        # Beside a running ingest anybody may read. When it is stopped SQLite wants to make files of its own beside a
        # database in WAL mode, which who may not write there cannot; but then nobody else changes it either.
        if Path(f"{path}-wal").exists() or not path.exists():
            raise
        return _within(f"{path.absolute().as_uri()}?immutable=1", ask)


def _within(uri: str, ask: Callable[[sqlite3.Connection], T]) -> T:
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
        db.execute("BEGIN")
        return ask(db)


def _ledger(db: sqlite3.Connection, now_at: int, grace_s: float, *, is_old: bool) -> LedgerFacts:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise ValueError(f"it has schema {version}, this program knows {SCHEMA_VERSION}")
    (name,) = db.execute("SELECT id FROM ledger").fetchone()
    found = LedgerFacts(str(name))
    query = "SELECT node, spool, settled, next, due, seen, seen_at, gone_at FROM spool"
    for node, spool, settled, following, due, seen, seen_at, gone_at in db.execute(query):
        numbers = Intervals.decode(settled)
        ranges = numbers.ranges()
        horizon = max(following - 1, ranges[-1][1] if ranges else 0)
        if now_at - seen_at >= grace_s * SECOND:
            due = max(due, seen)
        said = LedgerSpool(numbers, horizon, horizon if is_old else due, gone_at)
        found.nodes.setdefault(node, {})[spool] = said
    for node, spool, state, reason, data in db.execute("SELECT node, spool, state, reason, numbers FROM exception"):
        said = found.nodes.setdefault(node, {}).setdefault(spool, LedgerSpool())
        numbers = Intervals.decode(data)
        kind, why = (
            (said.parked, reason) if state == PARKED else (said.lost, BEFORE_LEDGER if state == BEFORE else reason)
        )
        kind.setdefault(why, Intervals()).update(numbers)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name='waiting'").fetchone():
        query = "SELECT node, spool, numbers FROM waiting WHERE at > ?"
        for node, spool, data in db.execute(query, (now_at - _WORD_HOLDS_S * SECOND,)):
            found.nodes.setdefault(node, {}).setdefault(spool, LedgerSpool()).waits.update(Intervals.decode(data))
    return found


def _parked(db: sqlite3.Connection) -> ParkedFacts:
    found = ParkedFacts()
    for node, spool, seq in db.execute("SELECT node, spool, seq FROM parked WHERE seq > 0 ORDER BY node, spool, seq"):
        found.held.setdefault(node, {}).setdefault(spool, Intervals()).add(seq)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name='dropped'").fetchone():
        for node, spool, data in db.execute("SELECT node, spool, numbers FROM dropped"):
            found.dropped.setdefault(node, {}).setdefault(spool, Intervals()).update(Intervals.decode(data))
    return found
