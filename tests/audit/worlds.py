"""Made-up nodes: what really became of each number, and what ledger, parked store and database say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from gateway.audit.facts import About, LedgerSpool, Row, SpoolFacts, StateChange, Times
from gateway.spool.intervals import Intervals

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
SPOOL = "9f3c71aa"

# fate → state and reason in the audit, given that the number is due
FATES = {
    "stored": ("stored", ""),
    "unsettled": ("stored", ""),  # in the database, and the ledger has not heard yet
    "deleted": ("missing", "not-in-database"),
    "lost": ("lost", "spool bound"),
    "old": ("lost", "before this ledger"),
    "parked": ("parked", "future"),
    "dropped": ("lost", "dropped by a person"),
    "vanished": ("missing", "not-in-parked-store"),
    "absent": ("missing", "not-arrived"),
}
IN_DATABASE = ("stored", "unsettled")


@dataclass
class World:
    """One spool: fate and time of number n are at index n - 1. The ledger knows numbers up to `announced` too."""

    fates: list[str]
    times: list[int]
    announced: int = 0
    ledger: LedgerSpool = field(default_factory=LedgerSpool)

    def __post_init__(self) -> None:
        said = self.ledger
        said.horizon = max(self.announced, 0)
        for number, fate in enumerate(self.fates, 1):
            if fate in ("unsettled", "absent"):
                continue
            said.settled.add(number)
            said.horizon = max(said.horizon, number)
            if fate in ("lost", "old"):
                said.lost.setdefault(FATES[fate][1], Intervals()).add(number)
            elif fate in ("parked", "dropped", "vanished"):
                said.parked.setdefault("future", Intervals()).add(number)

    def having(self, *fates: str) -> Intervals:
        """The numbers of these fates."""
        return Intervals((number, number) for number, fate in enumerate(self.fates, 1) if fate in fates)

    def pairs(self) -> list[tuple[int, int]]:
        """What the database has."""
        return [(number, self.times[number - 1]) for number, fate in enumerate(self.fates, 1) if fate in IN_DATABASE]

    def facts(self) -> SpoolFacts:
        """All of it, as the account wants it."""
        return SpoolFacts(
            SPOOL, self.ledger, Times(self.pairs()), parked=self.having("parked"), dropped=self.having("dropped")
        )


class FakeDatabase:
    """A database of worlds by spool; remembers what it was asked for."""

    name = "fake"

    def __init__(self, worlds: dict[str, World], kept_from: int = 0) -> None:
        self.worlds, self.kept = worlds, kept_from
        self.asked: list[tuple[int, int]] = []
        self.changes: list[StateChange] = []
        self.about: list[About] = []
        self.health: dict[str, int] = {}
        self.in_air: dict[str, int] = {}

    def kept_from(self, now_at: int) -> int:
        return self.kept

    def nodes(self, from_at: int, to_at: int) -> set[str]:
        return {"n"}

    def rows(self, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        self.asked.append((from_at, to_at))
        for spool, world in self.worlds.items():
            for seq, at in world.pairs():
                if from_at <= at < to_at:
                    yield Row(spool, seq, at, "air", "pms", "reading")

    def lost_in_air(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        return self.in_air

    def states(self, node: str, from_at: int, to_at: int) -> list[StateChange]:
        return self.changes

    def abouts(self, node: str, to_at: int) -> list[About]:
        return self.about

    def heard(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        return dict(self.health)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to forty numbers, seconds to weeks apart, of any fate; beyond them some that are only announced."""
    fates = draw(st.lists(st.sampled_from(sorted(FATES)), max_size=40))
    steps = draw(
        st.lists(st.sampled_from([SECOND, 60 * SECOND, HOUR, 50 * HOUR, 900 * HOUR]), min_size=40, max_size=40)
    )
    times, at = [], 1_000_000 * HOUR // 3
    for step in steps[: len(fates)]:
        at += step
        times.append(at)
    return World(fates, times, draw(st.integers(0, 50)))
