"""One device's life by radio: its uplinks become readings, its silence and its gaps are noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from drivers.core.contract import Decoded, DeviceFault, Driver, Rejection, Telling, Uplink
from gateway.edge.station import Counters, Desk, DeviceSpec, Emit, OnState, Report
from gateway.edge.ticks import Clock
from gateway.lora.uplinks import DeviceNote, UplinkMessage, best
from gateway.ops.texts import say
from gateway.ports.ticks import SECOND_NS, ns
from gateway.wire.payload import DeviceState

OnEvent = Callable[[str, str, Mapping[str, object]], None]
"""Device, event, data."""

LIVE_S = 5.0
"""An uplink that is older when it comes was kept somewhere: it is late, and keeps its time."""
_AHEAD_S = 300.0
"""A record of the future is a device whose clock is wrong."""


class RadioStation:
    """Takes what the hub believed. An uplink is a reading, and so is each record of the device's log in it."""

    def __init__(
        self, spec: DeviceSpec, driver: Driver, clock: Clock, emit: Emit, on_state: OnState, on_event: OnEvent
    ) -> None:
        if not isinstance(driver.kind, Uplink):
            raise ValueError(f"{spec.id}: {driver.name} does not come by radio")
        self.spec = spec
        self._driver, self._kind = driver, driver.kind
        self._clock, self._on_event = clock, on_event
        self._desk = Desk(spec, emit, on_state, "last")
        self._rejected: Counter[str] = Counter()
        self._frames = self._lost_in_air = 0
        self._sign_ns = clock.mono_ns()
        self._last_f_cnt: int | None = None

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
        """See `Station`."""
        return Counters(
            readings=self._desk.readings,
            frames=self._frames,
            rejected=dict(self._rejected),
            failures=self._desk.failures,
            lost_in_air=self._lost_in_air,
        )

    def take(self, uplink: UplinkMessage, missed: int, mono_ns: int, at_ns: int, age_s: float = 0.0) -> str:
        """An uplink of this device, heard at this instant (monotonic, wall) `age_s` after it was sent; `missed` before
        it were not heard. What is wrong with its payload, "" where it became readings."""
        self._frames += 1
        self._sign_ns = mono_ns
        if missed:
            self._lose(uplink.f_cnt, missed)
        try:
            told = self._kind.decode(uplink.payload, uplink.f_port, self.spec.options)
        except Rejection as refusal:
            self.refuse(refusal.reason)
            is_own = isinstance(refusal, DeviceFault)  # it says so itself: its payload is understood
            why = f"{refusal}" if is_own else say("lora.payload", driver=self._driver.name, why=f"{refusal}")
            self._desk.tell("faulty", why)
            return f"{refusal.reason}: {refusal}"
        except Exception:
            self._desk.fail(f"driver {self._driver.name}")
            self._desk.tell("faulty", say("station.failed"))
            return say("station.failed")
        self._desk.tell("ok")
        via = tuple(each.id for each in sorted(uplink.receivers, key=lambda each: each != best(uplink.receivers)))
        for telling in told:
            self._report(telling, uplink, via, mono_ns, at_ns, age_s)
        return "" if told else say("lora.no_reading")

    def _report(
        self, telling: Telling, uplink: UplinkMessage, via: tuple[str, ...], mono_ns: int, at_ns: int, age_s: float
    ) -> None:
        decoded, device = telling.decoded, self.spec.id
        age_ns = ns(age_s + (telling.age_s or 0.0))
        if telling.at_ns is not None:
            if telling.at_ns > at_ns + ns(_AHEAD_S) and at_ns > 0:
                self.refuse("Implausible")
                return
            self._desk.hand_on(Report(device, mono_ns, telling.at_ns, decoded, 1, True, True, via))
        else:
            # The signal is the uplink's, however long a server kept it; what the device itself kept had none.
            is_own = (telling.age_s or 0.0) <= LIVE_S
            values = {**decoded.values, **uplink.signal()} if is_own else decoded.values
            said = Decoded(values, decoded.quality, decoded.info)
            is_past = age_ns > ns(LIVE_S)
            self._desk.hand_on(Report(device, mono_ns - age_ns, at_ns - age_ns, said, 1, is_past, False, via))

    def note(self, note: DeviceNote, mono_ns: int, at_ns: int) -> None:
        """What a network server says about this device: a join, a battery, an error."""
        if note.is_fault:
            self._desk.tell("faulty", say("lora.server_says", kind=note.kind, why=note.why))
        elif note.kind == "join":
            self._sign_ns = mono_ns
            self._desk.tell("ok", say("lora.joined"))
        if note.values:
            self._desk.hand_on(Report(self.spec.id, mono_ns, at_ns, Decoded(dict(note.values))))

    def refuse(self, reason: str) -> None:
        """Something that bore this device's name is no reading, for this reason."""
        self._rejected[reason] += 1

    def replayed(self, f_cnt: int | None) -> None:
        """A frame under an old counter: of somebody who plays it again, or of a sender that forgot its counter."""
        self.refuse("Replay")
        if self._desk.state != "ok":
            self._desk.tell("faulty", say("lora.counter_went_back", counter=f_cnt))

    def _lose(self, f_cnt: int | None, missed: int) -> None:
        self._lost_in_air += missed
        last = (f_cnt or 0) - 1
        data = {"count": missed, "first": last - missed + 1, "last": last}
        try:
            self._on_event(self.spec.id, "lost-in-air", data)
        except Exception:
            self._desk.fail("an event was not taken")

    async def run(self) -> None:
        """See `Station`. Only silence is noticed here; uplinks come from the hub."""
        patience_ns = ns(self.spec.silence_s)
        self._sign_ns = max(self._sign_ns, self._clock.mono_ns())
        while True:
            due_ns = self._sign_ns + patience_ns
            if due_ns <= self._clock.mono_ns():
                self._desk.tell("silent", say("lora.silent", seconds=f"{patience_ns / SECOND_NS:g}"))
                due_ns = self._clock.mono_ns() + patience_ns
            await self._clock.sleep_until(due_ns)
