"""What the spool's numbers are called on the wire, where a number given to a reading stays that reading's for ever.

A card that is put back from an old image, or that lied about what it kept, counts on from numbers the backbone has seen
before. From there on its readings get another spool id and numbers from 1: an era begins. The log itself goes on.

    in the spool     1 … 1234  | 1235 …
    on the wire      9f3c71aa  | 4be1d200
                     1 … 1234  | 1 …

Kept as the newest note of kind ERAS, JSON: {"eras": [[id, number before its first], …], "unchecked": number or null,
"ledgers": {outlet: id of the ledger it last heard}}.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.spool.spool import Spool
from gateway.spool.state import LATEST

ERAS = 0x4552
MAX_ERAS = 16


@dataclass(frozen=True, slots=True)
class Era:
    """The spool's numbers above `base`, up to `end` (None: it goes on), are published as `id`, 1, 2, …"""

    id: str
    base: int
    end: int | None

    @property
    def count(self) -> int | None:
        """How many numbers it has; None while it goes on."""
        return None if self.end is None else self.end - self.base

    def overlap(self, first: int, last: int) -> tuple[int, int] | None:
        """The part of the spool's numbers `first` … `last` that belongs to it, in the spool's numbers."""
        first, last = max(first, self.base + 1), last if self.end is None else min(last, self.end)
        return (first, last) if first <= last else None


class Eras:
    """The eras of one spool. Changes are durable with the spool's next commit; `flush` it before publishing."""

    def __init__(self, spool: Spool, new_id: Callable[[], str] = lambda: secrets.token_hex(4)) -> None:
        self._spool, self._new_id = spool, new_id
        self._starts: list[tuple[str, int]] = [(spool.id, 0)]
        self._ledgers: dict[str, str] = {}
        self.unchecked: int | None = None if spool.opened.is_new else spool.next
        """From this number on nobody has asked the backbone yet whether it knows them from another life of this card:
        they must not be published. Kept over restarts; None once it was asked in this run, or for a new spool."""
        for kind, data in spool.notes():
            if kind == ERAS:
                self._read(data)
        if not spool.opened.is_new:
            self._save()

    def _read(self, data: bytes) -> None:
        said = json.loads(data)
        self._starts = [(str(id_), int(base)) for id_, base in said["eras"]]
        self._ledgers = {str(outlet): str(ledger) for outlet, ledger in said["ledgers"].items()}
        if said["unchecked"] is not None:
            self.unchecked = int(said["unchecked"])

    def _save(self) -> None:
        said = {"eras": self._starts, "unchecked": self.unchecked, "ledgers": self._ledgers}
        self._spool.note(ERAS, json.dumps(said, separators=(",", ":")).encode(), LATEST)

    def all(self) -> list[Era]:
        """Oldest first; the last one goes on."""
        ends = [base for _, base in self._starts[1:]]
        return [Era(id_, base, end) for (id_, base), end in zip(self._starts, [*ends, None], strict=True)]

    def of(self, number: int) -> Era:
        """The era of a number."""
        return next((era for era in self.all() if era.overlap(number, number)), self.all()[0])

    @property
    def unnamed(self) -> int:
        """Numbers up to this one belonged to eras that are forgotten: they must not be sent any more."""
        return self._starts[0][1]

    @property
    def current(self) -> Era:
        """The one that goes on."""
        return self.all()[-1]

    def called(self, id_: str) -> Era | None:
        """The era of that id."""
        return next((era for era in self.all() if era.id == id_), None)

    def names(self, first: int, last: int) -> list[tuple[str, int, int]]:
        """The numbers `first` … `last` as they are called on the wire: (id, first, last) of each era they touch."""
        parts = ((era, era.overlap(first, last)) for era in self.all())
        return [(era.id, part[0] - era.base, part[1] - era.base) for era, part in parts if part is not None]

    def held(self) -> dict[str, tuple[int, int]]:
        """(first, next) on the wire of every era: what the spool holds of it, without what may not be published yet."""
        following = self._spool.committed + 1
        if self.unchecked is not None:
            following = min(following, self.unchecked)
        found = {}
        for era in self.all():
            top = following if era.end is None else min(following, era.end + 1)
            first = min(max(self._spool.first, era.base + 1), max(top, era.base + 1))
            found[era.id] = (first - era.base, max(top, first) - era.base)
        return found

    def checked(self) -> None:
        """The backbone does not know what is unchecked; from now on, in this run, every number may be published."""
        if self.unchecked is not None:
            self.unchecked = None
            self._save()

    def begin(self, first: int) -> tuple[str, str] | None:
        """Numbers from `first` on get a new id; returns the old id and the new one.

        Where there are 16 eras already the oldest is forgotten if all its numbers are settled; else None, and nothing
        happens: somebody plays with the backbone's word.
        """
        old = self._starts[-1][0]
        starts = [(id_, base) for id_, base in self._starts if base < first - 1]
        while len(starts) >= MAX_ERAS and self._spool.is_settled(starts[1][1]):
            del starts[0]
        if len(starts) >= MAX_ERAS:
            return None
        new = self._new_id()
        self._starts = [*starts, (new, first - 1)]
        self.unchecked = None
        self._save()
        return old, new

    def drop(self, id_: str) -> None:
        """Forget an era that has ended, of which the spool holds nothing and nobody asks for anything any more."""
        self._starts = [each for each in self._starts[:-1] if each[0] != id_] + self._starts[-1:]
        self._save()

    def ledger(self, outlet: str) -> str | None:
        """The id of the ledger that this outlet heard last."""
        return self._ledgers.get(outlet)

    def heard(self, outlet: str, ledger: str) -> None:
        """The outlet heard this ledger."""
        if self._ledgers.get(outlet) != ledger:
            self._ledgers[outlet] = ledger[:64]
            self._save()
