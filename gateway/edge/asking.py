"""What stations of devices that answer have in common: periods, a bus, counters, and what silence means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

from drivers.core.contract import Decoded, DeviceFault, Driver, Rejection
from gateway.edge.station import Counters, Desk, DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock
from gateway.ops.texts import say
from gateway.ports import Bus, PortError, PortLost
from gateway.ports.ticks import ns
from gateway.wire.payload import DeviceState

_PERIOD_S = 10.0
_RETRY_MIN_S = 0.01
_SILENT_PERIODS = 2.5
"""One lost answer is no silence, however long the period."""


class AskingStation(ABC):
    """Leads one round at the beginning and then every `every_s` (10 s where that is 0).

    A round that comes late is led at once; the ones that are late by a whole period are skipped and counted.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, bus: Bus, clock: Clock, emit: Emit, on_state: OnState) -> None:
        self.spec = spec
        self._driver = driver
        self._bus = bus
        self._clock = clock
        self._desk = Desk(spec, emit, on_state, "last")
        self._period_ns = ns(spec.every_s or _PERIOD_S)
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
            failures=self._desk.failures,
        )

    async def run(self) -> None:
        """See `Station`."""
        due_ns = self._sign_ns = self._clock.mono_ns()
        while True:
            await self._clock.sleep_until(due_ns)
            late = (self._clock.mono_ns() - due_ns) // self._period_ns
            self._skipped += late
            due_ns += late * self._period_ns
            try:
                await self._round()
            except (PortError, PortLost) as error:
                self._was_lost |= isinstance(error, PortLost)
                self._desk.tell("absent", str(error))
                self._sign_ns = self._clock.mono_ns()
                due_ns = self._sign_ns + ns(max(self._bus.retry_s, _RETRY_MIN_S))
                continue
            except Exception:
                self._desk.fail(f"a round of {self._driver.name}")
                self._desk.tell("faulty", say("station.failed"))
            due_ns += self._period_ns

    @abstractmethod
    async def _round(self) -> None:
        """One round, and what it says: `_begin` when the line is ours, and one of `_accept`, `_miss` and `_judge`."""

    def _begin(self) -> None:
        self._reconnects += self._was_lost
        self._was_lost = False

    def _accept(self, decoded: Decoded, mono_ns: int, at_ns: int) -> None:
        """A reading, complete at this instant."""
        self._sign_ns = mono_ns
        self._desk.tell("ok")
        self._desk.add(decoded, mono_ns, at_ns)
        self._desk.report()

    def _miss(self, refusals: Sequence[Rejection]) -> None:
        """Nobody gave an answer."""
        self._missed += 1
        self._judge(refusals)

    def _judge(self, refusals: Sequence[Rejection]) -> None:
        """No reading from this round: after long enough without one say why, as far as the last refusal tells."""
        patience_ns = max(ns(self.spec.silence_s), round(_SILENT_PERIODS * self._period_ns))
        if self._clock.mono_ns() - self._sign_ns < patience_ns:
            return
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
