"""A model of a database behind the face of a sink: VictoriaMetrics' way of forgetting, or none.

tests/faults/test_contract_of_databases.py holds it to VictoriaMetrics and to the SQLite sink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Held, Rejection, Span, Unavailable
from gateway.spool.intervals import Intervals
from gateway.wire.times import MS

Key = tuple[str, str, str, int]
"""Measurement, node, device, stamp: what makes a point one point."""


class Stored(NamedTuple):
    """A point that is stored, and since when (monotonic seconds)."""

    point: Point | Note
    since: float


class ModelDatabase:
    """A sink whose yes is durable `flush_s` later; 0: at once. `now` is monotonic seconds."""

    name = "model"

    def __init__(self, now: Callable[[], float], *, flush_s: float = 12.0, durable_after_s: float = 30.0) -> None:
        self.is_up = True
        self.is_cutting = False
        """Takes half of a batch and then ends the connection."""
        self.refuses: Callable[[Point | Note], bool] = lambda point: False
        self.forgotten = 0
        """Points that a crash took."""
        self.life = 1
        self._now, self._flush_s, self._durable_after_s = now, flush_s, durable_after_s if flush_s else 0.0
        self._flushed_at = now()
        self._durable: dict[Key, Point | Note] = {}
        self._fresh: dict[Key, Stored] = {}

    @property
    def durable_after_s(self) -> float:
        """See Sink."""
        return self._durable_after_s

    def stop(self) -> None:
        """In order: nothing is lost."""
        self._flush()
        self.is_up = False

    def crash(self) -> None:
        """What was not flushed is gone."""
        self._tick()
        self.forgotten += len(self._fresh)
        self._fresh.clear()
        self.is_up = False

    def start(self) -> None:
        """Another life."""
        self.life += 1
        self.is_up, self._flushed_at = True, self._now()

    def mark(self) -> str | None:
        """See Sink."""
        self._check()
        return str(self.life) if self._flush_s else None

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        """See Sink."""
        self._check()
        refused = []
        for index, point in enumerate(points):
            if self.is_cutting and index > len(points) // 2:
                raise Unavailable("connection lost")
            if self.refuses(point):
                refused.append(Rejection(index, "refused by the model"))
            else:
                self._put(point)
        return refused

    def confirm(self, mark: str | None, last: Point | Note) -> bool:
        """See Sink."""
        self._check()
        return not self._flush_s or (mark == str(self.life) and self._get(last) is not None)

    def held(self, spans: Sequence[Span]) -> Held | None:
        """See Sink."""
        self._check()
        if not self._flush_s:
            return None
        found: Held = {}
        for point in self.points():
            name, node, _, _ = _key(point)
            if point.seq and any(span[:2] == (name, node) and span[2] <= point.stamp <= span[3] for span in spans):
                found.setdefault((node, f"{point.spool:08x}"), Intervals()).add(point.seq)
        return found

    def count(self, node: str, device: str, from_at: int, to_at: int) -> int:
        """See Sink."""
        self._check()
        return sum(
            each.origin.node == node and each.origin.device == device and from_at <= each.at < to_at
            for each in self.points()
            if isinstance(each, Point) and each.is_dated
        )

    def close(self) -> None:
        """See Sink."""

    def points(self) -> list[Point | Note]:
        """All that it holds now."""
        return [*self._durable.values(), *(each.point for each in self._fresh.values())]

    def _check(self) -> None:
        if not self.is_up:
            raise Unavailable("connection refused")
        self._tick()

    def _tick(self) -> None:
        """Flushes come every `flush_s`, whoever looks."""
        if self.is_up and self._now() - self._flushed_at >= self._flush_s:
            beats = int((self._now() - self._flushed_at) / self._flush_s) if self._flush_s else 0
            self._flushed_at += beats * self._flush_s
            for key, each in list(self._fresh.items()):
                if each.since <= self._flushed_at or not self._flush_s:
                    self._durable[key] = self._fresh.pop(key).point

    def _flush(self) -> None:
        self._durable |= {key: each.point for key, each in self._fresh.items()}
        self._fresh.clear()

    def _put(self, point: Point | Note) -> None:
        key = _key(point)
        if key in self._durable or not self._flush_s:
            self._durable[key] = point
        else:
            self._fresh[key] = Stored(point, self._fresh[key].since if key in self._fresh else self._now())

    def _get(self, point: Point | Note) -> Point | Note | None:
        key = _key(point)
        fresh = self._fresh.get(key)
        return self._durable.get(key) if fresh is None else fresh.point


def _key(point: Point | Note) -> Key:
    if isinstance(point, Point):
        name = point.origin.device_class if point.is_dated else "undated"
        return name, point.origin.node, point.origin.device, point.stamp // MS
    return point.measurement, point.origin.node, point.origin.device, point.stamp // MS
