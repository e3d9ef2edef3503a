"""What the audit asks of InfluxDB 2, in Flux."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from gateway.audit.descriptions import Description, description
from gateway.audit.facts import About, Kind, Row, StateChange
from gateway.ingest.notes import STATES
from gateway.wire.times import MS, SECOND
from gateway.wire.topics import CLASSES

Query = Callable[[str], str]
_WORDS = {float(number): word for word, number in STATES.items()}
_DAY_NS = 86_400 * SECOND
_LOOK_BACK_NS = 400 * _DAY_NS
_MOST_REQUESTS = 400
_LABELS = frozenset({"node", "device", "class", "site", "version", "driver", "model", "serial", "method", "trust"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FluxReader:
    """A gateway.audit.facts.Database; `query` gives the annotated CSV of a Flux query."""

    name = "influxdb"

    def __init__(self, query: Query, bucket: str, *, retention_ns: int) -> None:
        self._query, self._bucket, self._retention_ns = query, bucket, retention_ns

    def kept_from(self, now_at: int) -> int:
        """The retention's edge, once something has come near to it."""
        edge = now_at - self._retention_ns
        if edge <= 0:
            return 0
        found = self._ask(edge, edge + _DAY_NS, _measured(CLASSES), 'r._field == "seq"', then="limit(n: 1)")
        return edge if next(found, None) is not None else 0

    def nodes(self, from_at: int, to_at: int) -> set[str]:
        """All that have readings in that time."""
        then = 'keep(columns: ["node"]) |> group() |> distinct(column: "node")'
        found = self._ask(from_at, to_at, _measured(CLASSES), 'r._field == "seq"', then=then)
        return {row["_value"] for row in found if row.get("_value")}

    def rows(self, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        """Readings and events, some days at a time."""
        numbered = _measured([*CLASSES, "event", "undated"])
        fields = '(r._field == "seq" or r._field == "spool")'
        step = max(_DAY_NS, -(-(to_at - from_at) // _MOST_REQUESTS))
        for start in range(from_at, to_at, step):
            for row in self._ask(start, min(start + step, to_at), numbered, fields, _of(node), then=_pivot()):
                if not row.get("seq") or not row.get("spool"):
                    continue
                measurement = row["_measurement"]
                kind: Kind = measurement if measurement in ("event", "undated") else "reading"  # type: ignore[assignment]  # one of the two
                device_class = row.get("class") or measurement
                at = _time(row["_time"])
                yield Row(f"{int(row['spool']):08x}", int(row["seq"]), at, device_class, row.get("device", ""), kind)

    def states(self, node: str, from_at: int, to_at: int) -> list[StateChange]:
        """From the state events."""
        fields = '(r._field == "state" or r._field == "before")'
        event = 'r._measurement == "event"'
        found = []
        for row in self._ask(from_at, to_at, event, fields, _of(node), then=_pivot()):
            if (word := _word(row.get("state"))) is not None:
                at = _time(row["_time"])
                found.append(StateChange(row.get("device", ""), at, word, _word(row.get("before"))))
        start = max(0, from_at - _LOOK_BACK_NS)
        last = self._ask(start, from_at, event, 'r._field == "state"', _of(node), then="last()")
        # When it was does not matter, only that it was before; and it was no start.
        found += [
            StateChange(row.get("device", ""), from_at - MS, word, word)
            for row in last
            if (word := _word(row.get("_value"))) is not None
        ]
        return found

    def lost_in_air(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the events."""
        event = 'r._measurement == "event" and r.event == "lost-in-air"'
        found: dict[str, int] = {}
        for row in self._ask(from_at, to_at, event, 'r._field == "count"', _of(node)):
            found[row.get("device", "")] = found.get(row.get("device", ""), 0) + int(float(row["_value"]))
        return found

    def abouts(self, node: str, to_at: int) -> list[About]:
        """Every revision."""
        start = max(0, to_at - self._retention_ns)
        found = self._ask(start, to_at, 'r._measurement == "about"', 'r._field == "period_s"', _of(node))
        return [
            About(row["device"], row.get("class", ""), _time(row["_time"]), float(row["_value"]))
            for row in found
            if row.get("device")
        ]

    def descriptions(self, name: str, to_at: int) -> list[Description]:
        """Every telling."""
        start, said = max(0, to_at - self._retention_ns), json.dumps(name)
        who = f"(r.device == {said} or (r.node == {said} and not exists r.device))"
        found = []
        for row in self._ask(start, to_at, 'r._measurement == "about"', who, then=_pivot()):
            cells = {key: value for key, value in row.items() if key and not key.startswith("_") and value != ""}
            figures = {key: float(value) for key, value in cells.items() if _is_figure(key)}
            labels = {key: value for key, value in cells.items() if key in _LABELS}
            found.append(description(labels, _time(row["_time"]), figures))
        return found

    def heard(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the node's health."""
        health, fields = 'r._measurement == "node_health"', '(r._field == "readings" or r._field == "spool_bytes")'
        found = self._ask(from_at, to_at, health, fields, _of(node), then="last()")
        return {row.get("device", ""): _time(row["_time"]) for row in found}

    def _ask(self, from_at: int, to_at: int, *conditions: str, then: str = "") -> Iterator[dict[str, str]]:
        """The rows of a query over [from_at, to_at); each table of an answer has a header of its own."""
        parts = [
            f"from(bucket: {json.dumps(self._bucket)})",
            f"range(start: time(v: {from_at}), stop: time(v: {to_at}))",
            f"filter(fn: (r) => {' and '.join(conditions)})",
            *([then] if then else []),
        ]
        lines = [line for line in self._query(" |> ".join(parts)).splitlines() if not line.startswith("#")]
        header: list[str] | None = None
        for cells in csv.reader(lines):
            if not cells:
                header = None
            elif header is None:
                header = cells
            else:
                yield dict(zip(header, cells, strict=False))


def _is_figure(column: str) -> bool:
    return column not in _LABELS and column not in ("result", "table")


def _measured(names: Iterable[str]) -> str:
    return "(" + " or ".join(f"r._measurement == {json.dumps(each)}" for each in sorted(names)) + ")"


def _of(node: str) -> str:
    return f"r.node == {json.dumps(node)}"


def _pivot() -> str:
    return 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'


def _word(text: str | None) -> str | None:
    return _WORDS.get(float(text)) if text else None


def _time(text: str) -> int:
    """ns since the epoch of Flux's RFC 3339 text, cut to the millisecond, which is what a reading's time has."""
    passed = datetime.fromisoformat(text[:19] + "+00:00") - _EPOCH
    digits = text[19:].rstrip("Z").lstrip(".").ljust(3, "0")[:3]
    return (passed.days * 86_400 + passed.seconds) * SECOND + int(digits) * MS
