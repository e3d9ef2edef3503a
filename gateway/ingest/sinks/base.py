"""What a sink is: a place where readings come to rest, behind seven calls. All of them block; one thread calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.ingest.points import Note, Point
from gateway.spool.intervals import Intervals


class Unavailable(Exception):
    """The sink cannot take anything now; nothing of the batch may be counted as stored, and writing it again is safe.

    `retry_after_s` is the sink's own wish. `needs_person` is true for what waiting alone does not cure (a token, a
    bucket, a damaged file): it is tried slowly and reported.
    """

    def __init__(self, why: str, *, retry_after_s: float | None = None, needs_person: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after_s = retry_after_s
        self.needs_person = needs_person


@dataclass(frozen=True, slots=True)
class Rejection:
    """One point of a batch that the sink refused for good: its index there, and the sink's own words."""

    index: int
    why: str


class Span(NamedTuple):
    """Where numbered points lie: a measurement of a node, and the first and last time (ns, as stored)."""

    measurement: str
    node: str
    first_at: int
    last_at: int


Held = dict[tuple[str, str], Intervals]
"""Numbers by node and spool."""


class Sink(Protocol):
    """Writing the same point twice changes nothing. Everything may raise Unavailable."""

    name: str

    @property
    def durable_after_s(self) -> float:
        """How long after its yes `confirm` can tell whether a batch survived; 0: the yes itself is durable."""
        ...

    def mark(self) -> str | None:
        """Names the present life of the database, before a batch is written; None where it cannot be told."""
        ...

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        """Stores all points but those returned."""
        ...

    def confirm(self, mark: str | None, last: Point | Note) -> bool:
        """True when the batch that was written after `mark` and ended with `last` is durably stored."""
        ...

    def held(self, spans: Sequence[Span]) -> Held | None:
        """All numbers that are there within these spans, and perhaps more; None where this sink cannot tell."""
        ...

    def count(self, node: str, device: str, from_at: int, to_at: int) -> int:
        """How many dated readings of a device are stored with `from_at` <= t < `to_at` (ns, whole milliseconds)."""
        ...

    def close(self) -> None:
        """Gives back files and connections."""
        ...
