"""Numbers of nodes on their way from the sink's yes to the ledger, and the groups in which they become durable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.ingest.messages import Part
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Span
from gateway.spool.intervals import Intervals

Numbers = dict[tuple[str, str], Intervals]
"""By node and spool."""
Spans = dict[tuple[str, str], tuple[int, int]]
"""First and last time (ns, as stored) by measurement and node."""


@dataclass(slots=True)
class Group:
    """Batches that wait together to become durable, since `opened_mono`; `mark` names the database's life."""

    mark: str | None
    opened_mono: float
    written_mono: float
    last: Point | Note | None
    """What is read back; None where all was, and only the database's life is in question."""
    numbers: Numbers = field(default_factory=dict)
    spans: Spans = field(default_factory=dict)

    def all_spans(self) -> list[Span]:
        """Where its points lie."""
        return [Span(name, node, first, last) for (name, node), (first, last) in self.spans.items()]

    def take_spans(self, other: Group) -> None:
        """Those of another group, too."""
        for key, (first, last) in other.spans.items():
            own = self.spans.setdefault(key, (first, last))
            self.spans[key] = min(own[0], first), max(own[1], last)


def last_numbered(parts: list[Part], out: set[tuple[str, str, int]]) -> Point | Note | None:
    """The last point that has a number and was not refused."""
    for part in reversed(parts):
        for point in reversed(part.points):
            if point.seq and (part.node, part.spool, point.seq) not in out:
                return point
    return None


def add_numbers(numbers: Intervals, part: Part, out: set[tuple[str, str, int]]) -> None:
    """The numbers of a part's points, without those in `out`; runs of them at once."""
    seqs = [point.seq for point in part.points if point.seq]
    if out:
        seqs = [seq for seq in seqs if (part.node, part.spool, seq) not in out]
    if not seqs:
        return
    first = previous = seqs[0]
    for seq in seqs[1:]:
        if seq != previous + 1:
            numbers.add(first, previous)
            first = seq
        previous = seq
    numbers.add(first, previous)


def merge(into: Numbers, more: Numbers) -> None:
    """Adds `more` to `into`."""
    for key, numbers in more.items():
        if key in into:
            into[key].update(numbers)
        else:
            into[key] = numbers.copy()


def add_spans(spans: Spans, parts: Iterable[Part]) -> None:
    """Widens them by the numbered points of these parts."""
    for part in parts:
        for point in part.points:
            if not point.seq:
                continue
            if isinstance(point, Note):
                name = point.measurement
            else:
                name = point.origin.device_class if point.is_dated else "undated"
            key, at = (name, part.node), point.stamp
            known = spans.get(key)
            if known is None:
                spans[key] = at, at
            elif at < known[0]:
                spans[key] = at, known[1]
            elif at > known[1]:
                spans[key] = known[0], at


def common(numbers: Numbers, held: Numbers) -> Numbers:
    """Those of the first that are in the second, too."""
    found = without(numbers, [without(numbers, [held])])
    return {key: each for key, each in found.items() if each}


def without(numbers: Numbers, others: Sequence[Numbers]) -> Numbers:
    """The first without the others."""
    left = {}
    for key, each in numbers.items():
        rest = each.copy()
        for other in others:
            for first, last in other[key].ranges() if key in other else ():
                rest.remove(first, last)
        if rest:
            left[key] = rest
    return left
