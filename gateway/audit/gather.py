"""Asking: reads of the database what a node's accounts need, and all that it has before it calls a number missing.

First the window and an hour around it. Then further back and on until each spool's numbers are framed by stored ones.
And last, where a number is missing that the ledger calls stored, everything the database has.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from gateway.audit.account import NOT_IN_DATABASE, NOT_IN_PARKED, SpoolAccount, account, bounds
from gateway.audit.facts import Database, DeviceFacts, LedgerSpool, Row, SpoolFacts
from gateway.spool.intervals import Intervals
from gateway.wire.times import SECOND

HOUR = 3600 * SECOND
WIDER = (HOUR, 24 * HOUR, 30 * 24 * HOUR, 366 * 24 * HOUR)
_AT_ONCE = 50_000
_REMOVED_AFTER = 900 * SECOND
"""A device that its node's health has not named for so long, while it named others, is not there any more."""


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch [from_at, to_at) that is asked about, now, and how long something may be under way."""

    from_at: int
    to_at: int
    now_at: int
    grace_s: float

    @property
    def due_at(self) -> int:
        """What was known at this time should be there by now."""
        return self.now_at - round(self.grace_s * SECOND)


@dataclass(slots=True)
class NodeFacts:
    """What was found of one node. `heard_until`: when its last number was taken, or its last health."""

    node: str
    spools: dict[str, SpoolFacts] = field(default_factory=dict)
    accounts: list[SpoolAccount] = field(default_factory=list)
    devices: dict[str, DeviceFacts] = field(default_factory=dict)
    heard_until: int = 0


class Gathering:
    """Asks for one node. `ledger`, `parked` and `dropped` are by spool."""

    def __init__(
        self,
        database: Database,
        node: str,
        window: Window,
        ledger: Mapping[str, LedgerSpool],
        parked: Mapping[str, Intervals],
        dropped: Mapping[str, Intervals],
    ) -> None:
        self._database, self._window = database, window
        self._kept_from = database.kept_from(window.now_at)
        self._parked, self._dropped = parked, dropped
        self._from_at = self._to_at = window.from_at
        self._readings: dict[str, array[int]] = {}
        self._events: dict[str, array[int]] = {}
        self.found = NodeFacts(node)
        for spool, said in ledger.items():
            self._facts(spool).ledger = said

    def gather(self) -> NodeFacts:
        """Everything about the node. Raises Unavailable."""
        window, found = self._window, self.found
        self._read(window.from_at - HOUR, window.to_at + HOUR)
        for wide in WIDER[1:]:
            self._read(
                window.from_at - wide if self._is_open_below() else self._from_at,
                window.to_at + wide if self._is_open_above() else self._to_at,
            )
        if self._is_open_below():
            self._read(0, self._to_at)
        for wide in WIDER[1:]:
            if not self._has_suspects():
                break
            self._read(window.from_at - wide, window.to_at + wide)
        if self._has_suspects():
            self._read(0, window.now_at + HOUR)
        found.accounts = self._accounts()
        self._add_devices()
        return found

    def _facts(self, spool: str) -> SpoolFacts:
        facts = self.found.spools.get(spool)
        if facts is None:
            facts = self.found.spools[spool] = SpoolFacts(
                spool, parked=self._parked.get(spool, Intervals()), dropped=self._dropped.get(spool, Intervals())
            )
            facts.is_cut = self._kept_from > 0
        return facts

    def _read(self, from_at: int, to_at: int) -> None:
        """Read what of [from_at, to_at) was not read before."""
        from_at, to_at = max(from_at, self._kept_from, 0), min(to_at, self._window.now_at + HOUR)
        if self._from_at == self._to_at:  # nothing was read yet
            self._take(from_at, to_at)
            self._from_at, self._to_at = from_at, max(from_at, to_at)
            return
        if from_at < self._from_at:
            self._take(from_at, self._from_at)
            self._from_at = from_at
        if to_at > self._to_at:
            self._take(self._to_at, to_at)
            self._to_at = to_at

    def _take(self, from_at: int, to_at: int) -> None:
        rows = self._database.rows(self.found.node, from_at, to_at)
        while some := list(islice(rows, _AT_ONCE)):
            self._take_some(some)

    def _take_some(self, found: list[Row]) -> None:
        rows: dict[str, list[tuple[int, int]]] = {}
        undated: dict[str, list[tuple[int, int]]] = {}
        for row in found:
            (undated if row.kind == "undated" else rows).setdefault(row.spool, []).append((row.seq, row.at))
            facts = self._device(row.device, row.device_class)
            if row.kind != "undated":
                place = self._readings if row.kind == "reading" else self._events
                place.setdefault(facts.device, array("q")).append(row.at)
                self.found.heard_until = max(self.found.heard_until, row.at)
        for spool, pairs in rows.items():
            self._facts(spool).rows.add(pairs)
        for spool, pairs in undated.items():
            self._facts(spool).undated.add(pairs)

    def _device(self, device: str, device_class: str) -> DeviceFacts:
        return self.found.devices.setdefault(device, DeviceFacts(device, device_class))

    def _concerned(self) -> list[SpoolFacts]:
        """Spools that may have numbers in the window: not those that were gone before it, unless they have some."""
        window = self._window
        return [
            each
            for each in self.found.spools.values()
            if each.ledger.gone_at is None
            or each.ledger.gone_at >= window.from_at
            or any(window.from_at <= at < window.to_at for _, at in each.times)
        ]

    def _is_open_below(self) -> bool:
        """True while it is not known with which number the window begins, and looking further back may tell."""
        if self._from_at <= max(0, self._kept_from):
            return False
        window = self._window
        return not all(bounds(each, window.from_at, window.to_at).is_begun for each in self._concerned())

    def _is_open_above(self) -> bool:
        """True while it is not known with which number the window ends, and looking further on may tell."""
        if self._to_at >= self._window.now_at:
            return False
        window = self._window
        return not all(bounds(each, window.from_at, window.to_at).is_ended for each in self._concerned())

    def _accounts(self) -> list[SpoolAccount]:
        window = self._window
        found = sorted(self._concerned(), key=lambda each: each.spool)
        return [account(each, window.from_at, window.to_at, window.due_at) for each in found]

    def _has_suspects(self) -> bool:
        """True while something is missing that the ledger calls settled: the database is asked before that is said."""
        return any(
            each.reason in (NOT_IN_DATABASE, NOT_IN_PARKED) for spool in self._accounts() for each in spool.ranges
        )

    def _add_devices(self) -> None:
        window, found, node = self._window, self.found, self.found.node
        for about in sorted(self._database.abouts(node, window.now_at), key=lambda about: about.at):
            if about.device:
                self._device(about.device, about.device_class).periods.append((about.at, about.period_s))
        for change in self._database.states(node, window.from_at, window.to_at):
            self._device(change.device, "").states.append(change)
        for device, count in self._database.lost_in_air(node, window.from_at, window.to_at).items():
            self._device(device, "").lost_in_air = count
        heard = self._database.heard(node, window.from_at, window.to_at)
        last = heard.pop("", 0)
        found.heard_until = max([found.heard_until, last, *heard.values()])
        for name, facts in found.devices.items():
            facts.times, facts.events = (_sorted(place.get(name, ())) for place in (self._readings, self._events))
            signs = [heard.get(name, 0), *facts.times[-1:], *facts.events[-1:]]
            if last and name in heard and last - max(signs) > _REMOVED_AFTER:
                facts.removed_at = max(signs)


def _sorted(times: Iterable[int]) -> array[int]:
    return array("q", sorted(set(times)))
