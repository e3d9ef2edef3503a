"""What a spool tells at the start: which times were decided, what the clock was worth, how far times have come."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gateway.edge.device_times import DeviceTimes, series
from gateway.spool.spool import Spool
from gateway.wire.dating import DECISION_NOTE, TRUST_NOTE, UNDECIDED, Decision, Decisions, Trust, unpack_note
from gateway.wire.entry import Entry, unpack

log = logging.getLogger(__name__)

TAIL_NUMBERS = 5000
NOTE_EVERY_MS = 10_000
"""How often a process notes its times; what was settled everywhere is gone from the spool and cannot tell them."""


@dataclass(slots=True)
class Past:
    """As of one boot, `here`. The times are those of the last 5000 entries, and those the last process noted."""

    decisions: Decisions
    times: DeviceTimes
    trust: Trust | None
    """The last note about the clock."""
    given_up: int
    """How many *never* were decided in this boot since its clock was last trusted."""
    may_wait: bool
    """Entries of this boot may wait for a decision."""
    may_be_old: bool
    """The same of entries of other boots."""


def read_past(spool: Spool, here: str) -> Past:
    """What the spool holds, for a process of boot `here`. Blocking."""
    past = Past(Decisions(), DeviceTimes(), None, 0, False, False)
    for kind, data in spool.notes():
        try:
            if kind == DECISION_NOTE:
                _decided(past, unpack_note(Decision, data), here)
            elif kind == TRUST_NOTE:
                past.trust = unpack_note(Trust, data)
        except ValueError as error:
            log.warning("the spool holds a note that is %s", error)
    if past.trust is not None:
        # In the same boot the clock itself has gone on; in another one it may have gone back.
        unknown_ms = 0 if past.trust.is_last or past.trust.boot == here else NOTE_EVERY_MS
        for name, at_ms in past.trust.times.items():
            past.times.learn(name, at_ms + unknown_ms)
    _look_back(past, spool, here)
    return past


def _decided(past: Past, decision: Decision, here: str) -> None:
    past.decisions.add(decision)
    if decision.boot == here and not decision.others:
        past.given_up = past.given_up + 1 if decision.offset_ms is None else 0


def _look_back(past: Past, spool: Spool, here: str) -> None:
    tail = _tail(spool)
    earliest: int | None = None
    for seq, entry in tail:
        at_ms = past.decisions.at_ms(seq, entry)
        if at_ms is UNDECIDED:
            past.may_wait |= entry.boot == here
            past.may_be_old |= entry.boot != here
        if entry.is_past:  # its time says nothing of those that follow
            continue
        if isinstance(at_ms, int):
            earliest = at_ms if earliest is None else min(at_ms, earliest)
        name = series(entry.device, entry.event)
        past.times.learn(name, at_ms if isinstance(at_ms, int) else entry.least_ms)
        if entry.boot == here:
            past.times.learn_mono(name, entry.mono_ms)
    if earliest is not None:
        past.times.learn_unseen(earliest)
    if tail and tail[0][0] > spool.first:  # what is before the tail was not looked at
        past.may_wait |= tail[0][1].boot == here and past.decisions.upto(here) < tail[0][0]
        past.may_be_old |= past.decisions.ended(here) == 0


def _tail(spool: Spool) -> list[tuple[int, Entry]]:
    first, last = max(spool.first, spool.committed - TAIL_NUMBERS + 1), spool.committed
    tail = []
    while first <= last and (found := spool.read(first, last)):
        for seq, data in found:
            try:
                tail.append((seq, unpack(data)))
            except ValueError:
                log.warning("entry %d of the spool cannot be read", seq)
        first = found[-1][0] + 1
    return tail
