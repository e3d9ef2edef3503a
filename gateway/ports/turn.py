"""One device's turn on a shared line: its questions, its steps, and what late bytes mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.core.contract import Line, Step

from .contract import Port, PortError, PortLost
from .ticks import SECOND_NS, Ticks, deadline, ns

if TYPE_CHECKING:
    from .bus import Bus


DEAD_AFTER = 2
_PROBE_FIRST_S = 0.3
"""How long a probe waits for a first byte; each fourth one, and one of a device known to be slower, waits longer."""
_MARGIN_S = 0.05
"""What an adapter and a busy computer add to a device's own time."""
_PATIENT_PROBE = 4
_SLOW = 2.0
"""What the patience with a device grows by once its answer came too late."""
_FLUSHES = 8
_SLOWEST = 4
"""A device whose answer takes this many times as long as its longest one would at the line's speed has had its turn."""


@dataclass(slots=True)
class Member:
    """What the bus remembers of one device; times are monotonic ns."""

    last_ns: int = 0
    failures: int = 0
    has_answered: bool = False
    probe_ns: int = 0
    think_s: float = 0.0
    """The longest that it took to begin an answer."""
    has_missed: bool = False
    """Its last question had no answer: one may still come."""
    patience: float = 1.0

    @property
    def is_dead(self) -> bool:
        return self.failures >= (DEAD_AFTER if self.has_answered else 1)

    @property
    def is_living(self) -> bool:
        return self.has_answered and not self.is_dead


class Turn:
    """The line, for one device, until the turn ends."""

    def __init__(self, bus: Bus, port: Port, member: Member, ticks: Ticks, *, is_brief: bool) -> None:
        self.member = member
        self.is_probe = member.is_dead
        """True for a device that is thought dead."""
        self.is_brief = is_brief
        """True where others wait for the line and this one may be dead: ask once, and little."""
        self.has_answer = False
        self.unanswered = 0
        self.began_ns = ticks.mono_ns()
        self._bus = bus
        self._port = port
        self._ticks = ticks

    async def ask(
        self,
        question: bytes,
        take: Callable[[bytes], bool],
        *,
        quiet_s: float = 0.0,
        patience_s: float,
        think_s: float | None = None,
    ) -> bool:
        """Write `question` and hand what comes to `take` until it says True; False when `patience_s` ran out first, or
        the device's own time to think, `think_s`, without a byte.

        Before it, the line keeps its silence between frames, and towards this device at least `quiet_s` since its last
        question ended. Raises PortLost.
        """
        bus, ticks = self._bus, self._ticks
        try:
            await ticks.sleep_until(max(bus._quiet_ns, self.member.last_ns + ns(quiet_s)))
            await self._flush()
            bus.questions += 1
            patience = self.member.patience
            think_s = patience_s if think_s is None else think_s
            is_answered = await self._exchange(question, take, patience_s * patience, think_s * patience)
        except PortLost as error:
            await bus._lose(error)
            raise
        finally:
            self.member.last_ns = ticks.mono_ns()
            bus._quiet_ns = self.member.last_ns + ns(bus.silence_s)
        self.count(is_answered)
        return is_answered

    def count(self, is_answered: bool) -> None:
        """A question had its answer, or had none: by this the bus judges the device."""
        self.has_answer |= is_answered
        self.member.has_missed = not is_answered
        if not is_answered:
            self.unanswered += 1
            self._bus.unanswered += 1

    async def perform(self, step: Step, take: Callable[[bytes], bool]) -> bool:
        """Do what `step` of a dialogue says and hand what comes to `take` until it says True.

        False when the line was silent for the step's time, or talks on and on. Raises PortLost, and PortError where
        the port cannot do what the step needs. Whether that was an answer, the caller knows and tells `count`.
        """
        bus, ticks = self._bus, self._ticks
        try:
            if step.data or step.break_s:
                await ticks.sleep_until(max(bus._quiet_ns, self.member.last_ns + ns(step.gap_s)))
                await self._flush()
                bus.questions += 1
            await self._say(step)
            is_answered = await self._hear(step, take)
        except (PortError, PortLost) as error:
            await bus._lose(error)
            raise
        finally:
            self.member.last_ns = ticks.mono_ns()
            bus._quiet_ns = self.member.last_ns + ns(bus.silence_s)
        return is_answered

    async def _say(self, step: Step) -> None:
        """Line, break, mark and bytes; the line for the answer when the last of them has left."""
        port, ticks = self._port, self._ticks
        if step.line is not None:
            await self._change(step.line)
        if step.break_s:
            await port.send_break(step.break_s)
            await ticks.sleep_until(ticks.mono_ns() + ns(step.mark_s))
        if step.data:
            written_ns = ticks.mono_ns()
            await port.write(step.data)
            # Not every adapter knows when the last byte has left; the line's own speed tells when at the earliest.
            await ticks.sleep_until(written_ns + ns(len(step.data) * self._bus._line_now.byte_s()))
        if step.reply_line not in (None, self._bus._line_now):
            await port.drain_output()
            await self._change(step.reply_line)

    async def _hear(self, step: Step, take: Callable[[bytes], bool]) -> bool:
        now_ns, silence_ns = self._ticks.mono_ns(), ns(step.timeout_s)
        end_ns = now_ns + silence_ns + ns(_SLOWEST * step.max_bytes * self._bus._line_now.byte_s())
        due_ns = now_ns + silence_ns
        while True:
            try:
                async with deadline(self._ticks, min(due_ns, end_ns)):
                    data = await self._port.read()
            except TimeoutError:
                return False
            if take(data):
                return True
            due_ns = self._ticks.mono_ns() + silence_ns

    async def _change(self, line: Line) -> None:
        if line != self._bus._line_now:
            await self._port.set_line(line)
            self._bus._line_now = line

    async def _flush(self) -> None:
        """Throw away what came when nothing was asked, until no more comes."""
        for _ in range(_FLUSHES):
            late = await self._port.drain_input()
            if not late:
                return
            self._bus.flushed += late
            if self.member.has_missed:
                self.member.patience = _SLOW
            await self._ticks.sleep_until(self._ticks.mono_ns() + ns(self._bus.silence_s))

    async def _exchange(
        self, question: bytes, take: Callable[[bytes], bool], patience_s: float, think_s: float
    ) -> bool:
        ticks, member = self._ticks, self.member
        written_ns = ticks.mono_ns()
        if self.is_probe and member.failures % _PATIENT_PROBE:
            think_s = min(think_s, max(_PROBE_FIRST_S, 1.5 * member.think_s))
        asked_s = len(question) * self._bus.line.byte_s()
        first_s = asked_s + think_s + _MARGIN_S
        try:
            async with deadline(ticks, written_ns + ns(min(first_s, patience_s))):
                await self._port.write(question)
                data = await self._port.read()
            thought_s = (ticks.mono_ns() - written_ns) / SECOND_NS - asked_s
            async with deadline(ticks, written_ns + ns(patience_s)):
                while not take(data):
                    data = await self._port.read()
        except TimeoutError:
            return False
        member.think_s = max(member.think_s, thought_s)
        return True
