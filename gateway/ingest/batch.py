"""Batches: what the writer takes in one piece: at once when idle, else by size, by age, or when the window is full."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.ingest.messages import Part
from gateway.ingest.parked import Refused
from gateway.ingest.points import Note, Point, Reason
from gateway.ingest.sinks.base import Rejection
from gateway.wire import payload
from gateway.wire.times import format_time
from gateway.wire.topics import backlog_topic


@dataclass(slots=True)
class Batch:
    """Parts in the order they came; `points` are theirs, put together when the batch is taken."""

    parts: list[Part] = field(default_factory=list)
    points: list[Point | Note] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    @property
    def has_undated(self) -> bool:
        """True while some points wait for the time under which they are stored."""
        return any(part.has_undated for part in self.parts)

    def put_together(self) -> None:
        """Collect the parts' points, once they are what shall be written."""
        self.points, self.starts = [], []
        for part in self.parts:
            self.starts.append(len(self.points))
            self.points += part.points

    def own_refusals(self) -> list[Refused]:
        """What our own checks refused."""
        return [one for part in self.parts for one in part.refused]

    def sink_refusals(self, root: str, rejections: list[Rejection]) -> list[Refused]:
        """What the sink refused of all that has a number, as messages that could come again: batches of one."""
        refused = []
        for one in rejections:
            point = self.points[one.index]
            if point.seq:
                part = self.parts[bisect_right(self.starts, one.index) - 1]
                topic, data = backlog_topic(root, part.node, point.origin.device_class), _message(point, part.spool)
                refused.append(Refused(Reason.REFUSED, one.why, topic, data, part.node, part.spool, point.seq))
        return refused


def _message(point: Point | Note, spool: str) -> bytes:
    """The point as a backlog message of one entry."""
    t = format_time(point.at) if point.is_dated else None
    if isinstance(point, Point):
        shape = point.shape
        good = dict(zip(shape.quantities, point.values, strict=False))
        failed = dict(zip(shape.failed, point.values[len(shape.quantities) :], strict=True))
        flags = {name: flag for name, flag in shape.flags.items() if flag != payload.GOOD}
        if not shape.flags:
            flags = {"*": payload.NOT_EVALUATED}
        entry = payload.LateEntry(point.origin.device, t, point.seq, good, flags, failed)
    else:
        tags = {key: value for key, value in point.tags.items() if key != "event"}
        data = {**point.text, **point.fields, **tags}
        entry = payload.LateEntry(point.origin.device, t, point.seq, event=point.tags.get("event", ""), data=data)
    return payload.encode(payload.Backlog(spool, [entry]))


class Gathering:
    """The batch that fills while another is written.

    It is due at once when the last one ended longer ago than `age_s`, else at the end of that time, and in any case
    when it holds `max_readings` or `max_messages`. When it is that full, `room` waits until it was taken.
    """

    def __init__(self, *, max_readings: int, max_messages: int, age_s: float) -> None:
        self._max_readings = max_readings
        self._max_messages = max_messages
        self._age_s = age_s
        self._batch = Batch()
        self._readings = 0
        self._ended_mono = -age_s
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """True when nothing should be added before the batch is taken."""
        return self._full.is_set()

    def add(self, part: Part) -> None:
        """One more part."""
        self._batch.parts.append(part)
        self._readings += len(part.points)
        self._some.set()
        if self._readings >= self._max_readings or len(self._batch.parts) >= self._max_messages:
            self._full.set()

    async def room(self) -> None:
        """Waits while the batch is full."""
        while self._full.is_set():
            self._taken.clear()
            await self._taken.wait()

    async def take(self) -> Batch:
        """Waits until a batch is due, and takes it."""
        await self._some.wait()
        wait_s = self._ended_mono + self._age_s - time.monotonic()
        if wait_s > 0 and not self._full.is_set():
            try:
                async with asyncio.timeout(wait_s):
                    await self._full.wait()
            except TimeoutError:
                pass
        batch, self._batch, self._readings = self._batch, Batch(), 0
        self._some.clear()
        self._full.clear()
        self._taken.set()
        return batch

    def ended(self) -> None:
        """The batch that was taken is dealt with."""
        self._ended_mono = time.monotonic()


def backoff(min_s: float, max_s: float) -> Callable[[], float]:
    """The next pause at each call: doubling from `min_s` to `max_s`."""
    pause_s = min_s / 2

    def following() -> float:
        nonlocal pause_s
        pause_s = min(max_s, pause_s * 2)
        return pause_s

    return following
