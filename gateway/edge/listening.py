"""The station of a device that talks by itself."""

from __future__ import annotations

import asyncio
import contextlib

from drivers.core.contract import Decoded, DeviceFault, Driver, Listening, Rejection
from drivers.core.listening import Listener
from gateway.edge.life import Duty, Life
from gateway.edge.settings import Settings
from gateway.edge.station import Counters, Desk, DeviceSpec, Emit, OnState, Opening
from gateway.edge.ticks import Clock, next_end
from gateway.ops.texts import say
from gateway.ports import Port, PortError, PortLost
from gateway.ports.backoff import Backoff
from gateway.ports.ticks import ns
from gateway.wire.payload import DeviceState


class ListeningStation:
    """Opens the port, again after it was lost; reads, decodes, combines; notices silence.

    The periods of `every_s` begin when `run` does. A reading is reported at its period's end, or with a duty when the
    instrument is put to sleep, and bears the time of the last frame in it; what a period holds when the station is
    cancelled is reported then. What the instrument stores is told when the port opens, and again after silence.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        driver: Driver,
        opening: Opening,
        clock: Clock,
        emit: Emit,
        on_state: OnState,
        backoff: Backoff | None = None,
    ) -> None:
        assert isinstance(driver.kind, Listening)
        self.spec = spec
        self._driver = driver
        self._start = driver.kind.start
        self._sleep = driver.wear.sleep if driver.wear else ()
        self._opening = opening
        self._clock = clock
        self._desk = Desk(spec, emit, on_state, spec.combine)
        self._listener = Listener(driver, spec.options)
        self._settings = Settings(clock)
        self._life = Life(spec.duty, spec.ran, clock, spec.silence_s)
        self._is_due = asyncio.Event()
        """The instrument is to be told something."""
        self._backoff = backoff or Backoff()
        self._port: Port | None = None
        self._opened = self._overflowed = self._bytes = self._bytes_judged = self._answers = 0
        self._sign_ns = 0
        """When the device last gave a reading, or got a chance to: monotonic."""
        self._refusal: Rejection | None = None

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
        listener, desk = self._listener, self._desk
        return Counters(
            readings=desk.readings,
            frames=listener.frames,
            merged=desk.merged,
            rejected=dict(listener.rejected.items()),
            discarded_bytes=listener.discarded,
            overflowed_bytes=self._overflowed + (self._port.overflowed if self._port else 0),
            reconnects=max(0, self._opened - 1),
            unbelieved=self._life.unbelieved,
            running_s=self.spec.ran.seconds,
            failures=desk.failures,
        )

    async def run(self) -> None:
        """See `Station`."""
        self._sign_ns = self._clock.mono_ns()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._live(), name=f"station {self.spec.id}")
                group.create_task(self._watch(), name=f"silence of {self.spec.id}")
                group.create_task(self._attend(), name=f"settings of {self.spec.id}")
                if self.spec.duty is not None:
                    group.create_task(self._alternate(self.spec.duty), name=f"duty of {self.spec.id}")
                elif self.spec.every_s > 0:
                    group.create_task(self._report_in_time(), name=f"periods of {self.spec.id}")
        finally:
            self._desk.report()

    async def _live(self) -> None:
        while True:
            try:
                port = await self._opening()
            except PortError as error:
                self._desk.tell("absent", str(error))
            except Exception:
                self._desk.fail("its port")
                self._desk.tell("absent", say("station.failed"))
            else:
                try:
                    await self._read(port)
                except PortLost as error:
                    self._desk.tell("absent", str(error))
                finally:
                    self._port = None
                    self._overflowed += port.overflowed
                    await port.close()
                self._take(None)
            await self._clock.sleep_until(self._clock.mono_ns() + ns(self._backoff.next_s()))

    async def _read(self, port: Port) -> None:
        self._opened += 1
        self._sign_ns = self._clock.mono_ns()
        self._port = port
        self._is_due.set()
        while True:
            self._take(await port.read())

    async def _attend(self) -> None:
        """Tell the instrument what it must know, whenever something is due."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            if self._port is None:
                continue
            is_awake = self._life.is_awake
            with contextlib.suppress(PortLost):  # the reader finds out too
                await self._settings.tell(self._port, self._start if is_awake else self._sleep)
                if is_awake:
                    self._life.woke()
                else:
                    self._life.slept()
                if self._desk.state == "ok":
                    self._desk.tell("ok", self._settings.why)

    async def _alternate(self, duty: Duty) -> None:
        """Awake and asleep by turns, on a grid that begins now."""
        start_ns = begin_ns = self._clock.mono_ns()
        while True:
            self._sign_ns = self._clock.mono_ns()
            self._life.call(awake=True)
            self._is_due.set()
            await self._clock.sleep_until(begin_ns + ns(duty.on_s))
            self._life.call(awake=False)
            self._is_due.set()
            self._desk.report()
            begin_ns = next_end(start_ns, ns(duty.every_s), self._clock.mono_ns())
            await self._clock.sleep_until(begin_ns)

    def _take(self, data: bytes | None) -> None:
        """Bytes that have just arrived; None for the end of them."""
        mono_ns, at_ns = self._clock.mono_ns(), self._clock.wall_ns()
        try:
            items = self._listener.finish() if data is None else self._listener.feed(data)
        except Exception:
            self._desk.fail(f"driver {self._driver.name}")
            self._listener.reset()
            return
        finally:
            self._bytes += len(data or b"")
        answers = self._listener.take_answers()
        self._settings.hear(answers)
        self._answers += len(answers)
        self._bytes -= sum(map(len, answers))
        for item in items:
            if isinstance(item, Decoded):
                self._accept(item, mono_ns, at_ns)
            else:
                self._refusal = item

    def _accept(self, decoded: Decoded, mono_ns: int, at_ns: int) -> None:
        self._sign_ns = mono_ns
        self._bytes_judged = self._bytes
        self._backoff.reset()
        self._life.sign()
        why = self._settings.why
        if self._life.must_be_reminded():
            self._is_due.set()
            why = say("station.restless")
        self._desk.tell("ok", why)
        if not self._life.is_warm:
            self._life.unbelieved += 1
            return
        self._desk.add(decoded, mono_ns, at_ns)
        if self.spec.every_s <= 0:
            self._desk.report()

    async def _report_in_time(self) -> None:
        period_ns = ns(self.spec.every_s)
        start_ns = self._clock.mono_ns()
        while True:
            await self._clock.sleep_until(next_end(start_ns, period_ns, self._clock.mono_ns()))
            self._desk.report()

    async def _watch(self) -> None:
        patience_ns = ns(self.spec.silence_s)
        due_ns = self._sign_ns + patience_ns
        while True:
            await self._clock.sleep_until(due_ns)
            now_ns = self._clock.mono_ns()
            due_ns = self._sign_ns + patience_ns
            if self._port is None or not self._life.is_awake:  # absent, and that has been told; or to be silent
                due_ns = now_ns + patience_ns
            elif due_ns <= now_ns:
                due_ns = now_ns + patience_ns
                self._judge()

    def _judge(self) -> None:
        """No reading for too long: say why, as far as the bytes tell."""
        heard, self._bytes_judged = self._bytes - self._bytes_judged, self._bytes
        sign_ns = self._sign_ns
        self._take(None)
        if self._sign_ns != sign_ns:
            return
        if heard and isinstance(self._refusal, DeviceFault):
            self._desk.tell("faulty", str(self._refusal))
        elif heard:
            reason = self._refusal.reason if self._refusal else "Truncated"
            self._desk.tell("faulty", say("station.unreadable", driver=self._driver.name, reason=reason))
        else:
            if self._settings.is_refused:
                self._desk.tell("faulty", self._settings.why)
            else:
                key = "station.answers" if self._answers else "station.silent"
                self._desk.tell("silent", say(key, seconds=f"{self.spec.silence_s:g}"))
            self._answers = 0
            # An instrument that lost its power meanwhile has forgotten what it was told at the start.
            self._is_due.set()
