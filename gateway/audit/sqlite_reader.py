"""What the audit asks of the SQLite sink's file, opened read-only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gateway.audit.descriptions import Description, description
from gateway.audit.facts import About, Kind, Row, StateChange
from gateway.audit.sources import reading
from gateway.ingest.notes import STATES
from gateway.ingest.sinks.base import Unavailable
from gateway.wire.times import SECOND

_WORDS = {number: word for word, number in STATES.items()}
_DAY_NS = 86_400 * SECOND
_MOST_STEPS = 400
_READINGS = (
    "SELECT spool, seq, at, class, device, is_dated FROM reading INDEXED BY reading_by_time "
    "WHERE at >= ? AND at < ? AND node = ?"
)
_EVENTS = "SELECT spool, seq, at, class, device FROM note WHERE at >= ? AND at < ? AND node = ? AND seq > 0"
_STATES = (
    "SELECT device, at, fields FROM note WHERE node = ? AND measurement = 'event' AND seq > 0 AND at < ? "
    "AND json_extract(tags, '$.event') = 'state' ORDER BY at"
)
_IN_AIR = (
    "SELECT device, sum(json_extract(fields, '$.count')) FROM note WHERE node = ? AND measurement = 'event' "
    "AND seq > 0 AND at >= ? AND at < ? AND json_extract(tags, '$.event') = 'lost-in-air' GROUP BY device"
)
_ABOUTS = (
    "SELECT device, class, at, fields FROM note WHERE measurement = 'about' AND node = ? AND seq = 0 AND at < ? "
    "ORDER BY at"
)
_HEARD = (
    "SELECT device, max(at) FROM note WHERE measurement = 'node_health' AND node = ? AND seq = 0 "
    "AND at >= ? AND at < ? AND (device != '' OR json_extract(fields, '$.spool_bytes') IS NOT NULL) GROUP BY device"
)
_DESCRIPTIONS = (
    "SELECT node, device, class, at, tags, fields, text FROM note WHERE measurement = 'about' AND seq = 0 "
    "AND (device = ? OR (device = '' AND node = ?)) AND at < ? ORDER BY at"
)
T = TypeVar("T")


class SqliteReader:
    """A gateway.audit.facts.Database on one file. Raises Unavailable where the file cannot be read."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept_from(self, now_at: int) -> int:
        """What the sink removed for its age or for want of room, it removed up to this time."""

        def ask(db: sqlite3.Connection) -> int:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'removed'").fetchone():
                return 0
            return int(db.execute("SELECT coalesce(max(before_at), 0) FROM removed").fetchone()[0])

        return self._ask(ask)

    def nodes(self, from_at: int, to_at: int) -> set[str]:
        """All nodes that have readings."""
        query = (
            "WITH RECURSIVE n(node) AS (SELECT min(node) FROM reading UNION ALL "
            "SELECT (SELECT min(node) FROM reading WHERE node > n.node) FROM n WHERE n.node IS NOT NULL) "
            "SELECT node FROM n WHERE node IS NOT NULL"
        )
        return self._ask(lambda db: {str(node) for (node,) in db.execute(query)})

    def rows(self, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        """Readings and events, some days at a time."""
        step = max(_DAY_NS, -(-(to_at - from_at) // _MOST_STEPS))
        for start in range(from_at, to_at, step):
            span = (start, min(start + step, to_at), node)
            readings, events = self._all(_READINGS, span), self._all(_EVENTS, span)
            for spool, seq, at, device_class, device, is_dated in readings:
                kind: Kind = "reading" if is_dated else "undated"
                yield Row(f"{spool:08x}", seq, at, device_class, device, kind)
            for spool, seq, at, device_class, device in events:
                yield Row(f"{spool:08x}", seq, at, device_class, device, "event")

    def states(self, node: str, from_at: int, to_at: int) -> list[StateChange]:
        """From the state events."""
        found: list[StateChange] = []
        last: dict[str, StateChange] = {}
        for device, at, data in self._all(_STATES, (node, to_at)):
            fields = json.loads(data)
            if (word := _WORDS.get(fields.get("state"))) is None:
                continue
            change = StateChange(device, at, word, _WORDS.get(fields.get("before")))
            if at < from_at:
                last[device] = change
            else:
                found.append(change)
        return [*last.values(), *found]

    def lost_in_air(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the events."""
        return {device: int(count or 0) for device, count in self._all(_IN_AIR, (node, from_at, to_at))}

    def abouts(self, node: str, to_at: int) -> list[About]:
        """Every revision."""
        rows = self._all(_ABOUTS, (node, to_at))
        return [
            About(device, device_class, at, json.loads(fields).get("period_s", 0.0))
            for device, device_class, at, fields in rows
            if device
        ]

    def descriptions(self, name: str, to_at: int) -> list[Description]:
        """Every telling."""
        found = []
        for node, device, device_class, at, tags, fields, text in self._all(_DESCRIPTIONS, (name, name, to_at)):
            labels = json.loads(tags) | {"node": node, "device": device, "class": device_class}
            found.append(description(labels, at, json.loads(fields), json.loads(text)))
        return found

    def heard(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the node's health."""
        return {str(device): int(at) for device, at in self._all(_HEARD, (node, from_at, to_at))}

    def _all(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._ask(lambda db: db.execute(query, values).fetchall())

    def _ask(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return reading(self._path, ask)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise Unavailable(f"{self._path} cannot be read ({error})", needs_person=True) from error
