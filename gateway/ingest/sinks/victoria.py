"""Questions to VictoriaMetrics: is this point there, how many readings are stored, when did you start.

A field becomes the series `<measurement>_<field>`; times are milliseconds. What is written twice may be there twice
where -dedup.minScrapeInterval is not set, so that distinct times are counted, not samples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Unavailable
from gateway.wire.times import MS
from gateway.wire.topics import CLASSES

Get = Callable[[str], str]
_STARTED = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_DAY_MS = 86_400_000
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


def _probe(point: Point | Note) -> tuple[str, float | None]:
    """Series name and value by which a point is recognised."""
    if isinstance(point, Point):
        return f"{point.origin.device_class if point.is_dated else 'undated'}_seq", float(point.seq)
    if point.seq:
        return f"{point.measurement}_seq", float(point.seq)
    return f"{point.measurement}_{next(iter(point.fields))}", None


def _export(
    get: Get, names: str, node: str, device: str, first_ms: int, last_ms: int
) -> Iterator[dict[str, list[float]]]:
    match = f'{{__name__=~"{names}",node="{node}",device="{device}"}}'
    query = {"match[]": match, "start": f"{first_ms / 1000:.3f}", "end": f"{last_ms / 1000:.3f}"}
    for line in get(f"/api/v1/export?{urlencode(query)}").splitlines():
        yield json.loads(line)
