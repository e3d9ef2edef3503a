"""Of the readings that a device could have given: how many are stored, and what became of each of the others.

A device that reports every `period_s` leaves a gap where readings are absent. The absent ones are put in a row between
their neighbours, and each is explained by what covers its place, the first of these:

    silent       the device was silent, faulty or absent: from its last reading to its return
    late         the node has numbers that are not stored and not settled, or was not heard of since: it may still come
    lost         the node declared numbers lost
    parked       numbers are parked
    off          the node was off: from the device's last sign to its first one after a start
    unexplained  nothing above: the instrument skipped it

Numbers say how many readings are absent, not whose: a stretch of n lost numbers explains n absent readings at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from gateway.audit.facts import DeviceFacts

SECOND = 1_000_000_000
Cause = Literal["silent", "late", "lost", "parked", "off", "unexplained"]
CAUSES: tuple[Cause, ...] = ("silent", "late", "lost", "parked", "off", "unexplained")
_JITTER = 0.1
"""By how much of a period a reading may miss its time."""
Span = tuple[int, int]
Day = tuple[str, int, int]
"""Name, begin, end."""


@dataclass(slots=True)
class Hole:
    """Numbers of the node that are not stored: between which times, how many are left to explain, and why."""

    from_at: int
    to_at: int
    left: int
    cause: Cause


@dataclass(slots=True)
class Coverage:
    """One device in a stretch of time. The causes count absent readings; without a period there are none."""

    stored: int = 0
    absent: dict[Cause, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))
    has_period: bool = False

    @property
    def possible(self) -> int | None:
        """How many readings the period allows."""
        return self.stored + sum(self.absent.values()) if self.has_period else None

    @property
    def expected(self) -> int | None:
        """How many the gateway owed: those possible while the device spoke and its node was on."""
        return self.possible - self.absent["silent"] - self.absent["off"] if self.possible is not None else None

    @property
    def completeness(self) -> float | None:
        """Stored of those possible, in percent."""
        return 100 * self.stored / self.possible if self.possible else None

    def add(self, other: Coverage) -> None:
        """Both together."""
        self.stored += other.stored
        self.has_period |= other.has_period
        for cause, count in other.absent.items():
            self.absent[cause] += count


@dataclass(frozen=True, slots=True)
class Run:
    """Absent readings: number j of 1 … `count` at `start` + j · `step`."""

    start: int
    step: float
    count: int

    @property
    def end(self) -> int:
        """Just after the last one."""
        return int(self.start + self.step * self.count) + 1

    def within(self, from_at: int, to_at: int) -> int:
        """How many lie in [from_at, to_at)."""
        return self._upto(to_at) - self._upto(from_at)

    def _upto(self, at: int) -> int:
        """How many lie before `at`."""
        if at <= self.start or not self.count:
            return 0
        number = min(self.count, int((at - self.start) / self.step))
        # Division of large numbers is not exact; these two steps are.
        while number < self.count and self.start + self.step * (number + 1) < at:
            number += 1
        while number and self.start + self.step * number >= at:
            number -= 1
        return number


def cover(
    facts: DeviceFacts, days: Sequence[Day], end_at: int, holes: Sequence[Hole], heard_until: int
) -> dict[str, Coverage]:
    """By day, what the device gave. Nothing is due from `end_at` on; the node was heard of until `heard_until`.

    What `holes` explain is taken out of them: call it for one device of the node after the other.
    """
    found = {name: Coverage() for name, _, _ in days}
    for name, start, end in days:
        found[name].stored = bisect_left(facts.times, end) - bisect_left(facts.times, start)
    begin = _begin(facts)
    if not days or begin is None:
        return found
    start = max(days[0][1], begin)
    stop = min(days[-1][2], end_at, facts.removed_at if facts.removed_at is not None else end_at)
    silent, lead_in, off = spans_of_states(facts, stop)
    for run in _runs(facts, start, stop):
        for name, day_start, day_end in days:
            first, last = max(day_start, start), min(day_end, stop)
            if first < last and run.start < last and run.end > first:
                _explain(run, first, last, found[name], holes, (silent, lead_in, off, heard_until))
    for name, day_start, day_end in days:
        if max(day_start, start) < min(day_end, stop):
            found[name].has_period = _period(facts, max(day_start, start)) > 0
    return found


def spans_of_states(facts: DeviceFacts, stop: int) -> tuple[list[Span], list[Span], list[Span]]:
    """When the device was known silent; when it was on its way there; when its node was off."""
    silent: list[Span] = []
    lead_in: list[Span] = []
    off: list[Span] = []
    changes = sorted(facts.states, key=lambda change: change.at)
    for number, change in enumerate(changes):
        until = changes[number + 1].at if number + 1 < len(changes) else max(stop, change.at)
        reading = _last_before(facts.times, change.at)
        signs = [at for at in (reading, _last_before(facts.events, change.at)) if at is not None]
        if change.before is None and signs:
            off.append((max(signs), change.at))
        if change.state != "ok":
            silent.append((change.at, until))
            if reading is not None:
                lead_in.append((reading, change.at))
    return silent, lead_in, off


def _last_before(times: Sequence[int], at: int) -> int | None:
    place = bisect_left(times, at)
    return times[place - 1] if place else None


def _begin(facts: DeviceFacts) -> int | None:
    """Since when anything is known of the device."""
    known = [*facts.events[:1], *facts.times[:1], *(at for at, _ in facts.periods[:1])]
    return min([*known, *(change.at for change in facts.states)], default=None)


def _period(facts: DeviceFacts, at: int) -> float:
    """The period in force, ns; 0 where there is none. The first one is taken for the time before it too."""
    place = bisect_right([since for since, _ in facts.periods], at)
    return facts.periods[max(0, place - 1)][1] * SECOND if facts.periods else 0.0


def _runs(facts: DeviceFacts, start: int, stop: int) -> Iterator[Run]:
    """The gaps that meet [start, stop), each with its absent readings."""
    times = facts.times
    first, last = max(0, bisect_left(times, start) - 1), bisect_left(times, stop)
    near: list[int | None] = [*times[first : last + 1]]
    if not near or (near[0] is not None and near[0] >= start):
        near.insert(0, None)
    if near[-1] is None or near[-1] < stop:
        near.append(None)
    for before, after in pairwise(near):
        period = _period(facts, after - 1 if after is not None else stop - 1)
        if period <= 0:
            continue
        # Towards an open end nobody knows when exactly the next one was due.
        if before is not None and after is not None:
            count = round((after - before) / period) - 1
            run = Run(before, (after - before) / (count + 1), count) if count > 0 else None
        elif after is not None:
            count = int((after - start) / period - _JITTER)
            run = Run(after - round((count + 1) * period), period, count) if count > 0 else None
        elif before is not None:
            count = int((stop - before) / period - _JITTER)
            run = Run(before, period, count) if count > 0 else None
        else:
            count = int((stop - start) / period)
            run = Run(start - round(period / 2), period, count) if count > 0 else None
        if run is not None:
            yield run


def _explain(
    run: Run,
    start: int,
    stop: int,
    found: Coverage,
    holes: Sequence[Hole],
    known: tuple[list[Span], list[Span], list[Span], int],
) -> None:
    """Count the absent readings of a run in [start, stop) by their cause."""
    silent, lead_in, off, heard_until = known
    here = [hole for hole in holes if hole.left and hole.from_at < min(stop, run.end) and hole.to_at > run.start]
    cuts = {start, stop, heard_until}
    for spans in (silent, lead_in, off, ((hole.from_at, hole.to_at) for hole in here)):
        for span in spans:
            cuts.update(span)
    points = sorted(cut for cut in cuts if start <= cut <= stop)
    for first, last in pairwise(points):
        left = run.within(first, last)
        if not left:
            continue
        if _covers(silent, first, last):
            found.absent["silent"] += left
            continue
        for hole in here:
            if hole.from_at <= first and last <= hole.to_at:
                taken = min(left, hole.left)
                found.absent[hole.cause] += taken
                hole.left -= taken
                left -= taken
        cause: Cause = "unexplained"
        if _covers(off, first, last):
            cause = "off"
        elif _covers(lead_in, first, last):
            cause = "silent"
        elif first >= heard_until:
            cause = "late"
        found.absent[cause] += left


def _covers(spans: Iterable[Span], first: int, last: int) -> bool:
    return any(start <= first and last <= end for start, end in spans)
