"""One port shared in turns (RS-485): who may speak when, and what the dead may cost the living.

A turn is one device's round of questions; turns are given in the order they are asked for. Before each question the
line is kept silent and what came late is thrown away, so that it can never pass for the next answer. A device that left
two turns in a row without any answer is dead, one that never answered at its first: its next turns are single probes,
at growing distances, and all of them together take at most a tenth of the line's time while another device lives. A
probe listens only briefly for a first byte and is the next when its time has come, so that each of ten dead devices is
asked within a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from drivers.core.contract import Line

from .backoff import Backoff
from .contract import Port, PortError, PortLost
from .queue import Queue
from .ticks import SECOND_NS, SystemTicks, Ticks, ns
from .turn import DEAD_AFTER, Member, Turn

DEAD_SHARE = 0.09
"""Of the line's time, for probes; with the turns in which devices are found dead it stays below a tenth."""
_PROBE_MIN_S = 1.0
_PROBE_MAX_S = 20.0
_SILENT_BYTES = 3.5
_SILENCE_MIN_S = 0.00175


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
        self.wasted_s = 0.0
        """Time of turns without any answer."""
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
        self._line_lock = Queue()
        self._probe_lock = asyncio.Lock()
        self._members: dict[str, Member] = {}
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
        member = self._members.setdefault(device, Member())
        async with AsyncExitStack() as held:
            if member.is_dead and self._others_live(member):
                await self._ticks.sleep_until(member.probe_ns)
                await held.enter_async_context(self._probe_lock)
                await self._ticks.sleep_until(self._budget_ns)
                await held.enter_async_context(self._line_lock.first())
            else:
                await held.enter_async_context(self._line_lock.last())
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

    def _others_live(self, member: Member) -> bool:
        return any(other.is_living for other in self._members.values() if other is not member)

    async def _begin(self, member: Member) -> Turn:
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
        is_doubtful = member.failures > 0 or not member.has_answered
        is_brief = member.is_dead or (is_doubtful and len(self._members) > 1)
        return Turn(self, self._port, member, self._ticks, is_brief=is_brief)

    def _finish(self, turn: Turn) -> None:
        """Judge the device by its turn, and put a dead one off."""
        member = turn.member
        if turn.has_answer:
            member.failures, member.has_answered = 0, True
            self._backoff.reset()
        elif turn.unanswered:
            member.failures += 1
            self.wasted_s += (self._ticks.mono_ns() - turn.began_ns) / SECOND_NS
        if not member.is_dead or turn.has_answer:
            return
        now_ns = self._ticks.mono_ns()
        wait_s = min(_PROBE_MIN_S * 2 ** min(max(member.failures - DEAD_AFTER, 0), 16), _PROBE_MAX_S)
        member.probe_ns = now_ns + ns(wait_s)
        self._budget_ns = now_ns + round((now_ns - turn.began_ns) * (1 / DEAD_SHARE - 1))

    async def _lose(self, error: PortError | PortLost) -> None:
        self._put_off(error)
        await self.close()

    def _put_off(self, error: PortError | PortLost) -> None:
        self._why = error
        self._retry_ns = self._ticks.mono_ns() + ns(self._backoff.next_s())
