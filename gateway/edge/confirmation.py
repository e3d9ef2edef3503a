"""What the ledger says, and what follows: settle, send again, declare lost, or take other names.

upto rises              those numbers are settled
missing                 sent again, once the broker has had them for a while; what cannot be sent is declared lost
another ledger          everything still held is sent again; so it is when the same ledger fell back
numbers we never gave   this card has had another life: what was recorded since gets a new spool id
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Literal

from gateway.edge.unsettled import Ranges, Unsettled, without
from gateway.spool.eras import Era, Eras
from gateway.spool.errors import SpoolError
from gateway.spool.intervals import Intervals
from gateway.spool.spool import Spool
from gateway.wire.payload import SETTLED_BEFORE, SpoolSettled, Stored

log = logging.getLogger(__name__)

Confirm = Literal["stored", "broker"]
Declared = dict[str, list[tuple[int, int, str]]]

ANSWER_WITHIN_S = 2.0
SILENT_S = 300.0
RENEW_AT_MOST_EVERY_S = 60.0
MOST_MISSING = 64
MOST_DECLARED = 500
BROKERS_WORD, OTHER_LIFE = "broker's word only", "spool restored"


class Confirmation:
    """The ledger's word on one outlet. `now` is monotonic seconds; the lists are called in the loop."""

    def __init__(
        self, spool: Spool, eras: Eras, numbers: Unsettled, name: str, confirm: Confirm, now: Callable[[], float]
    ) -> None:
        self.doubt = asyncio.Event()
        """Set while the ledger knows numbers that this card never gave: `check` must be called before publishing."""
        self.resent = 0
        self.renewals = 0
        """How often numbers got other names."""
        self.heard_at: float | None = None
        self.on_event: list[Callable[[str, Mapping[str, object]], object]] = []
        self.on_change: list[Callable[[], None]] = []
        """Called when what is declared lost, or which spools are held, may have changed."""
        self._spool, self._eras, self._numbers, self._name = spool, eras, numbers, name
        self._confirm, self._now = confirm, now
        self._upto: dict[str, int] = {}
        self._missing: list[tuple[str, int, int]] = []
        """What the ledger misses and exists, by its own word, in the wire's numbers."""
        self._unsendable: Declared = {}
        self._heard = asyncio.Event()
        self._unheard_since: float | None = None
        self._was_silent = False
        self._run_first = spool.next if eras.unchecked is None else eras.unchecked
        self._renewed_at: float | None = None

    # Before anything is published.

    def connected(self) -> None:
        """A new connection: what was heard on an earlier one is no answer to this one's birth."""
        self._heard.clear()

    async def check(self) -> bool:
        """Returns when numbers may be published; True when some have other names now.

        At a start this asks whether the backbone knows more of this spool than the card does: its answer to the birth,
        or the retained one, is waited for up to 2 s.
        """
        if self._eras.unchecked is not None and not self.doubt.is_set():
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await self._heard.wait()
            except TimeoutError:
                log.info("nobody says what is stored; publishing without")
        has_new_names = self.doubt.is_set() and self._renew()
        self.doubt.clear()
        self._eras.checked()
        try:
            await self._spool.flush()
        except SpoolError as error:
            # A disk that does not write is no reason to keep what could be published: at worst it comes twice.
            log.warning("%s", error)
        return has_new_names

    def _renew(self) -> bool:
        first = self._run_first if self._eras.unchecked is None else self._eras.unchecked
        named = self._eras.begin(first)
        self._renewed_at = self._now()
        if named is None:
            log.error("the backbone denies numbers of this spool again and again; not taking another id")
            return False
        old, new = named
        log.warning("this spool was put back from an older state: what follows is spool %s, not %s", new, old)
        self._run_first = first
        self.renewals += 1
        kept = [(low, min(high, first - 1)) for low, high in self._spool.settled(self._name).ranges() if low < first]
        self._start_over()
        for low, high in kept:
            self._spool.settle(self._name, low, high)
            self._numbers.ended(low, high)
        self.tell("spool-renewed", {"old": old, "new": new})
        self._changed()
        return True

    def tell(self, event: str, data: Mapping[str, object]) -> None:
        """Raise an event of the node."""
        for told in self.on_event:
            told(event, data)

    # Hearing.

    def taken(self) -> None:
        """The broker has taken something: from now on the ledger is expected to say so."""
        if self._unheard_since is None:
            self._unheard_since = self._now()

    def is_silent(self) -> bool:
        """True where confirmation is wanted, and was not heard for 5 minutes after publishing. Logs it once."""
        since = self._unheard_since
        is_silent = self._confirm == "stored" and since is not None and self._now() - since >= SILENT_S
        if is_silent and not self._was_silent:
            log.warning("published readings are not confirmed: is an ingest with confirms = true running?")
        self._was_silent = is_silent
        return is_silent

    def hear(self, stored: Stored, *, is_news: bool) -> None:
        """The ledger's word; `is_news` where it was published just now and not retained from earlier."""
        self.heard_at, self._unheard_since = self._now(), None
        known = self._eras.ledger(self._name)
        if known is not None and known != stored.ledger:
            log.warning("another ledger (%s, was %s): everything still held is sent again", stored.ledger, known)
            self._start_over()
        self._eras.heard(self._name, stored.ledger)
        said = [(era, stored.spools[era.id]) for era in self._eras.all() if era.id in stored.spools]
        if is_news and any(each.upto < self._upto.get(era.id, 0) for era, each in said):
            log.warning("the ledger fell back to an older state: everything still held is sent again")
            self._start_over()
        self._missing, self._unsendable = [], {}
        for era, each in said:
            self._hear(era, each)
        if self._eras.current.id in stored.spools:
            # What does not speak of this spool may be older than our birth, and the answer to that is on its way.
            self._heard.set()
        self._changed()

    def review(self) -> None:
        """Now and then: what was told missing may be due by now, and the ledger does not repeat itself."""
        for id_, first, last in self._missing:
            era = self._eras.called(id_)
            if era is not None:
                self._send_again(era, first, last)
        self._changed()

    def _hear(self, era: Era, said: SpoolSettled) -> None:
        missing = [(max(1, first), last) for first, last in said.missing[:MOST_MISSING] if last >= max(1, first)]
        count = self._count(era)
        if era.end is None and max(said.upto, said.next - 1, *(last for _, last in missing), 0) > count:
            self._doubt()
        upto, before = min(said.upto, count), self._upto.get(era.id, 0)
        if upto > before:
            self._upto[era.id] = upto
            if self._confirm == "stored":
                self._spool.settle(self._name, era.base + before + 1, era.base + upto)
                self._numbers.ended(era.base + before + 1, era.base + upto)
        for first, last in missing:
            if first <= min(last, count):
                self._missing.append((era.id, first, min(last, count)))
                self._miss(era, first, min(last, count))
                self._send_again(era, first, min(last, count))
            if era.end is not None and last > count:
                self._cannot_send(era, max(first, count + 1), last, OTHER_LIFE)
        # While the card still has its readings a new ledger may want them, under the names they had.
        if era.end is not None and upto >= count and not missing and self._spool.first > era.end:
            self._eras.drop(era.id)
            self._upto.pop(era.id, None)

    def _count(self, era: Era) -> int:
        """How many numbers of the era may be known to others."""
        if era.end is not None:
            return era.end - era.base
        last = self._spool.committed if self._eras.unchecked is None else self._eras.unchecked - 1
        return max(0, last - era.base)

    def _doubt(self) -> None:
        recently = self._renewed_at is not None and self._now() - self._renewed_at < RENEW_AT_MOST_EVERY_S
        if self._eras.unchecked is not None or not recently:
            self.doubt.set()

    def _owed(self, first: int, last: int) -> Ranges:
        return self._spool.owed(self._name, first, last)

    def _start_over(self) -> None:
        self._upto.clear()
        self._spool.begin_again(self._name)
        self._numbers.begin_again(self._spool.pending(self._name))
        if self._eras.unnamed:
            self._spool.settle(self._name, 1, self._eras.unnamed)
            self._numbers.ended(1, self._eras.unnamed)

    def _miss(self, era: Era, first: int, last: int) -> None:
        """The ledger misses these: what of them can no longer be sent must be declared."""
        low, high = first + era.base, last + era.base
        owed = self._owed(low, high)
        for start, end in without(low, high, self._with_losses(owed, low, high)):
            reason = SETTLED_BEFORE if self._confirm == "stored" else BROKERS_WORD
            self._cannot_send(era, start - era.base, end - era.base, reason)

    def _send_again(self, era: Era, first: int, last: int) -> None:
        """The ledger misses these: what of them is due is sent again."""
        if self._confirm != "stored":
            return
        for start, end in self._owed(first + era.base, last + era.base):
            again, failing = self._numbers.missing(start, end, self._now())
            self.resent += again
            for low, high in failing:
                self.tell("resend-failing", {"first": low - era.base, "last": high - era.base})

    def _with_losses(self, owed: Ranges, first: int, last: int) -> Ranges:
        """These ranges and the losses between `first` and `last`, which are declared with their own reasons."""
        found = Intervals(owed)
        for ranges in self._spool.losses.values():
            for low, high in ranges:
                if low <= last and first <= high:
                    found.add(max(low, first), min(high, last))
        return found.ranges()

    # Declaring.

    def _cannot_send(self, era: Era, first: int, last: int, reason: str) -> None:
        self._unsendable.setdefault(era.id, []).append((first, last, reason))

    def declared(self) -> Declared:
        """What this node can no longer send and the ledger has not passed, by spool: the oldest 500 ranges of each."""
        found: Declared = {id_: list(ranges) for id_, ranges in self._unsendable.items()}
        for reason, ranges in self._spool.losses.items():
            for each in ranges:
                for id_, first, last in self._eras.names(*each):
                    first = max(first, self._upto.get(id_, 0) + 1)
                    if first <= last:
                        found.setdefault(id_, []).append((first, last, reason))
        return {id_: sorted(ranges)[:MOST_DECLARED] for id_, ranges in found.items()}

    def _changed(self) -> None:
        for told in self.on_change:
            told()
