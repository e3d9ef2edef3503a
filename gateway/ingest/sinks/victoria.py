"""Questions to VictoriaMetrics: is this point there, how many readings are stored, when did you start.

A field becomes the series `<measurement>_<field>`; times are milliseconds. What is written twice may be there twice
where -dedup.minScrapeInterval is not set, so that distinct times are counted, not samples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Held, Span, Unavailable
from gateway.spool.intervals import Intervals
from gateway.wire.times import MS
from gateway.wire.topics import CLASSES

Get = Callable[[str], str]
_STARTED = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_DAY_MS, _HOUR_MS, _NEAR_MS = 86_400_000, 3_600_000, 10_000
_MOST_REQUESTS = 400


def started(get: Get) -> str | None:
    """The server's start time as it prints it; None where it does not tell."""
    try:
        found = _STARTED.search(get("/metrics"))
    except Unavailable as error:
        if error.needs_person:
            return None
        raise
    return found.group(1) if found else None


def has(get: Get, point: Point | Note) -> bool:
    """True when the point can be read back."""
    at_ms = point.stamp // MS
    name, value = _probe(point)
    origin = point.origin
    for row in _export(get, f"^{name}$", origin.node, origin.device, at_ms, at_ms):
        if value is None or value in row["values"]:
            return True
    return False


def count(get: Get, node: str, device: str, from_at: int, to_at: int) -> int:
    """How many readings of a device are stored with `from_at` <= t < `to_at`."""
    first_ms, end_ms = from_at // MS, to_at // MS
    step_ms = max(_DAY_MS, -(-(end_ms - first_ms) // _MOST_REQUESTS))
    names = f"^({'|'.join(sorted(CLASSES))})_seq$"
    total = 0
    for start_ms in range(first_ms, end_ms, step_ms):
        times: set[float] = set()
        for row in _export(get, names, node, device, start_ms, min(start_ms + step_ms, end_ms) - 1):
            times.update(row["timestamps"])
        total += len(times)
    return total


def held(get: Get, spans: Sequence[Span]) -> Held:
    """The numbers that can be read back within these spans: a number is a pair of samples, `…_seq` and `…_spool`."""
    found: Held = {}
    for node, names, first_ms, last_ms in _questions(spans):
        match = f'{{__name__=~"^({"|".join(names)})_(seq|spool)$",node="{node}"}}'
        pairs: dict[tuple[tuple[str, str], ...], dict[str, dict[int, float]]] = {}
        for labels, samples in _series(get, match, first_ms, last_ms):
            name, _, field = labels.pop("__name__").rpartition("_")
            pairs.setdefault((("", name), *sorted(labels.items())), {})[field] = samples
        for fields in pairs.values():
            spools = fields.get("spool", {})
            for at_ms, seq in fields.get("seq", {}).items():
                if at_ms in spools:
                    found.setdefault((node, f"{int(spools[at_ms]):08x}"), Intervals()).add(int(seq))
    return found


def _questions(spans: Sequence[Span]) -> Iterator[tuple[str, list[str], int, int]]:
    """Node, measurements, first and last ms of each question: what lies close together is one, an hour at most."""
    by_node: dict[str, list[Span]] = {}
    for span in spans:
        by_node.setdefault(span.node, []).append(span)
    for node, own in by_node.items():
        names = sorted({span.measurement for span in own})
        near = Intervals((span.first_at // MS // _NEAR_MS, span.last_at // MS // _NEAR_MS) for span in own)
        for first, last in near.ranges():
            for start_ms in range(first * _NEAR_MS, (last + 1) * _NEAR_MS, _HOUR_MS):
                yield node, names, start_ms, min(start_ms + _HOUR_MS, (last + 1) * _NEAR_MS) - 1


def _probe(point: Point | Note) -> tuple[str, float | None]:
    """Series name and value by which a point is recognised."""
    if isinstance(point, Point):
        return f"{point.origin.device_class if point.is_dated else 'undated'}_seq", float(point.seq)
    if point.seq:
        return f"{point.measurement}_seq", float(point.seq)
    return f"{point.measurement}_{next(iter(point.fields))}", None


def _export(get: Get, names: str, node: str, device: str, first_ms: int, last_ms: int) -> Iterator[dict[str, Any]]:
    match = f'{{__name__=~"{names}",node="{node}",device="{device}"}}'
    yield from _rows(get, match, first_ms, last_ms)


def _series(get: Get, match: str, first_ms: int, last_ms: int) -> Iterator[tuple[dict[str, str], dict[int, float]]]:
    """Labels and samples (time in ms → value) of each series."""
    for row in _rows(get, match, first_ms, last_ms):
        yield row["metric"], dict(zip(row["timestamps"], row["values"], strict=True))


def _rows(get: Get, match: str, first_ms: int, last_ms: int) -> Iterator[dict[str, Any]]:
    query = {"match[]": match, "start": f"{first_ms / 1000:.3f}", "end": f"{last_ms / 1000:.3f}"}
    for line in get(f"/api/v1/export?{urlencode(query)}").splitlines():
        yield json.loads(line)
