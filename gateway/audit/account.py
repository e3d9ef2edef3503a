"""The five states of a spool's numbers in a stretch of time: stored, parked, declared lost, missing, not yet due.

Numbers have no time of their own; one that the database has not lies between its neighbours. So the window is a range
of numbers: from the one after the last that is stored before it, to the one before the first that is stored after it.
Whatever the ledger says, the database decides what is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gateway.audit.facts import SpoolFacts, Times
from gateway.spool.intervals import Intervals

State = Literal["stored", "parked", "lost", "missing", "not-yet-due"]
STATES: tuple[State, ...] = ("stored", "parked", "lost", "missing", "not-yet-due")
NOT_ARRIVED, NOT_IN_DATABASE, NOT_IN_PARKED = "not-arrived", "not-in-database", "not-in-parked-store"
"""Why a number is missing: never heard of; stored or parked by the ledger's word, and not there."""
DROPPED = "dropped by a person"
UNDATED = "undated"
"""Not yet due because its node's clock is not trusted: nobody knows its time yet."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers in one state for one reason. Times of the first and last of them, or of the nearest known around."""

    state: State
    reason: str
    first: int
    last: int
    from_at: int | None
    to_at: int | None

    @property
    def count(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class SpoolAccount:
    """All numbers of a spool that belong to the window, each in exactly one range; `duplicated`: stored twice."""

    spool: str
    ranges: tuple[Range, ...]
    duplicated: int

    def count(self, state: State) -> int:
        """How many numbers are in that state."""
        return sum(each.count for each in self.ranges if each.state == state)

    def counts(self) -> dict[State, int]:
        """The five figures."""
        found = Counter[State]()
        for each in self.ranges:
            found[each.state] += each.count
        return {state: found[state] for state in STATES}


class Bounds(NamedTuple):
    """The first and last number of the window; the first is higher than the last where none belongs to it.

    `is_begun` and `is_ended`: a stored number on that side says so, or there can be none.
    """

    first: int
    last: int
    is_begun: bool
    is_ended: bool


def account(facts: SpoolFacts, from_at: int, to_at: int, due_at: int) -> SpoolAccount:
    """The numbers of `facts` between two times. What was followed by a number older than `due_at` should be there."""
    rows = facts.times
    first, last, *_ = bounds(facts, from_at, to_at)
    if first > last:
        return SpoolAccount(facts.spool, (), _duplicated(facts))
    stored, elsewhere = Intervals(), Intervals()
    for seq, at in rows:
        if first <= seq <= last:
            (stored if from_at <= at < to_at else elsewhere).add(seq)
    for seq, _ in facts.undated:
        if first <= seq <= last and seq not in elsewhere:
            stored.add(seq)
    known = stored.copy()
    known.update(elsewhere)
    places: list[tuple[State, str, int, int]] = [("stored", "", *each) for each in stored.ranges()]
    due = max([facts.ledger.due, *(seq for seq, at in rows if at <= due_at)])
    for hole in known.missing(first, last):
        places += _absent(facts, hole, due)
    ranges = [_with_times(rows, *place) for place in sorted(places, key=lambda place: place[2])]
    return SpoolAccount(facts.spool, tuple(ranges), _duplicated(facts))


def bounds(facts: SpoolFacts, from_at: int, to_at: int) -> Bounds:
    """Which numbers belong to the window."""
    rows = facts.times
    top = max(facts.ledger.horizon, *(times.seqs[-1] if len(times) else 0 for times in (facts.rows, facts.undated)))
    inside = [seq for seq, at in rows if from_at <= at < to_at]
    lowest = inside[0] if inside else top + 1
    below = max((seq for seq, at in rows if at < from_at and seq < lowest), default=0)
    first = below + 1 if below or not facts.is_cut else lowest
    highest = inside[-1] if inside else first - 1
    above = min((seq for seq, at in rows if at >= to_at and seq > highest), default=0)
    is_begun = below > 0 or lowest == 1 or (len(rows) > 0 and rows.seqs[0] == 1)
    return Bounds(first, above - 1 if above else top, is_begun or not top, above > 0 or highest >= top)


def _duplicated(facts: SpoolFacts) -> int:
    both = set(facts.rows.seqs) & set(facts.undated.seqs) if len(facts.undated) else ()
    return facts.rows.duplicated + facts.undated.duplicated + len(both)


def _absent(facts: SpoolFacts, hole: tuple[int, int], due: int) -> Iterator[tuple[State, str, int, int]]:
    """Numbers that the database has not, in ranges of one state and reason."""
    ledger, left = facts.ledger, Intervals([hole])
    for reason, numbers in ledger.lost.items():
        yield from (("lost", reason, *each) for each in _take(left, numbers))
    for reason, numbers in ledger.parked.items():
        parked = Intervals(_take(left, numbers))
        yield from (("parked", reason, *each) for each in _take(parked, facts.parked))
        yield from (("lost", DROPPED, *each) for each in _take(parked, facts.dropped))
        yield from (("missing", NOT_IN_PARKED, *each) for each in parked.ranges())
    yield from (("missing", NOT_IN_DATABASE, *each) for each in _take(left, ledger.settled))
    yield from (("not-yet-due", UNDATED, *each) for each in _take(left, ledger.waits))
    yield from (("missing", NOT_ARRIVED, *each) for each in _take(left, Intervals([(0, max(0, due))])))
    yield from (("not-yet-due", "", *each) for each in left.ranges())


def _take(left: Intervals, numbers: Intervals) -> Sequence[tuple[int, int]]:
    """Those of `left` that are in `numbers`, taken out of it."""
    found = []
    for first, last in left.ranges():
        start = first
        for hole_first, hole_last in numbers.missing(first, last):
            if start < hole_first:
                found.append((start, hole_first - 1))
            start = hole_last + 1
        if start <= last:
            found.append((start, last))
    for first, last in found:
        left.remove(first, last)
    return found


def _with_times(rows: Times, state: State, reason: str, first: int, last: int) -> Range:
    if state == "stored":
        return Range(state, reason, first, last, rows.after(first - 1), rows.before(last + 1))
    return Range(state, reason, first, last, rows.before(first), rows.after(last))
