"""The node's side of a broker: birth, then readings out and the ledger's word in, while there is a connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.edge.outlet import Outlet
from gateway.edge.presence import Presence
from gateway.mqtt.link import Broker, Connection, Message, stay_connected
from gateway.wire.payload import Stored, decode
from gateway.wire.topics import node_topic

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 60.0


class Uplink:
    """Keeps one outlet connected. `health` makes the payload that goes out every minute."""

    def __init__(
        self,
        outlet: Outlet,
        presence: Presence,
        broker: Callable[[], Broker],
        *,
        root: str,
        node: str,
        health: Callable[[], bytes],
    ) -> None:
        self.state, self.why = "down", "not yet connected"
        self.is_online = asyncio.Event()
        self.unreadable = 0
        """Messages on our `stored` topic that were none."""
        self._outlet, self._presence, self._broker, self._health = outlet, presence, broker, health
        self._stored_topic = node_topic(root, node, "stored")
        self._health_topic = node_topic(root, node, "health")
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Runs for ever; ends only by cancellation, and then the broker publishes the will."""
        await stay_connected(self._broker, self._presence.will, self._use, on_state=self._on_state)

    def say(self, message: Message) -> None:
        """Publish a retained message now, if there is a connection; the next birth carries it in any case."""
        if self._connection is not None:
            self._connection.publish(message)

    def _on_state(self, state: str, why: str) -> None:
        (log.info if state == "up" else log.warning)("broker %s: %s", state, why)
        self.state, self.why = state, why

    async def _use(self, connection: Connection) -> None:
        await connection.subscribe(self._stored_topic)
        for message in self._presence.birth():
            connection.publish(message)
        self._connection = connection
        self.is_online.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear(connection), name="uplink stored")
                group.create_task(self._tell(connection), name="uplink health")
                group.create_task(self._outlet.use(connection), name="uplink outlet")
        finally:
            self._connection = None
            self.is_online.clear()

    async def _hear(self, connection: Connection) -> None:
        while True:
            for message in await connection.receive():
                connection.ack(message.token)
                # A retained message that was cleared is empty; that says nothing about our numbers.
                if message.topic != self._stored_topic or not message.payload:
                    continue
                try:
                    self._outlet.on_stored(decode(Stored, message.payload))
                except ValueError as error:
                    self.unreadable += 1
                    log.warning("unreadable message on %s: %s", message.topic, error)

    async def _tell(self, connection: Connection) -> None:
        while True:
            connection.publish(Message(self._health_topic, self._health()))
            await asyncio.sleep(HEALTH_EVERY_S)
