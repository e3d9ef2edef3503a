"""What the ledger knows of one spool, and what of it is overdue."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.spool.intervals import Intervals
from gateway.wire.times import SECOND

MISSING_BOUND = 64
"""Most missing ranges that are told at once, oldest first."""


@dataclass(slots=True)
class SpoolRecord:
    """One spool. Numbers up to `seen` were known to exist at `seen_at`; holes up to `due` are overdue.

    `gone` are overdue without waiting; it is not kept over restarts, after which they wait like others.
    """

    settled: Intervals = field(default_factory=Intervals)
    next: int = 1
    is_announced: bool = False
    due: int = 0
    seen: int = 0
    seen_at: int = 0
    gone_at: int | None = None
    is_closed: bool = False
    exceptions: dict[tuple[str, str], Intervals] = field(default_factory=dict)
    gone: Intervals = field(default_factory=Intervals)

    @property
    def horizon(self) -> int:
        """The highest number known to exist."""
        ranges = self.settled.ranges()
        return max(self.next - 1, ranges[-1][1] if ranges else 0)

    def age(self, at: int, grace_s: float) -> bool:
        """Holes come of age within once or twice the grace period; True where that moved a mark."""
        # Two marks instead of a history: what was seen one grace period ago is due now.
        if 0 <= at - self.seen_at < grace_s * SECOND:
            return False
        if at >= self.seen_at:
            self.due = self.seen
        self.seen, self.seen_at = self.horizon, at
        return True

    def missing(self) -> list[tuple[int, int]]:
        """The oldest ranges that are overdue."""
        overdue = self.settled.missing(1, self.due, MISSING_BOUND)
        if not self.gone:
            return overdue
        self.gone = Intervals(hole for first, last in self.gone.ranges() for hole in self.settled.missing(first, last))
        return Intervals([*overdue, *self.gone.ranges()]).ranges()[:MISSING_BOUND]
