"""Dating: which time a reading gets, when that is decided, and the notes that make a decision durable.

    trusted clock    the entry bears its time: monotonic time of its last byte + the clock's offset
    otherwise        it waits in the spool until
        the clock is trusted in the same boot      decided: that offset, for all that waits
        the node runs in another boot              decided: never
        nobody told the time for `wait_s` while    decided: never, for what waits and some numbers ahead; while this
        the node was online                        lasts, readings go out at once and are dated by their arrival

The waiting time counts only while the node is online: a node without a network gets no time, and has nobody to tell it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.edge.past import NOTE_EVERY_MS, Past
from gateway.edge.trust import WHY, Doubt, Step
from gateway.spool.errors import SpoolError
from gateway.spool.spool import Spool
from gateway.spool.state import LATEST
from gateway.wire.dating import (
    DECISION_NOTE,
    TRUST_NOTE,
    UNDECIDED,
    Decision,
    Trust,
    Undecided,
    pack_note,
)
from gateway.wire.entry import Entry
from gateway.wire.times import MS, SECOND

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LINK_SETTLES_S = 60.0
"""A network that has just come back may bring the time in a moment: give up only after so long online in a row."""
AHEAD = 100
"""Numbers ahead that a *never* covers; each further one covers so many more, so that notes stay few."""
_RETRY_S = 1.0
_TRUST_MOVED_MS = 100
_SERIES_NOTED = 80
"""As many as fit in a note."""


class Clock(Protocol):
    """The part of the clock that is needed here."""

    boot: str

    @property
    def doubt(self) -> Doubt: ...
    @property
    def steps(self) -> int: ...
    def mono_ns(self) -> int: ...
    def wall_ns(self) -> int: ...
    def offset_ns(self) -> int | None: ...
    def now(self) -> str | None: ...
    def take_steps(self) -> list[Step]: ...
    def remember(self, offset_ns: int) -> None: ...
    async def sleep_until(self, mono_ns: int) -> None: ...


class Stamp(NamedTuple):
    """The times in an entry; see gateway.wire.entry."""

    at_ms: int
    mono_ms: int
    is_trusted: bool
    least_ms: int


class Dating:
    """Dates the entries of one spool in one boot. `past` is what `read_past` found in that spool."""

    def __init__(self, spool: Spool, clock: Clock, past: Past, *, wait_s: float) -> None:
        self.undated = 0
        """Readings and events since the start that were given up: they never get a time."""
        self._spool, self._clock, self._wait_ns = spool, clock, round(wait_s * SECOND)
        self._times, self._decisions = past.times, past.decisions
        self._may_wait, self._may_be_old, self._given_up = past.may_wait, past.may_be_old, past.given_up
        self._upto, self._ended = past.decisions.upto(clock.boot), past.decisions.ended(clock.boot)
        self._promised: list[Decision] = []
        """Noted, and not durable yet."""
        self._callbacks: list[Callable[[], None]] = []
        self._has_promise = asyncio.Event()
        self._waiting = 0
        """Untrusted entries of this process that wait."""
        self._waited_ns = self._online_ns = 0
        self._doubt: Doubt | None = None
        self._looked_ns: int | None = None
        self._trust_ms: int | None = None
        """The clock's offset as it was noted last."""
        self._noted_ns, self._has_news = clock.mono_ns(), False
        if past.trust is not None and past.trust.boot == clock.boot and past.trust.offset_ms is not None:
            self._trust_ms = past.trust.offset_ms
            clock.remember(self._trust_ms * MS)
            self._times.learn_all(clock.mono_ns() // MS + self._trust_ms - 1)
        self._note_trust(self._trust_ms)

    # For who records and who publishes.

    def stamp(self, name: str, at_ns: int, mono_ns: int) -> Stamp:
        """The times of an entry of this series, made when the clocks said `at_ns`, `mono_ns`; it is appended next."""
        offset_ns = self._clock.offset_ns()
        self._has_news = True
        self._watch_trust(offset_ns)
        # What waits is decided before anything later is dated: so times keep their order.
        if offset_ns is not None and not self._settle_waiting(offset_ns):
            offset_ns = None
        mono_ms = self._times.mono(name, mono_ns // MS)
        if offset_ns is not None:
            return Stamp(self._times.date(name, (mono_ns + offset_ns) // MS), mono_ms, True, 0)
        if self._spool.next > self._upto:
            self._may_wait = True
            self._waiting += 1
        else:
            self.undated += 1
        return Stamp(at_ns // MS, mono_ms, False, self._times.least(name))

    def stamp_past(self, name: str, at_ns: int, mono_ns: int, *, has_own_time: bool) -> Stamp:
        """The times of a record from a device's own log, which need not rise: by the device's clock, or by its age.

        Without a clock of its own or of ours it waits like a reading, in a series of its own.
        """
        offset_ns = self._clock.offset_ns()
        if has_own_time:
            return Stamp(at_ns // MS, mono_ns // MS, True, 0)
        if offset_ns is not None:
            return Stamp((mono_ns + offset_ns) // MS, mono_ns // MS, True, 0)
        return self.stamp(f"{name}/past", at_ns, mono_ns)

    def time_of(self, seq: int, entry: Entry) -> str | Undecided | None:
        """The time under which an entry is published, None for never, UNDECIDED while it must wait. Any thread."""
        t = self._decisions.time_of(seq, entry)
        if t is UNDECIDED and seq > self._upto and entry.boot == self._clock.boot:
            self._may_wait = True
        elif t is UNDECIDED and seq > self._ended and entry.boot != self._clock.boot:
            self._may_be_old = True  # both are known already, unless a note was lost
        return t

    def on_decided(self, callback: Callable[[], None]) -> None:
        """Have `callback` called in the loop whenever decisions have become durable."""
        self._callbacks.append(callback)

    @property
    def crept(self) -> int:
        """Readings whose time was moved by 50 ms or more, because the clock went back."""
        return self._times.crept

    # Deciding.

    def look(self, *, is_online: bool) -> list[Step]:
        """Look at the clock, decide what can be decided; the steps since the last look. Once a second."""
        now_ns, offset_ns = self._clock.mono_ns(), self._clock.offset_ns()
        passed_ns = 0 if self._looked_ns is None else now_ns - self._looked_ns
        self._looked_ns = now_ns
        if self._clock.doubt != self._doubt:
            self._doubt = self._clock.doubt
            log.log(logging.WARNING if self._doubt else logging.INFO, WHY[self._doubt])
        self._watch_trust(offset_ns)
        if self._may_be_old:
            self._give_up_older()
        self._online_ns = self._online_ns + passed_ns if is_online else 0
        if offset_ns is not None:
            self._waited_ns = 0
            if self._settle_waiting(offset_ns):
                self._given_up = 0
        elif is_online:
            self._waited_ns += passed_ns * self._may_wait
            is_patient = self._waited_ns < self._wait_ns or self._online_ns < min(
                self._wait_ns, LINK_SETTLES_S * SECOND
            )
            if self._given_up or not is_patient:
                self._give_up()
        return self._clock.take_steps()

    def _settle_waiting(self, offset_ns: int) -> bool:
        """Decide the offset of all that waits, if anything does; False where that cannot be noted now."""
        if not self._may_wait:
            return True
        last, offset_ms = self._spool.next - 1, offset_ns // MS
        if last > self._upto:
            if not self._promise(Decision(self._clock.boot, self._upto + 1, last, offset_ms)):
                return False
            self._upto = last
            self._times.decided(offset_ms)
            log.info("the clock is trusted: readings up to %d are dated", last)
        self._may_wait, self._waiting = False, 0
        return True

    def _give_up(self) -> None:
        """Decide *never* for what waits, and for some numbers ahead unless the clock becomes trusted before them."""
        if not self._may_wait and self._spool.next + AHEAD // 2 <= self._upto:
            return
        last = self._spool.next - 1 + AHEAD * (1 + self._given_up)
        if not self._promise(Decision(self._clock.boot, self._upto + 1, last, None)):
            return
        if not self._given_up:
            log.warning("nobody tells this computer the time: its readings go out without one")
        self._given_up += 1
        self.undated += self._waiting
        self._upto, self._may_wait, self._waiting = last, False, 0

    def _give_up_older(self) -> None:
        """Decide *never* for what other boots left behind: their offset will never be known."""
        last = self._spool.next - 1
        if last > self._ended and not self._promise(Decision(self._clock.boot, 1, last, None, True)):
            return
        self._ended, self._may_be_old = last, False
        log.warning("readings of an earlier boot have no time: nobody told it while it lasted")

    def _watch_trust(self, offset_ns: int | None) -> None:
        """Note what the next process should know: what the clock is worth, and how far the times have come."""
        offset_ms = None if offset_ns is None else offset_ns // MS
        if offset_ms is None or self._trust_ms is None:
            is_news = offset_ms != self._trust_ms
        else:
            is_news = abs(offset_ms - self._trust_ms) >= _TRUST_MOVED_MS
        if is_news or (self._has_news and self._clock.mono_ns() - self._noted_ns >= NOTE_EVERY_MS * MS):
            self._note_trust(offset_ms)

    def _note_trust(self, offset_ms: int | None, *, is_last: bool = False) -> None:
        trust = Trust(self._clock.boot, offset_ms, self._times.latest(_SERIES_NOTED), is_last)
        if self._note(TRUST_NOTE, trust, LATEST):
            self._trust_ms, self._noted_ns, self._has_news = offset_ms, self._clock.mono_ns(), False

    def _promise(self, decision: Decision) -> bool:
        if not self._note(DECISION_NOTE, decision, decision.last):
            return False
        self._promised.append(decision)
        self._has_promise.set()
        return True

    def _note(self, kind: int, note: Decision | Trust, until: int) -> bool:
        try:
            self._spool.note(kind, pack_note(note), until)
        except SpoolError as error:
            log.warning("readings wait for their time: %s", error)
            return False
        return True

    # Living.

    async def run(self, is_online: Callable[[], bool], on_step: Callable[[Step], None]) -> None:
        """Look once a second and make decisions durable, for ever. `on_step` hears of each step of the clock."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(is_online, on_step), name="clock")
            group.create_task(self._keep(), name="dating")

    async def _watch(self, is_online: Callable[[], bool], on_step: Callable[[Step], None]) -> None:
        while True:
            for step in self.look(is_online=is_online()):
                how = "and is trusted" if step.is_explained else "and nobody says why"
                log.warning("the clock was stepped by %+.3f s %s", step.by_ns / SECOND, how)
                on_step(step)
            await self._clock.sleep_until(self._clock.mono_ns() + round(LOOK_EVERY_S * SECOND))

    async def _keep(self) -> None:
        while True:
            await self._has_promise.wait()
            try:
                await self.keep()
            except SpoolError:  # the spool says so itself
                await self._clock.sleep_until(self._clock.mono_ns() + round(_RETRY_S * SECOND))

    async def keep(self) -> None:
        """Make what is decided durable, and so effective. Raises SpoolError."""
        self._has_promise.clear()
        promised = list(self._promised)
        if not promised:
            return
        try:
            await self._spool.flush()
        except SpoolError:
            self._has_promise.set()
            raise
        del self._promised[: len(promised)]
        for decision in promised:
            self._decisions.add(decision)
        for told in self._callbacks:
            told()

    def close(self) -> None:
        """Nothing is stamped any more; before the spool is closed."""
        self._note_trust(self._trust_ms, is_last=True)
