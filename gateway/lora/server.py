"""A network server's broker as a way in: a connection of its own, acknowledged when what it brought is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.lora import chirpstack, things_stack
from gateway.lora.receiver import Desk
from gateway.lora.uplinks import DeviceNote, GatewayNote, Refused, UplinkMessage
from gateway.mqtt.link import Broker, Connection, Disconnected, Incoming, SubscribeRefused, stay_connected
from gateway.ops.texts import say
from gateway.spool.errors import SpoolError
from gateway.spool.spool import Spool

log = logging.getLogger(__name__)

RECEIVE_MAXIMUM = 100
"""Messages that may come again after a crash: fewer than the keys that are remembered."""
SESSION_EXPIRY_S = 7 * 86_400
_BATCH = 50
_LOUD = ("encoding", "version")
"""Refusals that mean every message: somebody must change a setting."""
_DURABLE_S = 2.0

Parse = Callable[[str, bytes], UplinkMessage | DeviceNote | GatewayNote]


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One kind of network server: how its messages are read, what is subscribed to and with which QoS."""

    parse: Parse
    filters: Callable[[str], Sequence[str]]
    qos: int


SERVERS = {
    "chirpstack": ServerKind(
        chirpstack.parse,
        # Some installations put a region's or a site's prefix before all topics.
        lambda application: [f"{prefix}application/{application}/device/+/event/+" for prefix in ("", "+/")],
        1,
    ),
    "things-stack": ServerKind(things_stack.parse, lambda application: [f"v3/{application}/devices/+/#"], 0),
}


class ServerInlet:
    """Stays connected to one network server's broker. `is_durable` returns when all that was recorded is on disk."""

    def __init__(
        self,
        desk: Desk,
        kind: ServerKind,
        broker: Callable[[], Broker],
        is_durable: Callable[[], Awaitable[None]],
        *,
        application: str = "+",
    ) -> None:
        self.desk = desk
        self._kind, self._broker, self._is_durable, self._application = kind, broker, is_durable, application

    async def run(self) -> None:
        """See `Inlet`."""
        await stay_connected(self._broker, lambda: None, self._use, on_state=self._on_state)

    def _on_state(self, state: str, why: str) -> None:
        if state == "up":
            self.desk.tell("ok")
        else:
            self.desk.tell("absent", say("lora.server_unreachable", why=why))

    async def _use(self, connection: Connection) -> None:
        first, *others = self._kind.filters(self._application)
        await connection.subscribe(first, qos=self._kind.qos)
        for each in others:
            try:
                await connection.subscribe(each, qos=self._kind.qos)
            except SubscribeRefused as error:  # this user may see only the usual topics
                log.info("receiver %s: %s", self.desk.name, error)
        while True:
            messages = await connection.receive(_BATCH)
            for message in messages:
                self.take(message)
            try:
                await self._is_durable()
            except SpoolError as error:  # not acknowledged: it comes again
                raise Disconnected(f"readings cannot be kept: {error}") from error
            for message in messages:
                if message.qos:
                    connection.ack(message.token)

    def take(self, message: Incoming) -> None:
        """One message of the server."""
        self.desk.heard += 1
        try:
            told = self._kind.parse(message.topic, message.payload)
        except Refused as refusal:
            self.desk.refuse(refusal.reason, str(refusal))
            if refusal.reason in _LOUD:
                self.desk.tell("faulty", str(refusal))
            return
        self.desk.tell("ok")
        if isinstance(told, GatewayNote):
            return
        outcome = self.desk.hub.told(self.desk.name, told)
        if outcome.is_refused:
            self.desk.refuse(outcome.refusal, outcome.text)


class Durable:
    """Waits until all that was appended to the spool is durable, without a commit of its own."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._committed = asyncio.Event()
        spool.on_commit(lambda group: self._committed.set())

    async def __call__(self) -> None:
        """Raises SpoolError where the disk refuses."""
        last = self._spool.next - 1
        try:
            async with asyncio.timeout(_DURABLE_S):
                while self._spool.committed < last:
                    self._committed.clear()
                    await self._committed.wait()
        except TimeoutError:
            await self._spool.flush()
