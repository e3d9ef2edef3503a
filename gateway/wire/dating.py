"""How entries get their times: by themselves, or by a decision about a range of numbers that a clock could not date.

An entry that was made while the clock was trusted bears its time. The others wait for a decision, which is a note in
the spool, durable before the first of its numbers is published and never revised:

    an offset   the clock was trusted later in the same boot: time = monotonic time + offset, at least `least_ms`
    never       the boot has ended, or nobody told the time for too long: published without a time
"""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from typing import Final, TypeVar

import msgspec

from gateway.wire.entry import Entry
from gateway.wire.times import MS, format_time

DECISION_NOTE = 0x4454
TRUST_NOTE = 0x4455


class Undecided(Enum):
    """The type of `UNDECIDED`: the entry's time is not known yet, and may become known."""

    UNDECIDED = 0


UNDECIDED: Final = Undecided.UNDECIDED


class Decision(msgspec.Struct, frozen=True, array_like=True):
    """For the undated entries `first` … `last` of `boot`; with `others`, for those of every boot but that one.

    `offset_ms` is wall time minus monotonic time; None is *never*. `last` may lie ahead of what was numbered so far.
    """

    boot: str
    first: int
    last: int
    offset_ms: int | None
    others: bool = False


class Trust(msgspec.Struct, frozen=True, array_like=True):
    """What the clock was worth when this was noted: its offset in `boot`, None where it was not trusted.

    `times` are the last that were given, ms since the epoch, by series; where `is_last`, the process gave none after.
    """

    boot: str
    offset_ms: int | None
    times: dict[str, int] = {}
    is_last: bool = False


N = TypeVar("N", Decision, Trust)

_pack = msgspec.msgpack.Encoder().encode


def pack_note(note: Decision | Trust) -> bytes:
    """The bytes of a spool's note."""
    return _pack(note)


def unpack_note(kind: type[N], data: bytes) -> N:
    """The decision or trust in a note. Raises ValueError for bytes that are none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"not a {kind.__name__.lower()}: {error}") from None


class Decisions:
    """The durable decisions of one spool. Of two about one number the earlier stands.

    Other threads may ask while one adds.
    """

    def __init__(self) -> None:
        self._firsts: dict[str, list[int]] = {}
        self._found: dict[str, list[Decision]] = {}
        self._ended: dict[str, int] = {}

    def add(self, decision: Decision) -> None:
        """Take up what has become durable, in the order it was made."""
        if decision.others:
            self._ended = self._ended | {decision.boot: max(decision.last, self.ended(decision.boot))}
            return
        first = max(decision.first, self.upto(decision.boot) + 1)
        if first <= decision.last:
            self._found.setdefault(decision.boot, []).append(decision)
            self._firsts.setdefault(decision.boot, []).append(first)

    def upto(self, boot: str) -> int:
        """The last number that is decided for entries of this boot; 0 where there is none."""
        found = self._found.get(boot)
        return found[-1].last if found else 0

    def ended(self, boot: str) -> int:
        """Up to this number all boots but this one are known to be over; 0 where that was never said."""
        return self._ended.get(boot, 0)

    def at_ms(self, seq: int, entry: Entry) -> int | Undecided | None:
        """Milliseconds since the epoch of an entry, None for never."""
        if entry.is_trusted:
            return entry.at_ms
        firsts = self._firsts.get(entry.boot)
        if firsts and seq <= self.upto(entry.boot):
            at = bisect_right(firsts, seq)
            decision = self._found[entry.boot][at - 1] if at else None
            # Decisions of a boot follow each other without a gap: what is in one was decided, and its note destroyed.
            if decision is None or seq > decision.last or decision.offset_ms is None:
                return None
            return max(entry.mono_ms + decision.offset_ms, entry.least_ms)
        if any(seq <= last for boot, last in self._ended.items() if boot != entry.boot):
            return None
        return UNDECIDED

    def time_of(self, seq: int, entry: Entry) -> str | Undecided | None:
        """The time under which an entry is published; None where it will never have one."""
        at_ms = self.at_ms(seq, entry)
        return format_time(at_ms * MS) if isinstance(at_ms, int) else at_ms
