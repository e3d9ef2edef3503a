"""The node's side of a broker: birth, then readings out and the ledger's word in, while there is a connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.edge.outlet import Outlet
from gateway.edge.presence import Presence
from gateway.mqtt.link import Broker, Connection, Disconnected, Message, stay_connected
from gateway.wire.payload import Stored, decode
from gateway.wire.topics import node_topic

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 60.0
DECLARE_AT_MOST_EVERY_S = 2.0
REVIEW_EVERY_S = 5.0
UNANSWERED_S = 300.0
"""A living connection on which the broker owes an answer for so long is no good one."""


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
        self._announced: set[str] = set()
        self._has_changed = asyncio.Event()
        outlet.word.on_change.append(self.changed)

    async def run(self) -> None:
        """Runs for ever; ends only by cancellation, and then the broker publishes the will."""
        await stay_connected(self._broker, self._presence.will, self.use, on_state=self._on_state)

    def say(self, message: Message) -> None:
        """Publish a retained message now, if there is a connection; the next birth carries it in any case."""
        if self._connection is not None:
            self._connection.publish(message)

    def changed(self) -> None:
        """What is declared lost, or which spools are held, may have changed."""
        self._has_changed.set()

    def _on_state(self, state: str, why: str) -> None:
        (log.info if state == "up" else log.warning)("broker %s: %s", state, why)
        self.state, self.why = state, why

    async def use(self, connection: Connection) -> None:
        """Serve one connection until cancelled."""
        self._outlet.word.connected()
        await connection.subscribe(self._stored_topic)
        self._announced = set(self._presence.spools())
        for message in self._presence.birth():
            connection.publish(message)
        self._connection = connection
        self.is_online.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear(connection), name="uplink stored")
                group.create_task(self._tell(connection), name="uplink health")
                group.create_task(self._carry(connection), name="uplink outlet")
                group.create_task(self._review(), name="uplink review")
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
                    self._outlet.word.hear(decode(Stored, message.payload), is_news=not message.retain)
                except ValueError as error:
                    self.unreadable += 1
                    log.warning("unreadable message on %s: %s", message.topic, error)

    async def _tell(self, connection: Connection) -> None:
        while True:
            connection.publish(Message(self._health_topic, self._health()))
            await asyncio.sleep(HEALTH_EVERY_S)
            if self._outlet.unanswered_s >= UNANSWERED_S:
                raise Disconnected(f"the broker has left a message unanswered for {self._outlet.unanswered_s:.0f} s")

    async def _review(self) -> None:
        while True:
            await asyncio.sleep(REVIEW_EVERY_S)
            self._outlet.word.review()

    async def _carry(self, connection: Connection) -> None:
        """Publish, but first ask whether numbers may be published under the names they have."""
        while True:
            await self._outlet.check()
            async with asyncio.TaskGroup() as group:
                declaring = group.create_task(self._declare(connection), name="uplink lost")
                await self._outlet.use(connection)
                declaring.cancel()

    async def _declare(self, connection: Connection) -> None:
        """Say at every connect, and when it changes, what is lost; and which spools are held, when others are."""
        said: bytes | None = None
        while True:
            self._has_changed.clear()
            spools = set(self._presence.spools())
            if self._announced != spools:
                self._announced = spools
                connection.publish(self._presence.online())
            lost = self._presence.lost(self._outlet.word.declared())
            if lost.payload != said:
                said = lost.payload
                connection.publish(lost)
            await self._has_changed.wait()
            await asyncio.sleep(DECLARE_AT_MOST_EVERY_S)
