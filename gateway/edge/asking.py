"""What stations of devices that answer have in common: periods, a bus, counters, and what silence means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from drivers.core.contract import Decoded, DeviceFault, Driver, Rejection
from gateway.edge.life import Duty, Life
from gateway.edge.station import Counters, Desk, DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock, next_end
from gateway.ops.texts import say
from gateway.ports import Bus, PortError, PortLost
from gateway.ports.ticks import SECOND_NS, ns
from gateway.wire.payload import DeviceState

_PERIOD_S = 10.0
_RETRY_MIN_S = 0.01
_SILENT_PERIODS = 2.5
"""One lost answer is no silence, however long the period."""


class AskingStation(ABC):
    """Leads one round at the beginning and then every `every_s` (10 s where that is 0).

    A round that comes late is led at once; the ones that are late by a whole period are skipped and counted. With a
    duty it is asked while it is awake, as often as the driver says, and what it says warm is one reading when it is put
    to sleep.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, bus: Bus, clock: Clock, emit: Emit, on_state: OnState) -> None:
        self.spec = spec
        self._driver = driver
        self._bus = bus
        self._clock = clock
        self._desk = Desk(spec, emit, on_state, spec.combine if spec.duty else "last")
        self._period_ns = ns(driver.period_s if spec.duty else spec.every_s or _PERIOD_S)
        self._patience_ns = max(ns(spec.silence_s), round(_SILENT_PERIODS * self._period_ns))
        self._life = Life(spec.duty, spec.ran, clock, self._patience_ns / SECOND_NS)
        self._is_told = False
        self._why = ""
        """What the instrument refused or did not answer of what it was told."""
        self._sign_ns = 0
        """When the device last gave a reading, or got its first chance to: monotonic."""
        self._answers = self._missed = self._skipped = self._discarded = self._reconnects = 0
        self._rejected: Counter[str] = Counter()
        self._was_lost = False

    @property
    def state(self) -> DeviceState | None:
        """See `Station`."""
        return self._desk.state

    @property
    def why(self) -> str:
        """See `Station`."""
        return self._desk.why

    @property
    def counters(self) -> Counters:
        """See `Station`. Bytes that came when nothing was asked are the bus's (`Bus.flushed`)."""
        return Counters(
            readings=self._desk.readings,
            frames=self._answers,
            missed=self._missed,
            skipped=self._skipped,
            rejected=dict(self._rejected),
            discarded_bytes=self._discarded,
            reconnects=self._reconnects,
            unbelieved=self._life.unbelieved,
            running_s=self.spec.ran.seconds,
            failures=self._desk.failures,
        )

    async def run(self) -> None:
        """See `Station`."""
        self._sign_ns = self._clock.mono_ns()
        try:
            if self.spec.duty is None:
                await self._ask_until(None)
            else:
                await self._alternate(self.spec.duty)
        finally:
            self._desk.report()

    async def _alternate(self, duty: Duty) -> None:
        """Awake and asleep by turns, on a grid that begins now."""
        start_ns = begin_ns = self._clock.mono_ns()
        while True:
            self._life.call(awake=True)
            self._sign_ns = self._clock.mono_ns()
            await self._ask_until(begin_ns + ns(duty.on_s))
            self._life.call(awake=False)
            self._desk.report()
            await self._safely(self._put_to_sleep)
            begin_ns = next_end(start_ns, ns(duty.every_s), self._clock.mono_ns())
            await self._clock.sleep_until(begin_ns)

    async def _ask_until(self, end_ns: int | None) -> None:
        """Rounds at their times, from now on."""
        due_ns = self._clock.mono_ns()
        while end_ns is None or due_ns < end_ns:
            await self._clock.sleep_until(due_ns)
            late = (self._clock.mono_ns() - due_ns) // self._period_ns
            self._skipped += late
            due_ns += late * self._period_ns
            if await self._safely(self._round):
                due_ns += self._period_ns
            else:
                self._sign_ns = self._clock.mono_ns()
                due_ns = self._sign_ns + ns(max(self._bus.retry_s, _RETRY_MIN_S))
        await self._clock.sleep_until(end_ns)

    async def _safely(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Do it; False where the port is not there."""
        try:
            await act()
        except (PortError, PortLost) as error:
            self._was_lost |= isinstance(error, PortLost)
            self._is_told = False
            self._desk.tell("absent", str(error))
            return False
        except Exception:
            self._desk.fail(f"a round of {self._driver.name}")
            self._desk.tell("faulty", say("station.failed"))
        return True

    async def _put_to_sleep(self) -> None:
        """Stop what wears, at the end of a duty; what has no such command has no duty."""
        self._why = ""

    @abstractmethod
    async def _round(self) -> None:
        """One round, and what it says: `_begin` when the line is ours, and one of `_accept`, `_miss` and `_judge`."""

    def _begin(self) -> None:
        self._reconnects += self._was_lost
        self._was_lost = False

    def _accept(self, decoded: Decoded, mono_ns: int, at_ns: int) -> None:
        """A reading, complete at this instant."""
        self._sign_ns = mono_ns
        self._desk.tell("ok", self._why)
        if not self._life.is_begun:
            self._life.woke()
        self._life.sign()
        if not self._life.is_warm:
            self._life.unbelieved += 1
            return
        self._desk.add(decoded, mono_ns, at_ns)
        if self.spec.duty is None:
            self._desk.report()

    def _miss(self, refusals: Sequence[Rejection]) -> None:
        """Nobody gave an answer."""
        self._missed += 1
        self._judge(refusals)

    def _judge(self, refusals: Sequence[Rejection]) -> None:
        """No reading from this round: after long enough without one say why, as far as the last refusal tells."""
        if self._clock.mono_ns() - self._sign_ns < self._patience_ns:
            return
        self._is_told = False
        refusal = refusals[-1] if refusals else None
        if isinstance(refusal, DeviceFault):
            self._desk.tell("faulty", str(refusal))
        elif refusal is not None:
            why = say("station.unreadable", driver=self._driver.name, reason=refusal.reason)
            self._desk.tell("faulty", why)
        else:
            self._desk.tell("silent", self._silent())

    def _silent(self) -> str:
        """Why nothing is heard of it, as far as one can guess."""
        return say("station.unanswered", address=self.spec.address)
