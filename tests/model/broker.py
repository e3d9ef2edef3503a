"""The rig's broker and network, with more ways to forget, to refuse, and to put things out of order."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.mqtt.broker import Broker, Message
from gateway.mqtt.errors import PublishRefused
from gateway.wire.topics import parse
from tests.rig.model_broker import ModelBroker, Session
from tests.rig.model_link import ModelConnection, Network

ROOT = "lanna/v1"
NOT_AUTHORIZED = 0x87


class ForgetfulBroker(ModelBroker):
    """Acknowledges, and may forget all of it; refuses what is published for the device classes in `refused`."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.has_forgotten = False

    def publish(self, message: Message) -> None:
        """See ModelBroker; raises PublishRefused."""
        address = parse(ROOT, message.topic)
        if address is not None and address.device_class in self.refused:
            raise PublishRefused(message.topic, NOT_AUTHORIZED, "not authorized")
        super().publish(message)

    def crash(self, *, retained: bool, queues: bool, sessions: bool) -> None:
        """It dies, and will come back without these."""
        self.stop()
        kept, said = self._saved
        for session in kept.values():
            if queues:
                session.queue.clear()
                session.open.clear()
        self._saved = ({} if sessions else kept, {} if retained else said)
        self.has_forgotten |= retained or queues or sessions

    def waiting(self) -> list[Session]:
        """Sessions in which something waits for a client that is not there."""
        return [each for each in self._sessions.values() if each.peer is None and len(each.queue) > 1]

    def disorder(self, rng: random.Random, *, doubles: bool) -> None:
        """What waits gets out of order, and part of it comes twice."""
        for session in self.waiting():
            messages = list(session.queue)
            if doubles:
                messages += messages[: len(messages) // 2 + 1]
            rng.shuffle(messages)
            session.queue.clear()
            session.queue.extend(messages)


class BoundedNetwork(Network):
    """The broker takes no more than this at a time, and in a packet, from those who connect."""

    def __init__(self, broker: ModelBroker, *, receive_maximum: int, maximum_packet: int | None) -> None:
        super().__init__(broker)
        self._receive_maximum, self._maximum_packet = receive_maximum, maximum_packet

    @asynccontextmanager
    async def connect(self, broker: Broker, will: Message | None = None) -> AsyncIterator[ModelConnection]:
        """See Network."""
        async with super().connect(broker, will) as connection:
            connection.peer_receive_maximum = self._receive_maximum
            connection.peer_maximum_packet = self._maximum_packet  # type: ignore[assignment]  # None by default
            yield connection
