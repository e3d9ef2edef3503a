"""The station of a device that is talked with (SDI-12, an optical head), alone on its line or on a bus."""

from __future__ import annotations

from drivers.core.contract import DeviceFault, Dialogue, Driver
from drivers.core.talking import Talk
from gateway.edge.asking import AskingStation
from gateway.edge.station import DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock
from gateway.ops.texts import say
from gateway.ports import Bus, PortError, PortLost, Turn
from gateway.ports.ticks import ns


class DialogueStation(AskingStation):
    """Leads one round of the driver's session each period; the line is this device's until a step frees it.

    A round without a reading is missed, unless the device itself says that it has none. A reading bears the time of
    its last byte. Raises ValueError for options that make no sense together.
    """

    def __init__(self, spec: DeviceSpec, driver: Driver, bus: Bus, clock: Clock, emit: Emit, on_state: OnState) -> None:
        super().__init__(spec, driver, bus, clock, emit, on_state)
        assert isinstance(driver.kind, Dialogue)
        self._kind = driver.kind
        self._mono_ns = self._at_ns = 0
        self._talk = self._new_talk()

    def _new_talk(self) -> Talk:
        return Talk(self._kind.begin(self.spec.address, self.spec.options))

    async def _round(self) -> None:
        talk = self._talk
        rejected = talk.rejected.copy()
        is_led = True
        try:
            talk.begin()
            while is_led and talk.step is not None:
                async with self._bus.turn(self.spec.id) as turn:
                    self._begin()
                    is_led = await self._lead(turn, talk)
                await self._pause(talk)
        except (PortError, PortLost):
            raise
        except Exception:
            self._talk = self._new_talk()  # nobody knows where the old one stands
            raise
        finally:
            self._rejected.update(talk.rejected - rejected)
        if talk.readings:
            for decoded in talk.readings:
                self._accept(decoded, self._mono_ns, self._at_ns)
        elif any(isinstance(refusal, DeviceFault) for refusal in talk.refusals):
            self._judge(talk.refusals)
        else:
            self._miss(talk.refusals)

    async def _lead(self, turn: Turn, talk: Talk) -> bool:
        """As far as the line is needed; False where a dead device is not worth more of it."""
        while (step := talk.step) is not None and not step.frees_line:
            damaged = _damaged(talk)
            if await turn.perform(step, talk.feed):
                self._mono_ns, self._at_ns = self._clock.mono_ns(), self._clock.wall_ns()
                is_answered = _damaged(talk) == damaged
                self._answers += is_answered
                turn.count(is_answered)
                continue
            talk.timeout()
            if step.data:
                turn.count(False)
                if turn.is_probe and not turn.has_answer:
                    return False  # it is as dead as it was thought: more tries would only keep the others waiting
        return True

    async def _pause(self, talk: Talk) -> None:
        """Wait while the device works by itself and others have the line."""
        if talk.step is not None and talk.step.frees_line:
            await self._clock.sleep_until(self._clock.mono_ns() + ns(talk.step.timeout_s))
            talk.timeout()

    def _silent(self) -> str:
        return say("station.no_dialogue", driver=self._driver.name)


def _damaged(talk: Talk) -> int:
    """What was refused though it was no word of the device itself."""
    return talk.rejected.total() - talk.rejected["DeviceFault"]
