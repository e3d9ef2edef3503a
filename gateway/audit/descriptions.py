"""What nodes and devices were at a time: every revision of their `about` that the database has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.wire.times import SECOND


@dataclass(frozen=True, slots=True)
class Description:
    """One revision as it was told at `at` (ns); `device` is "" for a node itself. `since_at`: from when on it holds.

    `words` and `figures` are what every database keeps; `text` is what only SQLite has: names, units, steps.
    """

    node: str
    device: str
    device_class: str
    at: int
    rev: int
    since_at: int | None
    words: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    text: Mapping[str, object] = field(default_factory=dict)

    @property
    def holds_from(self) -> int:
        """It was so by then; in the beginning a node may not know since when."""
        return self.at if self.since_at is None else min(self.at, self.since_at)


def description(
    labels: Mapping[str, str], at: int, fields: Mapping[str, float], text: Mapping[str, object] | None = None
) -> Description:
    """From what a point has: its tags and fields."""
    since_s = fields.get("since_s")
    own = ("node", "device", "class")
    return Description(
        labels.get("node", ""),
        labels.get("device", ""),
        labels.get("class", ""),
        at,
        int(fields.get("rev", 0)),
        None if since_s is None else round(since_s * 1000) * (SECOND // 1000),
        {key: word for key, word in labels.items() if key not in own and word},
        {key: float(value) for key, value in fields.items() if key not in ("rev", "since_s")},
        text or {},
    )


def revisions(found: Iterable[Description]) -> list[Description]:
    """The first telling of each revision of each node and device, in the order in which they came to hold."""
    first: dict[tuple[str, str, int, int | None], Description] = {}
    for each in sorted(found, key=lambda each: each.at):
        first.setdefault((each.node, each.device, each.rev, each.since_at), each)
    return sorted(first.values(), key=lambda each: (each.node, each.device, each.holds_from, each.at))


def as_of(found: Iterable[Description], at: int) -> list[Description]:
    """What held then, of each node and device."""
    last: dict[tuple[str, str], Description] = {}
    for each in revisions(found):
        if each.holds_from <= at:
            last[each.node, each.device] = each
    return list(last.values())
