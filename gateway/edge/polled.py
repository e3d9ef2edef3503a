"""The station of a device that answers when it is asked, alone on its line or on a bus."""

from __future__ import annotations

from drivers.core.commands import Command, Outcome
from drivers.core.contract import DeviceFault, Driver, Polled, Rejection
from drivers.core.polling import Round
from gateway.edge.asking import AskingStation
from gateway.edge.settings import troubles_in_words
from gateway.edge.station import DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock
from gateway.ports import Bus, Turn

TRIES = 2
"""How often a question is asked of a device that lives; of one that may be dead, once."""


class PolledStation(AskingStation):
    """Asks one round of questions each period.

    A round without any answer is missed: no reading, never one of zeros; what a round with some answers lacks is
    flagged 9. A reading bears the time when its last answer was complete. What the instrument stores is told before the
    first round, and again after silence.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, bus: Bus, clock: Clock, emit: Emit, on_state: OnState) -> None:
        super().__init__(spec, driver, bus, clock, emit, on_state)
        assert isinstance(driver.kind, Polled)
        self._kind = driver.kind
        self._requests = driver.kind.requests(spec.address, spec.options)
        self._start = driver.kind.start(spec.options) if driver.kind.start else ()
        self._sleep = driver.wear.sleep if driver.wear else ()
        self._late_s = 0.0
        """Silence that a device wants whose last answer may still come."""

    async def _round(self) -> None:
        async with self._bus.turn(self.spec.id) as turn:
            self._begin()
            if self._start and not self._is_told and not turn.is_probe:
                self._why = troubles_in_words(await self._tell(turn, self._start))
                self._is_told = True
            asking = Round(self._kind, self._requests, self.spec.options, 1 if turn.is_brief else TRIES)
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
            self._judge([refusal])
        except Exception:
            self._desk.fail(f"driver {self._driver.name}")
            self._judge(asking.refusals)
        else:
            if decoded is None:
                self._miss(asking.refusals)
            else:
                self._accept(decoded, mono_ns, at_ns)

    async def _ask(self, turn: Turn, asking: Round) -> tuple[int, int]:
        """Ask until the round is over; when the last answer was complete (monotonic, wall)."""
        mono_ns = at_ns = 0
        while (request := asking.request) is not None:
            quiet_s = max(asking.wait_s, self._late_s)
            patience_s = request.patience_s(self._bus.line)
            if await turn.ask(
                request.data, asking.feed, quiet_s=quiet_s, patience_s=patience_s, think_s=request.timeout_s
            ):
                self._late_s = 0.0
                mono_ns, at_ns = self._clock.mono_ns(), self._clock.wall_ns()
                continue
            asking.timeout()
            if asking.missing and not asking.answered:
                break  # it has not said a word: the rest of the questions would only keep the others waiting
        return mono_ns, at_ns

    async def _put_to_sleep(self) -> None:
        async with self._bus.turn(self.spec.id) as turn:
            self._why = troubles_in_words(await self._tell(turn, self._sleep))
        if self._why and self._desk.state == "ok":
            self._desk.tell("ok", self._why)

    async def _tell(self, turn: Turn, commands: tuple[Command, ...]) -> list[tuple[Command, Outcome]]:
        """Say commands, each until its answer comes or the tries are used up; those that it did not obey."""
        troubles: list[tuple[Command, Outcome]] = []
        for command in commands:
            asking = Round(self._kind, (self._kind.ask(command.data, self.spec.options),), self.spec.options, TRIES)
            await self._ask(turn, asking)
            self._late_s = asking.wait_s
            self._rejected.update(asking.rejected)
            self._discarded += asking.discarded
            if asking.answered:
                continue
            is_refused = any(isinstance(refusal, DeviceFault) for refusal in asking.refusals)
            troubles.append((command, "refused" if is_refused else "unanswered"))
        return troubles
