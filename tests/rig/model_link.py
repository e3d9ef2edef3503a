"""A model of connections to a ModelBroker, with the face of gateway.mqtt.connection.Connection, and of their network.

Acknowledgements go out in the order of receipt by the product's own code (gateway.mqtt.acks).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.mqtt.acks import AckOrder
from gateway.mqtt.broker import AckToken, Broker, Incoming, Message
from gateway.mqtt.errors import ConnectFailed, Disconnected, PublishRefused
from tests.rig.model_broker import ModelBroker

_numbers = itertools.count(1)


@dataclass(slots=True)
class Way:
    """The way of the clients whose id begins alike: seconds each way, and whether it swallows everything."""

    delay_s: float = 0.002
    is_hole: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)
    connections: set[ModelConnection] = field(default_factory=set)


class Network:
    """Connects clients to a broker in the running loop. `connect` takes the place of gateway.mqtt.link.connect."""

    def __init__(self, broker: ModelBroker) -> None:
        self.broker = broker
        self.ways: dict[str, Way] = {}

    def way(self, prefix: str) -> Way:
        """The way of all clients whose id begins with this."""
        return self.ways.setdefault(prefix, Way())

    def way_of(self, client: str) -> Way:
        """Where nothing was said, a way of its own."""
        return next((way for prefix, way in self.ways.items() if client.startswith(prefix)), None) or self.way(client)

    def hole(self, prefix: str) -> None:
        """Nothing passes there; nobody is told."""
        self.way(prefix).is_hole = True

    def mend(self, prefix: str) -> None:
        """What waited in the hole arrives, where its connection still lives."""
        way = self.way(prefix)
        way.is_hole = False
        held, way.held = way.held, []
        for arrive in held:
            arrive()

    def reset(self, prefix: str) -> None:
        """Both ends of all present connections there learn that it is over."""
        for connection in list(self.way(prefix).connections):
            connection.cut("connection lost: reset")

    def vanish(self, prefix: str) -> None:
        """The client's machine is gone: the broker will notice when its patience ends."""
        for connection in list(self.way(prefix).connections):
            connection.vanish()

    @asynccontextmanager
    async def connect(self, broker: Broker, will: Message | None = None) -> AsyncIterator[ModelConnection]:
        """See gateway.mqtt.link.connect."""
        way = self.way_of(broker.client_id)
        if way.is_hole:
            await asyncio.sleep(broker.connect_timeout_s)
            raise ConnectFailed("no answer within 10 s")
        await asyncio.sleep(2 * way.delay_s)
        if not self.broker.is_up:
            raise ConnectFailed("nothing listens", is_refused=True)
        connection = ModelConnection(self.broker, way, broker, will)
        try:
            yield connection
        except BaseException:
            connection.close(with_will=True)
            raise
        connection.close(with_will=False)


class ModelConnection:
    """Both ends of one connection. The client's face is that of the product's Connection."""

    def __init__(self, broker: ModelBroker, way: Way, said: Broker, will: Message | None) -> None:
        self.number = next(_numbers)
        self.protocol = "5"
        self.peer_receive_maximum, self.peer_maximum_packet = 65535, None
        self.receive_maximum = said.receive_maximum
        self.why_lost: Disconnected | None = None
        self._client, self._broker, self._way, self._keepalive_s = said.client_id, broker, way, said.keepalive_s
        self._loop = asyncio.get_running_loop()
        self._is_heard = True  # by the broker
        self._acks, self._order = AckOrder(), itertools.count()
        self._inbox: deque[Incoming] = deque()
        self._some, self._ended = asyncio.Event(), asyncio.Event()
        self._open: set[asyncio.Future[None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._arrives_at = {"up": 0.0, "down": 0.0}
        way.connections.add(self)
        self.session_present = broker.connect(self._client, self, expiry_s=said.session_expiry_s, will=will)
        self._watch()

    # The client's face.

    def publish(self, message: Message) -> asyncio.Future[None]:
        """See Connection.publish."""
        future: asyncio.Future[None] = self._loop.create_future()
        if self.why_lost is not None:
            future.set_exception(self.why_lost)
            future.exception()
            return future
        self._open.add(future)
        self._travel("up", lambda: self._published(message, future))
        return future

    async def subscribe(self, *filters: str, qos: int = 1) -> None:
        """See Connection.subscribe."""
        await self._ask(lambda: self._broker.subscribe(self._client, filters))

    async def receive(self, limit: int = 1000) -> list[Incoming]:
        """See Connection.receive."""
        while not self._inbox:
            if self.why_lost is not None:
                raise self.why_lost
            self._some.clear()
            await self._some.wait()
        return [self._inbox.popleft() for _ in range(min(limit, len(self._inbox)))]

    def ack(self, token: AckToken) -> bool:
        """See Connection.ack."""
        if token.connection != self.number or self.why_lost is not None:
            return False
        for packet_id in self._acks.done(token.order):
            self._travel("up", lambda each=packet_id: self._broker.acknowledged(self._client, self, each))
        return True

    async def lost(self) -> None:
        """See Connection.lost."""
        await self._ended.wait()

    def close(self, *, with_will: bool) -> None:
        """The client ends it; in a hole the broker does not hear that."""
        self._lose(Disconnected("closed by us"))
        if not self._way.is_hole:
            self._tell_broker(with_will=with_will)
        else:
            self._loop.call_later(1.5 * self._keepalive_s, lambda: self._tell_broker(with_will=True))

    # The broker's face.

    def deliver(self, packet_id: int, message: Message, *, is_retained: bool) -> None:
        """See Peer.deliver."""

        def arrive() -> None:
            if self.why_lost is None:
                order = self._acks.arrived(packet_id)
                token = AckToken(self.number, order)
                self._inbox.append(Incoming(message.topic, message.payload, message.qos, is_retained, token))
                self._some.set()

        self._travel("down", arrive)

    def closed_by_broker(self) -> None:
        """See Peer.closed_by_broker."""
        self._is_heard = False
        self._lose(Disconnected("the broker closed it"))

    # Faults.

    def cut(self, why: str) -> None:
        """Both ends know."""
        self._lose(Disconnected(why))
        self._tell_broker(with_will=True)

    def vanish(self) -> None:
        """The client is gone, and the broker knows when its patience ends."""
        self._lose(Disconnected("machine gone"))
        self._loop.call_later(1.5 * self._keepalive_s, lambda: self._tell_broker(with_will=True))

    # Between them.

    def _ask(self, there: Callable[[], None]) -> asyncio.Future[None]:
        """Something that the broker does and answers."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._open.add(future)

        def arrive() -> None:
            there()
            self._travel("down", lambda: self._answered(future))

        self._travel("up", arrive)
        return future

    def _published(self, message: Message, future: asyncio.Future[None]) -> None:
        refusal: PublishRefused | None = None
        try:
            self._broker.publish(message)
        except PublishRefused as error:
            refusal = error
        self._travel("down", lambda: self._answered(future, refusal))

    def _answered(self, future: asyncio.Future[None], refusal: PublishRefused | None = None) -> None:
        self._open.discard(future)
        if future.done():
            return
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(refusal)
            future.exception()

    def _travel(self, direction: str, arrive: Callable[[], None]) -> None:
        """Arrives in order, unless the connection ends first."""

        def at_the_end() -> None:
            if self._way.is_hole:
                self._way.held.append(at_the_end)
            elif self.why_lost is None and self._is_heard and self._broker.is_up:
                arrive()

        # Not the same instant as the one before: the loop's heap of timers keeps no order among equals.
        due = max(self._loop.time() + self._way.delay_s, self._arrives_at[direction] + 1e-7)
        self._arrives_at[direction] = due
        self._loop.call_at(due, at_the_end)

    def _watch(self) -> None:
        """Pings: in a hole both ends give up after one and a half keepalives."""

        def look(since: float | None) -> None:
            if self.why_lost is not None:
                return
            since = (since or self._loop.time()) if self._way.is_hole else None
            if since is not None and self._loop.time() - since >= 1.5 * self._keepalive_s:
                self._lose(Disconnected("no answer to a ping"))
                self._tell_broker(with_will=True)
                return
            self._patience = self._loop.call_later(self._keepalive_s / 2, look, since)

        look(None)

    def _lose(self, why: Disconnected) -> None:
        if self.why_lost is not None:
            return
        self.why_lost = why
        if self._patience is not None:
            self._patience.cancel()
        self._way.connections.discard(self)
        for future in self._open:
            if not future.done():
                future.set_exception(why)
                future.exception()
        self._open.clear()
        self._some.set()
        self._ended.set()

    def _tell_broker(self, *, with_will: bool) -> None:
        if self._is_heard:
            self._is_heard = False
            self._broker.gone(self._client, self, with_will=with_will)
