"""Numbers of nodes on their way from the sink's yes to the ledger, and the groups in which they become durable."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.ingest.messages import Part
from gateway.ingest.points import Note, Point
from gateway.spool.intervals import Intervals

Numbers = dict[tuple[str, str], Intervals]


@dataclass(slots=True)
class Group:
    """Batches that wait together to become durable, since `opened_mono`; `mark` names the database's life."""

    mark: str | None
    opened_mono: float
    written_mono: float
    last: Point | Note
    numbers: Numbers = field(default_factory=dict)


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
