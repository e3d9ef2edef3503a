"""Questions to InfluxDB 2, in Flux: is this point there, how many readings are stored."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

from gateway.ingest.points import Note, Point
from gateway.wire.topics import CLASSES

Query = Callable[[str], str]


def has(query: Query, bucket: str, point: Point | Note) -> bool:
    """True when the point can be read back."""
    if isinstance(point, Point):
        measurement, name = point.origin.device_class if point.is_dated else "undated", "seq"
    else:
        measurement, name = point.measurement, "seq" if point.seq else next(iter(point.fields))
    return (
        _count(query, bucket, point.origin.node, point.origin.device, [measurement], name, point.stamp, point.stamp + 1)
        > 0
    )


def count(query: Query, bucket: str, node: str, device: str, from_at: int, to_at: int) -> int:
    """How many readings of a device are stored with `from_at` <= t < `to_at` (ns)."""
    return _count(query, bucket, node, device, sorted(CLASSES), "seq", from_at, to_at)


def _count(
    query: Query, bucket: str, node: str, device: str, measurements: list[str], name: str, from_at: int, to_at: int
) -> int:
    either = " or ".join(f"r._measurement == {json.dumps(each)}" for each in measurements)
    where = f"r.node == {json.dumps(node)} and r._field == {json.dumps(name)} and ({either})"
    if device:
        where += f" and r.device == {json.dumps(device)}"
    text = query(
        f"from(bucket: {json.dumps(bucket)}) |> range(start: time(v: {from_at}), stop: time(v: {to_at}))"
        f" |> filter(fn: (r) => {where}) |> group() |> count()"
    )
    rows = csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#"))
    return sum(int(row["_value"]) for row in rows if row.get("_value"))
