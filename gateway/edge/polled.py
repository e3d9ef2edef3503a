"""The station of a device that answers when it is asked, alone on its line or on a bus."""

from __future__ import annotations

from collections import Counter

from drivers.core.contract import Decoded, DeviceFault, Driver, Polled, Rejection
from drivers.core.polling import Round
from gateway.edge.station import Counters, Desk, DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock
from gateway.ops.texts import say
from gateway.ports import Bus, PortError, PortLost, Turn
from gateway.ports.ticks import ns
from gateway.wire.payload import DeviceState

TRIES = 2
"""How often a question is asked of a device that lives; of one that is thought dead, once."""
_PERIOD_S = 10.0
_RETRY_MIN_S = 0.01
_SILENT_PERIODS = 2.5
"""One lost answer is no silence, however long the period."""


class PolledStation:
    """Asks one round of questions at the beginning and then every `every_s` (10 s where that is 0).

    A round that comes late is asked at once; the ones that are late by a whole period are skipped and counted. A round
    without any answer is missed: no reading, never one of zeros; what a round with some answers lacks is flagged 9. A
    reading bears the time when its last answer was complete.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, bus: Bus, clock: Clock, emit: Emit, on_state: OnState) -> None:
        assert isinstance(driver.kind, Polled)
        self.spec = spec
        self._driver = driver
        self._kind = driver.kind
        self._requests = driver.kind.requests(spec.address, spec.options)
        self._bus = bus
        self._clock = clock
        self._desk = Desk(spec, emit, on_state, "last")
        self._period_ns = ns(spec.every_s or _PERIOD_S)
        self._sign_ns = 0
        """When the device last gave a reading, or got its first chance to: monotonic."""
        self._late_s = 0.0
        """Silence that a device wants whose last answer may still come."""
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
                await self._poll()
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

    async def _poll(self) -> None:
        """One round, and what it says."""
        async with self._bus.turn(self.spec.id) as turn:
            self._reconnects += self._was_lost
            self._was_lost = False
            asking = Round(self._kind, self._requests, self.spec.options, 1 if turn.is_probe else TRIES)
            try:
                mono_ns, at_ns = await self._ask(turn, asking)
            finally:
                self._late_s = asking.wait_s
                self._answers += asking.answered
                self._rejected.update(asking.rejected)
                self._discarded += asking.discarded
        try:
            decoded = asking.result()
        except Rejection as refusal:
            if refusal not in asking.refusals:
                self._rejected[refusal.reason] += 1
            self._judge(asking, refusal)
        except Exception:
            self._desk.fail(f"driver {self._driver.name}")
            self._judge(asking, None)
        else:
            self._accept(asking, decoded, mono_ns, at_ns)

    async def _ask(self, turn: Turn, asking: Round) -> tuple[int, int]:
        """Ask until the round is over; when the last answer was complete (monotonic, wall)."""
        mono_ns = at_ns = 0
        while (request := asking.request) is not None:
            quiet_s = max(asking.wait_s, self._late_s)
            patience_s = request.patience_s(self._bus.line)
            if await turn.ask(request.data, asking.feed, quiet_s=quiet_s, patience_s=patience_s):
                self._late_s = 0.0
                mono_ns, at_ns = self._clock.mono_ns(), self._clock.wall_ns()
                continue
            asking.timeout()
            if asking.missing and not asking.answered:
                break  # it has not said a word: the rest of the questions would only keep the others waiting
        return mono_ns, at_ns

    def _accept(self, asking: Round, decoded: Decoded | None, mono_ns: int, at_ns: int) -> None:
        if decoded is None:
            self._missed += 1
            self._judge(asking, None)
            return
        self._sign_ns = mono_ns
        self._desk.tell("ok")
        self._desk.add(decoded, mono_ns, at_ns)
        self._desk.report()

    def _judge(self, asking: Round, refusal: Rejection | None) -> None:
        """No reading from this round: after long enough without one say why, as far as the answers tell."""
        patience_ns = max(ns(self.spec.silence_s), round(_SILENT_PERIODS * self._period_ns))
        if self._clock.mono_ns() - self._sign_ns < patience_ns:
            return
        refusal = refusal or next(reversed(asking.refusals), None)
        if isinstance(refusal, DeviceFault):
            self._desk.tell("faulty", str(refusal))
        elif refusal is not None:
            why = say("station.unreadable", driver=self._driver.name, reason=refusal.reason)
            self._desk.tell("faulty", why)
        else:
            self._desk.tell("silent", say("station.unanswered", address=self.spec.address))
