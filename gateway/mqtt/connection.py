"""One living connection to a broker: publish, subscribe, receive, acknowledge."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque

import aiomqtt

from gateway.mqtt.acks import AckOrder
from gateway.mqtt.broker import AckToken, Broker, Incoming, Message, Protocol
from gateway.mqtt.codec import Publish
from gateway.mqtt.errors import (
    PACKET_TOO_LARGE,
    QOS_UNSUPPORTED,
    RETAIN_UNSUPPORTED,
    TOPIC_INVALID,
    Disconnected,
    LinkError,
    PublishRefused,
    SubscribeRefused,
)
from gateway.mqtt.properties import number_and_name
from gateway.mqtt.session import Session

INBOX_MESSAGES = 10_000
INBOX_BYTES = 32 << 20
"""What waits for `receive` at most, in messages and payload bytes (QoS 0 too): then reading pauses until half is taken.

It pauses too while more than `receive_maximum` messages are unacknowledged. One read (256 KiB) may be on top."""

_SUBSCRIBE_S = 60.0
_LARGEST_PACKET = 268_435_460
_numbers = itertools.count(1)


class Connection:
    """A connection that the broker accepted. It is used in the event loop that made it, and never comes back once lost.

    `peer_receive_maximum`: how many QoS 1 messages the broker takes unacknowledged; `peer_maximum_packet`: its largest
    packet in bytes, None without a limit; `repeats`: messages the broker sent twice on this connection; dropped.
    """

    def __init__(self, broker: Broker, protocol: Protocol, will: Message | None) -> None:
        self.number = next(_numbers)
        self.protocol: Protocol = protocol
        self.session_present = False
        self.peer_receive_maximum = 65535
        self.peer_maximum_packet: int | None = None
        self.repeats = 0
        self._receive_maximum = broker.receive_maximum
        self._session = Session(broker, protocol, will, self)
        self._acks = AckOrder()
        self._inbox: deque[Incoming] = deque()
        self._inbox_bytes = 0
        self._reader: asyncio.Future[None] | None = None
        self._open: dict[int, tuple[asyncio.Future[None], str]] = {}
        self._waiting: deque[tuple[asyncio.Future[None], Message]] = deque()
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Connects; raises ConnectFailed or Refused. For `link.connect` alone."""
        await self._session.open()
        said = self._session.properties
        self.session_present = self._session.session_present
        self.peer_receive_maximum = max(1, said.get("ReceiveMaximum", 65535))
        self.peer_maximum_packet = said.get("MaximumPacketSize")

    async def close(self, *, with_will: bool) -> None:
        """Ends the connection; see `link.connect`."""
        await self._session.close(with_will=with_will)

    def publish(self, message: Message) -> asyncio.Future[None]:
        """Sends at once, or as soon as the broker's receive maximum allows; never a second time.

        The future resolves at PUBACK (QoS 0: at once). It raises PublishRefused, or Disconnected when the
        connection ends first; it may be left unread. The caller bounds how many are open: they are held in memory.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        error = self._check(message)
        if error is not None:
            _fail(future, error)
        elif message.qos and len(self._open) >= self.peer_receive_maximum:
            self._waiting.append((future, message))
        else:
            self._send(future, message)
        return future

    async def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Returns when the broker granted all filters at this QoS (0 or 1); raises SubscribeRefused or Disconnected.

        The answer comes behind what waits in the session, and only while that is received and acknowledged.
        """
        if qos not in (0, 1):
            raise ValueError(f"qos {qos}: this link uses 0 and 1")
        if self._session.ended.done():
            raise self._session.ended.result()
        try:
            granted = await self._session.subscribe([(each, qos) for each in filters], timeout=_SUBSCRIBE_S)
        except ValueError as error:
            raise SubscribeRefused(", ".join(filters), 0x8F, f"topic filter invalid: {error}") from None
        except aiomqtt.MqttError as error:
            raise Disconnected(f"no answer to the subscription: {error}") from None
        for each, code in zip(filters, granted, strict=True):
            value, name = number_and_name(code)
            if value != qos:
                raise SubscribeRefused(each, value, name)

    async def receive(self, limit: int = 1000) -> list[Incoming]:
        """Waits for at least one message; returns all that is there, up to `limit`. One reader at a time.

        What had arrived before the connection was lost is still handed out; then it raises Disconnected.
        """
        while not self._inbox:
            if self._session.ended.done():
                raise self._session.ended.result()
            if self._reader is not None:
                raise RuntimeError("receive is already waiting in another task")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        inbox = self._inbox
        taken = [inbox.popleft() for _ in range(min(limit, len(inbox)))]
        self._inbox_bytes -= sum(len(each.payload) for each in taken)
        self._resume_if_low()
        return taken

    def ack(self, token: AckToken) -> bool:
        """Acknowledges a message; PUBACKs leave in the order of receipt, an early one waits for its elders.

        False, and nothing is sent, when the token belongs to another connection or this one is gone: packet ids are
        used again, so a late PUBACK would acknowledge some other message.
        """
        if token.connection != self.number or self._session.ended.done():
            return False
        for packet_id in self._acks.done(token.order):
            self._session.acknowledge(packet_id)
        self._resume_if_low()
        return True

    async def lost(self) -> None:
        """Returns when the connection is gone."""
        await asyncio.wait((self._session.ended,))

    @property
    def why_lost(self) -> Disconnected | None:
        """Why the connection is gone; None while it lives."""
        return self._session.ended.result() if self._session.ended.done() else None

    def _check(self, message: Message) -> LinkError | None:
        """Why this message could never pass, decided here so that it does not cost the connection."""
        if self._session.ended.done():
            return self._session.ended.result()
        topic, said = message.topic, self._session.properties
        try:
            encoded = topic.encode()
        except UnicodeEncodeError:
            return PublishRefused(topic, TOPIC_INVALID, "topic name invalid: not encodable")
        if not 1 <= len(encoded) <= 65535 or any(each in topic for each in "+#\0"):
            return PublishRefused(topic, TOPIC_INVALID, "topic name invalid")
        body = 2 + len(encoded) + (2 if message.qos else 0) + (1 if self.protocol == "5" else 0) + len(message.payload)
        size = 1 + _length_of_length(body) + body
        if size > (self.peer_maximum_packet or _LARGEST_PACKET):
            return PublishRefused(topic, PACKET_TOO_LARGE, f"packet too large, {size} bytes")
        if message.retain and not said.get("RetainAvailable", 1):
            return PublishRefused(topic, RETAIN_UNSUPPORTED, "retain not supported")
        if message.qos > said.get("MaximumQoS", 2):
            return PublishRefused(topic, QOS_UNSUPPORTED, "QoS not supported")
        return None

    def _resume_if_low(self) -> None:
        low = len(self._inbox) <= INBOX_MESSAGES // 2 and self._inbox_bytes <= INBOX_BYTES // 2
        if low and len(self._acks) <= self._receive_maximum:
            self._session.stream.resume()

    def _send(self, future: asyncio.Future[None], message: Message) -> None:
        try:
            packet_id = self._session.send(message)
        except Disconnected as error:
            _fail(future, error)
        else:
            if message.qos:
                self._open[packet_id] = (future, message.topic)
            else:
                future.set_result(None)

    # From the session.

    def on_message(self, message: Publish) -> None:
        order = -1
        if message.qos:
            if self._acks.is_open(message.packet_id):
                self.repeats += 1
                return
            order = self._acks.arrived(message.packet_id)
        payload = message.payload
        self._inbox.append(Incoming(message.topic, payload, message.qos, message.retain, AckToken(self.number, order)))
        self._inbox_bytes += len(payload)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        # A broker without MQTT 5, or one that miscounts, may send more than we said: then TCP holds it back.
        full = len(self._inbox) >= INBOX_MESSAGES or self._inbox_bytes >= INBOX_BYTES
        if full or len(self._acks) > self._receive_maximum:
            self._session.stream.pause()

    def on_puback(self, packet_id: int, code: int, name: str) -> None:
        entry = self._open.pop(packet_id, None)
        if entry is None:
            return
        future, topic = entry
        if future.done():
            return
        if code >= 0x80:
            _fail(future, PublishRefused(topic, code, name))
        else:
            future.set_result(None)

    def on_turn(self) -> None:
        while self._waiting and len(self._open) < self.peer_receive_maximum:
            future, message = self._waiting.popleft()
            if not future.done():
                self._send(future, message)

    def on_end(self, error: Disconnected) -> None:
        for future, _ in self._open.values():
            _fail(future, error)
        for future, _ in self._waiting:
            _fail(future, error)
        self._open.clear()
        self._waiting.clear()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _fail(future: asyncio.Future[None], error: LinkError) -> None:
    """A future whose error nobody has to look at."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def _length_of_length(body: int) -> int:
    return 1 if body < 128 else 2 if body < 16_384 else 3 if body < 2_097_152 else 4
