"""What ledger, parked store and database say, as plain values. Times are ns since the epoch, ranges inclusive."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Literal, NamedTuple, Protocol

from gateway.audit.descriptions import Description
from gateway.spool.intervals import Intervals

Kind = Literal["reading", "event", "undated"]


class Row(NamedTuple):
    """A number as the database has it. `at` of an undated reading is about when it arrived."""

    spool: str
    seq: int
    at: int
    device_class: str
    device: str
    kind: Kind


class StateChange(NamedTuple):
    """A device's state from `at` on; `before` None says that its node has just started."""

    device: str
    at: int
    state: str
    before: str | None


class About(NamedTuple):
    """From `at` on a device reports every `period_s` seconds; 0: in no fixed rhythm."""

    device: str
    device_class: str
    at: int
    period_s: float


class Database(Protocol):
    """Questions to a database, all blocking; everything may raise gateway.ingest.sinks.base.Unavailable."""

    name: str

    def kept_from(self, now_at: int) -> int:
        """Before this time things were removed on purpose; 0 where nothing ever was."""
        ...

    def nodes(self, from_at: int, to_at: int) -> set[str]:
        """Nodes of which there is anything; more than those of the time do no harm."""
        ...

    def rows(self, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        """Everything numbered of a node with `from_at` <= at < `to_at`, in any order."""
        ...

    def states(self, node: str, from_at: int, to_at: int) -> list[StateChange]:
        """Changes in that time, and the last one before it, of each device; in any order."""
        ...

    def lost_in_air(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """By device, the radio uplinks that no receiver heard, as the device's own counter tells."""
        ...

    def abouts(self, node: str, to_at: int) -> list[About]:
        """All that was said before `to_at`."""
        ...

    def descriptions(self, name: str, to_at: int) -> list[Description]:
        """All that was said before `to_at` of the devices of that name, or of the node of that name."""
        ...

    def heard(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """When the node's health last named each device, "" for the node itself."""
        ...


class Times:
    """Numbers with their times, ascending by number: 16 bytes each. One number has one time, the earliest told."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.seqs, self.ats = array("q"), array("q")
        self._others: set[tuple[int, int]] = set()
        self.add(pairs)

    @property
    def duplicated(self) -> int:
        """How many further times numbers have: such a reading stands in the database more than once."""
        return len(self._others)

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """More of them; the same pair again changes nothing."""
        fresh = sorted(set(pairs))
        if not fresh:
            return
        found: Iterable[tuple[int, int]] = fresh
        if self.seqs and fresh[0][0] <= self.seqs[-1]:
            found = merge(zip(self.seqs, self.ats, strict=True), fresh)
            self.seqs, self.ats = array("q"), array("q")
        for seq, at in found:
            if not self.seqs or self.seqs[-1] != seq:
                self.seqs.append(seq)
                self.ats.append(at)
            elif self.ats[-1] != at:
                self._others.add((seq, at))

    def __len__(self) -> int:
        return len(self.seqs)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.seqs, self.ats, strict=True)

    def before(self, seq: int) -> int | None:
        """The time of the nearest lower number."""
        at = bisect_left(self.seqs, seq)
        return self.ats[at - 1] if at else None

    def after(self, seq: int) -> int | None:
        """The time of the nearest higher number."""
        at = bisect_right(self.seqs, seq)
        return self.ats[at] if at < len(self.seqs) else None


@dataclass(slots=True)
class LedgerSpool:
    """What the ledger says of a spool. Numbers up to `horizon` exist; holes up to `due` are overdue.

    `lost` and `parked` are settled numbers by reason; what is settled and in neither is stored, it says. `waits`: by
    their node's latest word they have no time yet.
    """

    settled: Intervals = field(default_factory=Intervals)
    horizon: int = 0
    due: int = 0
    gone_at: int | None = None
    lost: dict[str, Intervals] = field(default_factory=dict)
    parked: dict[str, Intervals] = field(default_factory=dict)
    waits: Intervals = field(default_factory=Intervals)


@dataclass(slots=True)
class SpoolFacts:
    """All that is known of one spool of one node.

    `rows`: what the database has, dated, within the window and around it: at least the nearest number on either side,
    where there is one. `undated`: what it has without a time. `is_cut`: older ones may have been removed on purpose.
    """

    spool: str
    ledger: LedgerSpool = field(default_factory=LedgerSpool)
    rows: Times = field(default_factory=Times)
    undated: Times = field(default_factory=Times)
    parked: Intervals = field(default_factory=Intervals)
    dropped: Intervals = field(default_factory=Intervals)
    is_cut: bool = False

    @property
    def times(self) -> Times:
        """What tells when its numbers were: those with a time, or where there are none, those without."""
        return self.rows if len(self.rows) else self.undated


@dataclass(slots=True)
class DeviceFacts:
    """All that is known of one device. `times` of its readings, and of its `events`, ascending, with some around."""

    device: str
    device_class: str = ""
    times: Sequence[int] = ()
    events: Sequence[int] = ()
    states: list[StateChange] = field(default_factory=list)
    periods: list[tuple[int, float]] = field(default_factory=list)
    """(at, seconds), ascending."""
    removed_at: int | None = None
    lost_in_air: int = 0
