"""One port shared in turns (RS-485): who may speak when, and what the dead may cost the living.

A turn is one device's round of questions; turns are given in the order they are asked for. Before each question the
line is kept silent and what came late is thrown away, so that it can never pass for the next answer. A device that left
two turns in a row without any answer is dead: its next turns are single probes, at growing distances, and all probes
together take at most a tenth of the line's time while another device lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from drivers.core.contract import Line, Step

from .backoff import Backoff
from .contract import Port, PortError, PortLost
from .ticks import SECOND_NS, SystemTicks, Ticks, deadline, ns

DEAD_AFTER = 2
DEAD_SHARE = 0.1
_PROBE_MIN_S = 1.0
_PROBE_MAX_S = 30.0
_SILENT_BYTES = 3.5
_SILENCE_MIN_S = 0.00175
_SLOWEST = 4
"""A device whose answer takes this many times as long as its longest one would at the line's speed has had its turn."""


@dataclass(slots=True)
class _Member:
    """What the bus remembers of one device; times are monotonic ns."""

    last_ns: int = 0
    failures: int = 0
    has_answered: bool = False
    probe_ns: int = 0

    @property
    def is_dead(self) -> bool:
        return self.failures >= DEAD_AFTER

    @property
    def is_living(self) -> bool:
        return self.has_answered and not self.is_dead


class Bus:
    """Owns one port, opens it when it is first needed and again, with backoff, after it was lost."""

    def __init__(
        self,
        name: str,
        opening: Callable[[], Awaitable[Port]],
        line: Line,
        *,
        ticks: Ticks | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.line = line
        self.questions = 0
        self.unanswered = 0
        self.flushed = 0
        """Bytes that came when nothing was asked."""
        self.reopened = 0
        self._retry_ns = 0
        self._opening = opening
        self._ticks = ticks or SystemTicks()
        self._backoff = backoff or Backoff()
        self._port: Port | None = None
        self._line_now = line
        """As the last dialogue left it."""
        self._was_open = False
        self._why: PortError | PortLost | None = None
        self._line_lock = asyncio.Lock()
        self._probe_lock = asyncio.Lock()
        self._members: dict[str, _Member] = {}
        self._quiet_ns = 0
        self._budget_ns = 0

    @property
    def silence_s(self) -> float:
        """Seconds between frames: 3.5 bytes, at least 1.75 ms."""
        return max(_SILENT_BYTES * self.line.byte_s(), _SILENCE_MIN_S)

    @property
    def retry_s(self) -> float:
        """Seconds until the port may be opened again after it was lost or refused."""
        return max(0.0, (self._retry_ns - self._ticks.mono_ns()) / SECOND_NS)

    def is_dead(self, device: str) -> bool:
        """True for a device that left its last turns without an answer."""
        member = self._members.get(device)
        return member is not None and member.is_dead

    @asynccontextmanager
    async def turn(self, device: str) -> AsyncIterator[Turn]:
        """Wait for the line, which is then this device's alone. Raises PortError, or PortLost before the next try."""
        member = self._members.setdefault(device, _Member())
        async with AsyncExitStack() as held:
            if member.is_dead and self._others_live(member):
                await self._ticks.sleep_until(member.probe_ns)
                await held.enter_async_context(self._probe_lock)
                await self._ticks.sleep_until(self._budget_ns)
            await held.enter_async_context(self._line_lock)
            turn = await self._begin(member)
            try:
                yield turn
            finally:
                self._finish(turn)

    async def close(self) -> None:
        """Give the port back; a later turn opens it again."""
        if self._port is not None:
            port, self._port = self._port, None
            await port.close()

    def _others_live(self, member: _Member) -> bool:
        return any(other.is_living for other in self._members.values() if other is not member)

    async def _begin(self, member: _Member) -> Turn:
        if self._port is None:
            if self._why is not None and self._ticks.mono_ns() < self._retry_ns:
                raise self._why.with_traceback(None)
            try:
                self._port = await self._opening()
            except PortError as error:
                self._put_off(error)
                raise
            self._why = None
            self.reopened += self._was_open
            self._was_open = True
            self._line_now = self.line
        elif self._line_now != self.line:
            try:
                await self._port.set_line(self.line)
            except (PortError, PortLost) as error:
                await self._lose(error)
                raise
            self._line_now = self.line
        return Turn(self, self._port, member, self._ticks)

    def _finish(self, turn: Turn) -> None:
        """Judge the device by its turn, and put a dead one off."""
        member = turn.member
        if turn.has_answer:
            member.failures, member.has_answered = 0, True
            self._backoff.reset()
        elif turn.unanswered:
            member.failures += 1
        if not member.is_dead or turn.has_answer:
            return
        now_ns = self._ticks.mono_ns()
        wait_s = min(_PROBE_MIN_S * 2 ** min(member.failures - DEAD_AFTER, 16), _PROBE_MAX_S)
        member.probe_ns = now_ns + ns(wait_s)
        self._budget_ns = now_ns + round((now_ns - turn.began_ns) * (1 / DEAD_SHARE - 1))

    async def _lose(self, error: PortError | PortLost) -> None:
        self._put_off(error)
        await self.close()

    def _put_off(self, error: PortError | PortLost) -> None:
        self._why = error
        self._retry_ns = self._ticks.mono_ns() + ns(self._backoff.next_s())


class Turn:
    """The line, for one device, until the turn ends."""

    def __init__(self, bus: Bus, port: Port, member: _Member, ticks: Ticks) -> None:
        self.member = member
        self.is_probe = member.is_dead
        """True for a device that is thought dead: ask once, and little."""
        self.has_answer = False
        self.unanswered = 0
        self.began_ns = ticks.mono_ns()
        self._bus = bus
        self._port = port
        self._ticks = ticks

    async def ask(
        self, question: bytes, take: Callable[[bytes], bool], *, quiet_s: float = 0.0, patience_s: float
    ) -> bool:
        """Write `question` and hand what comes to `take` until it says True; False when `patience_s` ran out first.

        Before it, the line keeps its silence between frames, and towards this device at least `quiet_s` since its last
        question ended. Raises PortLost.
        """
        bus, port, ticks = self._bus, self._port, self._ticks
        try:
            await ticks.sleep_until(max(bus._quiet_ns, self.member.last_ns + ns(quiet_s)))
            bus.flushed += await port.drain_input()
            bus.questions += 1
            is_answered = await self._exchange(question, take, patience_s)
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
                bus.flushed += await self._port.drain_input()
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

    async def _exchange(self, question: bytes, take: Callable[[bytes], bool], patience_s: float) -> bool:
        try:
            async with deadline(self._ticks, self._ticks.mono_ns() + ns(patience_s)):
                await self._port.write(question)
                while not take(await self._port.read()):
                    pass
        except TimeoutError:
            return False
        return True
