"""What is in a spool, as files that other programs read: CSV, or the very line protocol that ingest would write."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from drivers.core.quantities import UnknownQuantity, quantity
from gateway.cli.spool_entries import Items
from gateway.ingest.lines import encode_points
from gateway.ingest.messages import Reader
from gateway.ingest.points import Note, Point
from gateway.wire.entry import Entry, live_message
from gateway.wire.payload import FAIL, GOOD, MISSING
from gateway.wire.topics import DEFAULT_ROOT

COLUMNS = ("t", "node", "class", "device", "quantity", "value", "unit", "flag", "event", "data", "spool", "seq")
"""One row a value; a missing one has no value and flag 9. An event is a row without a quantity, its data as JSON."""
_FOREVER_NS = 1 << 62
_MAX_PAYLOAD = 1 << 24


class _Lines:
    """What `csv.writer` writes to: hands each line on."""

    def __init__(self) -> None:
        self.line = ""

    def write(self, text: str) -> int:
        self.line = text
        return len(text)


def csv_lines(items: Items, node: str) -> Iterator[str]:
    """CSV by RFC 4180 (UTF-8, CRLF), the header first."""
    out = _Lines()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield out.line
    for item in items:
        entry = item.entry
        for row in _rows(entry):
            writer.writerow((item.t or "", node, entry.device_class, entry.device, *row, item.spool, item.seq))
            yield out.line


def _rows(entry: Entry) -> Iterator[tuple[Any, ...]]:
    if entry.event:
        yield "", "", "", "", entry.event, json.dumps(entry.data, ensure_ascii=False, separators=(",", ":"))
        return
    rest = entry.q.get("*", GOOD)
    for name, value in entry.v.items():
        yield name, repr(value), _unit(name), entry.q.get(name, rest), "", ""
    for name, value in entry.failed.items():
        yield name, repr(value), _unit(name), FAIL, "", ""
    for name, flag in entry.q.items():
        if flag == MISSING and name != "*":
            yield name, "", _unit(name), MISSING, "", ""


def _unit(name: str) -> str:
    try:
        return quantity(name).unit
    except UnknownQuantity:
        return ""


def protocol_lines(items: Items, node: str, now_at: int, on_refused: Callable[[str], None]) -> Iterator[str]:
    """Line protocol, times in ns. Each entry takes the way of its message through ingest, so the line is the same.

    What ingest would park is told to `on_refused` by its reason. An undated reading bears the time of the node's clock
    here; ingest gives it the time of its arrival.
    """
    reader = Reader(DEFAULT_ROOT, retention_ns=_FOREVER_NS, max_payload_bytes=_MAX_PAYLOAD)
    reader.now_at(now_at)
    for item in items:
        part = reader.read(*live_message(DEFAULT_ROOT, node, item.spool, item.seq, item.entry, item.t))
        for one in part.refused:
            on_refused(one.reason)
        yield from (line + "\n" for line in encode_points([_dated(point, item.about_at) for point in part.points]))


def _dated(point: Point | Note, at: int) -> Point | Note:
    if point.is_dated:
        return point
    if isinstance(point, Point):
        return point._replace(at=at)
    return dataclasses.replace(point, at=at)


def refusals_text(refused: Counter[str]) -> str:
    """`future 3, too-old 1`."""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items()))
