"""What the spool knows in memory, and what of it the disk does not know yet."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.spool.intervals import Intervals
from gateway.spool.segments import OPEN_END
from gateway.spool.state import Note, State, add_to

HELD = 0x484C
"""The kind of the note that keeps `Books.held_from` over restarts."""


class Books:
    """The state, the change since the last commit took it, and the losses that are durable."""

    def __init__(self, state: State, change: State, outlets: Sequence[str]) -> None:
        self.state = state
        self.outlets = tuple(outlets)
        self.declared = {reason: numbers.copy() for reason, numbers in state.losses.items()}
        for reason, numbers in change.losses.items():
            for first, last in numbers.ranges():
                self.declared[reason].remove(first, last)
        for outlet in outlets:
            state.settled.setdefault(outlet, Intervals())
        for outlet in set(state.settled) - set(outlets):
            del state.settled[outlet]  # an outlet that is no more holds nothing back
        self.touched: list[tuple[int, int]] = []
        """Ranges settled or lost since somebody looked which segments nobody waits for any more."""
        notes = [note.data for _, note in sorted(state.notes.items()) if note.kind == HELD]
        self.held_from = int.from_bytes(notes[-1], "little") if notes else OPEN_END
        """Segments with this number or a later one stay, settled or not."""
        self._change = change
        self.serial = 0 if change.is_empty() else 1
        """Rises with each change."""
        self.fresh_settled = 0
        """How many settled numbers the disk does not know."""
        self._next_note = 1 + max(state.notes, default=0)

    @property
    def has_change(self) -> bool:
        """True where something waits to be written."""
        return not self._change.is_empty()

    @property
    def has_urgent_change(self) -> bool:
        """True where losses or notes wait; settled and gone numbers alone may wait longer."""
        return bool(self._change.losses or self._change.notes)

    def settle(self, outlet: str, first: int, last: int) -> None:
        """These numbers are settled there."""
        settled = self.state.settled[outlet]
        before = len(settled)
        settled.add(first, last)
        if len(settled) == before:
            return
        self.fresh_settled += len(settled) - before
        self._change.settle(outlet, Intervals([(first, last)]), self.state.rounds.get(outlet, 0))
        self._touch(first, last)

    def begin_again(self, outlet: str) -> None:
        """A new round: nothing of what is still held counts as settled there any more."""
        change = State()
        change.settle(outlet, Intervals(), self.state.rounds.get(outlet, 0) + 1)
        self.absorb(change)

    def lose(self, reason: str, first: int, last: int) -> None:
        """These numbers are lost."""
        change = State()
        change.losses[reason] = Intervals([(first, last)])
        self.absorb(change)

    def absorb(self, change: State) -> None:
        """All that `change` says is so from now on."""
        if change.is_empty():
            return
        self.state.absorb(change)
        self._change.absorb(change)
        for numbers in change.losses.values():
            for first, last in numbers.ranges():
                self._touch(first, last)
        self.serial += 1

    def add_note(self, note: Note) -> int:
        """Keep a note; returns its id."""
        number, self._next_note = self._next_note, self._next_note + 1
        change = State()
        change.notes[number] = note
        self.absorb(change)
        return number

    def _touch(self, first: int, last: int) -> None:
        self.serial += 1
        if self.touched and self.touched[-1][0] <= first <= self.touched[-1][1] + 1:
            self.touched[-1] = (self.touched[-1][0], max(last, self.touched[-1][1]))
        else:
            self.touched.append((first, last))

    def take(self) -> State:
        """The change, to be written; from here on a new one is gathered."""
        change, self._change = self._change, State()
        self.fresh_settled = 0
        return change

    def give_back(self, change: State) -> None:
        """It could not be written."""
        self.fresh_settled += sum(len(numbers) for numbers in change.settled.values())
        change.absorb(self._change)
        self._change = change

    def confirm(self, change: State) -> list[tuple[str, int, int]]:
        """It is durable: the losses in it, which are declared by that."""
        found = []
        for reason, numbers in change.losses.items():
            add_to(self.declared, reason, numbers)
            found += [(reason, first, last) for first, last in numbers.ranges()]
        return found
