"""Packet forwarders beside the node: the UDP port they send to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from gateway.edge.ticks import Clock
from gateway.lora.gwmp import LARGEST, PUSH_DATA, BadDatagram, Datagram, Rxpk, parse, reply
from gateway.lora.heard import Heard
from gateway.lora.receiver import Desk
from gateway.lora.uplinks import Receiver
from gateway.ops.texts import say
from gateway.ports.backoff import Backoff
from gateway.ports.ticks import SECOND_NS, ns

MOST_PER_S = 200.0
"""Datagrams of one source: ten times what eight channels can demodulate."""
_MOST_SOURCES = 64
_SILENT_S = 120.0
"""Forwarders send PULL_DATA every few seconds and a `stat` every half minute."""


@dataclass(slots=True)
class _Source:
    """How many datagrams one address may send now."""

    left: float
    at_ns: int


class ConcentratorInlet:
    """Listens at `host`:`port` (0: any; `bound` then says which). `gateways` are the EUIs that may speak, none: all."""

    def __init__(
        self,
        desk: Desk,
        host: str,
        port: int,
        clock: Clock,
        *,
        gateways: Collection[str] = (),
        silence_s: float = _SILENT_S,
    ) -> None:
        self.desk = desk
        self.bound: tuple[str, int] | None = None
        self.gateways: dict[str, int] = {}
        """When each gateway was last heard, monotonic ns."""
        desk.gateways = self._ages_s
        self._host, self._port, self._clock, self._silence_s = host, port, clock, silence_s
        self._allowed = frozenset(each.lower() for each in gateways)
        self._sources: dict[str, _Source] = {}
        self._sign_ns = 0
        self._backoff = Backoff()

    async def run(self) -> None:
        """See `Inlet`."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                transport, protocol = await loop.create_datagram_endpoint(
                    lambda: _Protocol(self), local_addr=(self._host, self._port)
                )
            except OSError as error:
                why = error.strerror or str(error)
                self.desk.tell("absent", say("lora.cannot_listen", where=f"{self._host}:{self._port}", why=why))
            else:
                self.bound = transport.get_extra_info("sockname")[:2]
                self._sign_ns = self._clock.mono_ns()
                watch = asyncio.create_task(self._watch(), name=f"silence of {self.desk.name}")
                try:
                    await protocol.ended
                finally:
                    watch.cancel()
                    transport.close()
                    self.bound = None
            await self._clock.sleep_until(self._clock.mono_ns() + ns(self._backoff.next_s()))

    async def _watch(self) -> None:
        while True:
            due_ns = self._sign_ns + ns(self._silence_s)
            if due_ns <= self._clock.mono_ns():
                self.desk.tell("silent", say("lora.forwarder_silent", seconds=f"{self._silence_s:g}"))
                due_ns = self._clock.mono_ns() + ns(self._silence_s)
            await self._clock.sleep_until(due_ns)

    def take(self, data: bytes, source: str) -> bytes | None:
        """A datagram from an address; the acknowledgement that it wants at once."""
        if not self._may_speak(source):
            self.desk.refuse("rate")
            return None
        if len(data) > LARGEST:
            self.desk.refuse("length")
            return None
        try:
            found = parse(data)
        except BadDatagram as refusal:
            self.desk.refuse(refusal.reason, str(refusal))
            return reply(data) if self._is_allowed(data[4:12].hex()) else None
        if not self._is_allowed(found.gateway):
            self.desk.refuse("gateway", found.gateway)
            return None
        self._hear(found)
        return reply(data)

    def _ages_s(self) -> dict[str, int]:
        now_ns = self._clock.mono_ns()
        return {gateway: (now_ns - heard_ns) // SECOND_NS for gateway, heard_ns in self.gateways.items()}

    def _is_allowed(self, gateway: str) -> bool:
        return not self._allowed or gateway in self._allowed

    def _may_speak(self, source: str) -> bool:
        """A bound for each source, so that one cannot keep the node busy."""
        now_ns = self._clock.mono_ns()
        known = self._sources.get(source)
        if known is None:
            if len(self._sources) >= _MOST_SOURCES:
                del self._sources[min(self._sources, key=lambda each: self._sources[each].at_ns)]
            known = self._sources[source] = _Source(2 * MOST_PER_S, now_ns)
        known.left = min(2 * MOST_PER_S, known.left + (now_ns - known.at_ns) / SECOND_NS * MOST_PER_S)
        known.at_ns = now_ns
        if known.left < 1:
            return False
        known.left -= 1
        return True

    def _hear(self, found: Datagram) -> None:
        self._sign_ns = self._clock.mono_ns()
        if found.gateway in self.gateways or len(self.gateways) < _MOST_SOURCES:
            self.gateways[found.gateway] = self._sign_ns
        self.desk.tell("ok")
        if found.kind != PUSH_DATA:
            return
        for refusal in found.bad:
            self.desk.refuse(refusal.reason, str(refusal))
        for packet in found.packets:
            self._packet(found.gateway, packet)

    def _packet(self, gateway: str, packet: Rxpk) -> None:
        self.desk.heard += 1
        if packet.crc != "ok":
            self.desk.refuse("crc", f"{gateway} {packet.phy.hex()[:40]}")
            return
        heard = Heard(
            self.desk.name,
            Receiver(gateway, packet.rssi, packet.lsnr),
            packet.phy,
            spreading_factor=packet.sf,
            bandwidth_hz=packet.bw_hz,
            frequency_hz=packet.freq_hz,
        )
        outcome = self.desk.hub.heard(heard)
        if outcome.is_refused:
            self.desk.refuse(outcome.refusal, outcome.text)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, inlet: ConcentratorInlet) -> None:
        self._inlet = inlet
        self._transport: asyncio.DatagramTransport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # which Python's own is not, before 3.12

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        answer = self._inlet.take(data, str(addr[0]))
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)

    def error_received(self, exc: Exception) -> None:
        """An answer did not arrive (ICMP): its sender is gone, and others are not."""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
