"""Entries of a spool as asked for: decoded, named and dated as on the wire, chosen by time, device and number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.spool.eras import ERAS, Era
from gateway.spool.inspect import Look
from gateway.spool.intervals import Intervals
from gateway.wire.dating import DECISION_NOTE, Decision, Decisions, Undecided, unpack_note
from gateway.wire.entry import Entry, unpack
from gateway.wire.times import MS, format_time

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; `from_at` and `to_at` in ns, None for no limit; `numbers` inclusive, as the spool counts."""

    from_at: int | None = None
    to_at: int | None = None
    devices: frozenset[str] = frozenset()
    numbers: Ranges | None = None

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self == Wish()


@dataclass(frozen=True, slots=True)
class Item:
    """An entry with its number in the file, and its name on the wire: `spool` and `seq`.

    `at_ms` is the time it is published under, None for never; `is_decided` False where that is still open.
    """

    number: int
    spool: str
    seq: int
    entry: Entry
    at_ms: int | None
    is_decided: bool

    @property
    def t(self) -> str | None:
        """The published time as text, None where it has none."""
        return format_time(self.at_ms * MS) if self.at_ms is not None else None

    @property
    def about_at(self) -> int:
        """The best that is known of when it was, ns: its time, or what the clock said."""
        return (self.at_ms if self.at_ms is not None else self.entry.at_ms) * MS


Items = Iterable[Item]


@dataclass(slots=True)
class Tally:
    """What a reading of the spool met: entries given, and records that are no entries of ours."""

    given: int = 0
    foreign: int = 0


class Names:
    """What the numbers of a spool are called on the wire, and under which times; from the notes in it."""

    def __init__(self, spool: Look) -> None:
        self._decisions = Decisions()
        starts: list[tuple[str, int]] = [(spool.spool_id, 0)]
        for _, note in sorted(spool.state.notes.items()):
            if note.kind == ERAS:
                starts = [(str(name), int(base)) for name, base in json.loads(note.data)["eras"]]
            elif note.kind == DECISION_NOTE:
                self._decisions.add(unpack_note(Decision, note.data))
        ends = [base for _, base in starts[1:]]
        self.eras = [Era(name, base, end) for (name, base), end in zip(starts, [*ends, None], strict=True)]

    def item(self, number: int, entry: Entry) -> Item:
        """The entry with its name and time."""
        era = next((era for era in self.eras if era.overlap(number, number)), self.eras[0])
        at_ms = self._decisions.at_ms(number, entry)
        if isinstance(at_ms, Undecided):
            return Item(number, era.id, number - era.base, entry, None, False)
        return Item(number, era.id, number - era.base, entry, at_ms, True)

    def numbers(self, name: str | None, seqs: Ranges) -> Ranges | None:
        """The spool's numbers of what is called `seqs` of spool `name` (None: the newest); None for an unknown name."""
        era = self.eras[-1] if name is None else next((era for era in self.eras if era.id == name), None)
        if era is None:
            return None
        found = [(first + era.base, last + era.base) for first, last in seqs]
        return tuple((first, last if era.end is None else min(last, era.end)) for first, last in found)


def entries(spool: Look, wish: Wish, tally: Tally) -> Iterator[Item]:
    """The entries wished for, ascending by number. Blocking; raises OSError."""
    names = Names(spool)
    spans = wish.numbers if wish.numbers is not None else ((spool.first, spool.next - 1),)
    for first, last in spans:
        for number, data in spool.entries(first, last):
            try:
                item = names.item(number, unpack(data))
            except ValueError:
                tally.foreign += 1
                continue
            if _fits(item, wish):
                tally.given += 1
                yield item


def _fits(item: Item, wish: Wish) -> bool:
    if wish.devices and item.entry.device not in wish.devices:
        return False
    at = item.about_at
    return (wish.from_at is None or at >= wish.from_at) and (wish.to_at is None or at < wish.to_at)


def parse_numbers(text: str) -> Ranges:
    """Ranges of `5,8-12`, sorted and merged. Raises ValueError."""
    found = Intervals()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isascii() and first.isdigit()) or (dash and not (last.isascii() and last.isdigit())):
            raise ValueError(text)
        found.add(max(1, int(first)), int(last or first))
    return tuple(found.ranges())
