"""A LoRa modem on a serial port: set up, heard, set up again when it was reset or unplugged."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.edge.station import Opening
from gateway.edge.ticks import Clock
from gateway.lora.heard import Heard
from gateway.lora.modems import radiohead
from gateway.lora.modems.events import BadLine, Event, Packet
from gateway.lora.modems.kinds import Dialogue
from gateway.lora.receiver import Desk
from gateway.lora.uplinks import Receiver
from gateway.ops.texts import say
from gateway.ports import Port, PortError, PortLost
from gateway.ports.backoff import Backoff
from gateway.ports.ticks import deadline, ns


@dataclass(frozen=True, slots=True)
class OnAir:
    """How what it hears was sent, as far as it was set so."""

    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    frequency_hz: int | None = None
    has_radiohead: bool = False


class ModemInlet:
    """Leads one modem's dialogue over its port and hands its packets to the hub."""

    def __init__(self, desk: Desk, dialogue: Dialogue, opening: Opening, clock: Clock, on_air: OnAir) -> None:
        self.desk = desk
        self._dialogue, self._opening, self._clock, self._on_air = dialogue, opening, clock, on_air
        self._backoff = Backoff()

    async def run(self) -> None:
        """See `Inlet`."""
        while True:
            try:
                port = await self._opening()
            except PortError as error:
                self.desk.tell("absent", str(error))
            else:
                try:
                    await self._talk(port)
                except PortLost as error:
                    self.desk.tell("absent", str(error))
                finally:
                    await port.close()
            await self._clock.sleep_until(self._clock.mono_ns() + ns(self._backoff.next_s()))

    async def _talk(self, port: Port) -> None:
        dialogue = self._dialogue
        said = dialogue.start()
        while True:
            for event in said.events:
                self._hear(event)
            self.desk.resets = dialogue.resets
            if dialogue.problem:
                self.desk.tell("faulty", say("lora.modem_refuses", why=dialogue.problem))
            elif dialogue.is_listening:
                self._backoff.reset()
                self.desk.tell("ok")
            if said.write:
                await port.write(said.write)
            data = await self._read(port, dialogue.timeout_s)
            said = dialogue.on_timeout() if data is None else dialogue.feed(data)

    async def _read(self, port: Port, timeout_s: float | None) -> bytes | None:
        """Bytes, or None where none came in time."""
        if timeout_s is None:
            return await port.read()
        try:
            async with deadline(self._clock, self._clock.mono_ns() + ns(timeout_s)):
                return await port.read()
        except TimeoutError:
            return None

    def _hear(self, event: Event) -> None:
        if isinstance(event, BadLine):
            self.desk.refuse(event.reason, event.text)
        elif isinstance(event, Packet):
            self.desk.heard += 1
            data, sender, air = event.data, event.sender, self._on_air
            if air.has_radiohead:
                found = radiohead.split(data)
                if found is None or found[0].is_acknowledgement:
                    self.desk.refuse("radiohead")
                    return
                sender, data = found[0].sender, found[1]
            receiver = Receiver(self.desk.name, event.rssi, event.snr)
            heard = Heard(
                self.desk.name,
                receiver,
                data,
                sender,
                event.port,
                air.spreading_factor,
                air.bandwidth_hz,
                air.frequency_hz,
            )
            outcome = self.desk.hub.heard(heard)
            if outcome.is_refused:
                self.desk.refuse(outcome.refusal, outcome.text)
