"""What the spool knows beside its entries: sets that only grow, and notes. Each change is one small record.

Because everything here is a union, records may be applied twice and in any order; see gateway.spool.records. Two things
take back what was said, and keep that property: a later round of an outlet (`main#2` after `main#1`) replaces what the
earlier ones settled, and of the notes made with LATEST the newest of each kind is the only one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.spool.intervals import Intervals, IntervalsView
from gateway.spool.records import GONE, LOSS, NOTE, SETTLED, SNAPSHOT, Control

_NOTE_HEAD = struct.Struct("<HQ")
_COUNT = struct.Struct("<I")
_RANGES_PER_RECORD = 2000
MAX_NOTE = 4096
MAX_NOTES_BYTES = 256 << 10
FOREVER = 0
LATEST = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something a caller wants to find again: kept until number `until` is gone, FOREVER, or until a newer of its kind
    (LATEST)."""

    kind: int
    until: int
    data: bytes


@dataclass(slots=True)
class State:
    """Numbers settled per outlet, lost per reason, gone (settled everywhere and removed); notes by their id.

    `rounds` says for an outlet that began again how often it did; its settled numbers are those of the last round.
    """

    settled: dict[str, Intervals] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    losses: dict[str, Intervals] = field(default_factory=dict)
    gone: Intervals = field(default_factory=Intervals)
    notes: dict[int, Note] = field(default_factory=dict)

    def apply(self, kind: int, number: int, data: bytes) -> None:
        """Take up a record. ValueError where its data is not what the kind says."""
        if kind in (SETTLED, LOSS):
            name = str(data[1 : 1 + data[0]], "utf-8") if data else ""
            numbers = Intervals.decode(data[1 + len(name.encode()) :])
            if kind == SETTLED:
                outlet, _, round_ = name.partition("#")
                self.settle(outlet, numbers, int(round_ or 0))
            else:
                add_to(self.losses, name, numbers)
        elif kind == GONE:
            self.gone.update(Intervals.decode(data))
        elif kind == NOTE:
            if len(data) < _NOTE_HEAD.size:
                raise ValueError("note: cut off")
            note_kind, until = _NOTE_HEAD.unpack_from(data)
            self._add_note(number, Note(note_kind, until, data[_NOTE_HEAD.size :]))

    def settle(self, outlet: str, numbers: IntervalsView, round_: int) -> None:
        """These numbers were settled in that round of the outlet."""
        present = self.rounds.get(outlet, 0)
        if round_ > present:
            self.rounds[outlet] = round_
            self.settled[outlet] = numbers.copy()
        elif round_ == present:
            add_to(self.settled, outlet, numbers)

    def _add_note(self, number: int, note: Note) -> None:
        if note.until == LATEST:
            rivals = [each for each, held in self.notes.items() if held.kind == note.kind and held.until == LATEST]
            if any(each > number for each in rivals):
                return
            for each in rivals:
                del self.notes[each]
        self.notes[number] = note

    def controls(self, next_number: int) -> Iterator[Control]:
        """Records that say all of this."""
        for name, numbers in self.settled.items():
            round_ = self.rounds.get(name, 0)
            yield from _named(SETTLED, f"{name}#{round_}" if round_ else name, numbers, next_number)
        for name, numbers in self.losses.items():
            yield from _named(LOSS, name, numbers, next_number)
        for part in _parts(self.gone):
            yield Control(GONE, next_number, part.encode())
        for number, note in self.notes.items():
            yield Control(NOTE, number, _NOTE_HEAD.pack(note.kind, note.until) + note.data)

    def snapshot(self, next_number: int) -> list[Control]:
        """The records a segment begins with: all of this and its end mark."""
        controls = list(self.controls(next_number))
        return [*controls, Control(SNAPSHOT, next_number, _COUNT.pack(len(controls)))]

    def absorb(self, change: State) -> None:
        """Add everything `change` says."""
        for name, numbers in change.settled.items():
            self.settle(name, numbers, change.rounds.get(name, 0))
        for name, numbers in change.losses.items():
            add_to(self.losses, name, numbers)
        self.gone.update(change.gone)
        for number, note in change.notes.items():
            self._add_note(number, note)

    def is_lost(self, number: int) -> bool:
        """True where the number was declared lost for any reason."""
        return any(number in numbers for numbers in self.losses.values())

    def lost(self) -> Intervals:
        """All lost numbers, whatever the reason."""
        found = Intervals()
        for numbers in self.losses.values():
            found.update(numbers)
        return found

    def owed(self, outlets: Sequence[str], first: int, last: int) -> list[tuple[int, int]]:
        """The ranges of `first` … `last` that some outlet still waits for: not lost, gone or settled everywhere."""
        if last < first:
            return []
        owed = Intervals()
        for outlet in outlets:
            for hole in self.settled.get(outlet, Intervals()).missing(first, last):
                owed.add(*hole)
        if not outlets:
            owed.add(first, last)
        for numbers in (self.gone, *self.losses.values()):
            for start, end in overlap(numbers, first, last):
                owed.remove(start, end)
        return owed.ranges()

    def is_empty(self) -> bool:
        """True where there is nothing to write."""
        return not (self.settled or self.losses or self.gone or self.notes)

    def retire_notes(self, first: int) -> None:
        """Forget the notes that concern only numbers below `first`."""
        for number in [number for number, note in self.notes.items() if FOREVER < note.until < first]:
            del self.notes[number]

    def notes_bytes(self) -> int:
        """How much the notes take."""
        return sum(len(note.data) + _NOTE_HEAD.size for note in self.notes.values())


def add_to(sets: dict[str, Intervals], name: str, numbers: IntervalsView) -> None:
    """Add `numbers` to the set of that name."""
    sets.setdefault(name, Intervals()).update(numbers)


def overlap(numbers: IntervalsView, first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of `first` … `last` that are in the set."""
    found, start = [], first
    for hole_first, hole_last in numbers.missing(first, last):
        if start < hole_first:
            found.append((start, hole_first - 1))
        start = hole_last + 1
    if start <= last:
        found.append((start, last))
    return found


def snapshot_size(data: bytes) -> int:
    """How many records belong to the snapshot that this SNAPSHOT record ends; negative where it is malformed."""
    return _COUNT.unpack(data)[0] if len(data) == _COUNT.size else -1


def _named(kind: int, name: str, numbers: Intervals, next_number: int) -> Iterator[Control]:
    head = bytes([len(name.encode())]) + name.encode()
    for part in list(_parts(numbers)) or [numbers]:  # an empty one may begin a round
        yield Control(kind, next_number, head + part.encode())


def _parts(numbers: Intervals) -> Iterator[Intervals]:
    # A record holds 64 KiB; a very ragged set takes several.
    ranges = numbers.ranges()
    for at in range(0, len(ranges), _RANGES_PER_RECORD):
        yield Intervals(ranges[at : at + _RANGES_PER_RECORD])
