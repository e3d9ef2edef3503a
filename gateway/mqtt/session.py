"""aiomqtt's client with its sockets, its message queue and its view of PUBACK replaced.

What stays of aiomqtt: how paho is set up, the wait for CONNACK and for SUBACK. Used for one connection and then thrown
away, so paho never has an old message to send again.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable
from typing import Any, Protocol

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt import broker as values
from gateway.mqtt.codec import Malformed, Publish, decode_publish, encode_puback, may_come
from gateway.mqtt.dial import dial
from gateway.mqtt.endings import not_connected, why_lost
from gateway.mqtt.errors import UNSUPPORTED_PROTOCOL, ConnectFailed, Disconnected, Refused
from gateway.mqtt.keepalive import CHECKS, Keepalive
from gateway.mqtt.properties import connect_properties, in_words, received
from gateway.mqtt.stream import Stream
from gateway.mqtt.tls import make_context

MAXIMUM_PACKET = 1 << 20
"""The largest packet taken from a broker, in bytes; told to it under MQTT 5."""

_GOODBYE_S = 1.0
_PINGREQ = b"\xc0\x00"
_CONNACK, _PUBLISH = 0x20, 0x30


class Listener(Protocol):
    """Who is told what happens; called in the event loop, must not raise."""

    def on_message(self, message: Publish) -> None: ...
    def on_puback(self, packet_id: int, code: int, name: str) -> None: ...
    def on_turn(self) -> None: ...
    def on_end(self, error: Disconnected) -> None: ...


class Session(aiomqtt.Client):
    """One attempt to connect and, when it succeeds, one connection. `ended` will hold why it is gone."""

    def __init__(
        self, broker: values.Broker, protocol: values.Protocol, will: values.Message | None, listener: Listener
    ) -> None:
        is_5 = protocol == "5"
        is_persistent = broker.session_expiry_s > 0
        super().__init__(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            protocol=aiomqtt.ProtocolVersion.V5 if is_5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if is_5 else not is_persistent,
            clean_start=not is_persistent if is_5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            keepalive=broker.keepalive_s,
            properties=connect_properties(broker, MAXIMUM_PACKET) if is_5 else None,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
            timeout=broker.connect_timeout_s,
        )
        self.broker = broker
        self.is_5 = is_5
        self.session_present = False
        self.properties: dict[str, Any] = {}
        self.ended: asyncio.Future[Disconnected] = self._loop.create_future()
        self._listener = listener
        self.stream = Stream(MAXIMUM_PACKET, self._on_packet, self._on_lost)
        self._keepalive_check = Keepalive(broker.keepalive_s, time.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = self._is_write_due = self._is_writing = False
        self._client.disable_logger()
        self._client.manual_ack_set(True)
        self._client.max_inflight_messages_set(0)  # no limit: paho's 20 would hold messages back without telling
        self._client._create_socket = lambda: self.stream  # type: ignore[method-assign]

    async def open(self) -> None:
        """Returns when the broker said yes; raises ConnectFailed or Refused. Cancelling leaves nothing open."""
        broker = self.broker
        is_open = False
        try:
            async with asyncio.timeout(broker.connect_timeout_s):
                await self._open()
            is_open = True
        except TimeoutError:
            raise ConnectFailed(f"{broker.where} does not answer within {broker.connect_timeout_s:g} s") from None
        except OSError as error:
            raise not_connected(error, broker) from None
        except MqttConnectError as error:
            code = error.rc
            assert isinstance(code, ReasonCode)
            raise Refused(code.value, in_words(code, self.properties), broker.where) from None
        finally:
            if not is_open:
                self._end(Disconnected("never connected"))
                await self.stream.gone
        if not self.ended.done():
            self._check_keepalive()

    async def _open(self) -> None:
        broker = self.broker
        context: ssl.SSLContext | None = None
        if broker.is_tls:
            context = await asyncio.to_thread(make_context, broker.ca_file, broker.cert_file, broker.key_file)
        sock = await dial(broker.host, broker.port, broker.connect_timeout_s)
        await self._loop.create_connection(
            lambda: self.stream, sock=sock, ssl=context, server_hostname=broker.host if context else None
        )
        # Does not block: its socket is our stream.
        self._client.connect(
            self._hostname, self._port, self._keepalive, clean_start=self._clean_start, properties=self._properties
        )
        await asyncio.wait((self._connected, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            hint = "; does it want a certificate of ours (cert_file)?" if context and not broker.cert_file else ""
            raise ConnectFailed(f"{broker.where}: {self.ended.result()}{hint}", is_closed=True)
        self._connected.result()

    async def close(self, *, with_will: bool) -> None:
        """Says DISCONNECT, waits a moment for the broker to close; `with_will`: it publishes the will. Idempotent."""
        try:
            if not self.ended.done() and (self.is_5 or not with_will):
                self._is_closing = True
                code = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message") if with_will else None
                self._client.disconnect(code)
                self._write()
                self.stream.resume()  # unread bytes would turn the close into a reset that overtakes DISCONNECT
                await asyncio.wait((self.ended,), timeout=_GOODBYE_S)
        finally:
            self._end(Disconnected("closed by us"))
            await self.stream.gone

    def send(self, message: values.Message) -> int:
        """Hands the message to paho; returns its packet id. It leaves in this turn of the loop."""
        while True:
            info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
            if info.rc == paho.MQTT_ERR_SUCCESS:
                return info.mid
            if info.rc != paho.MQTT_ERR_QUEUE_SIZE:  # which means: this packet id is still in use
                raise Disconnected("the connection is gone")

    def acknowledge(self, packet_id: int) -> None:
        """Sends a PUBACK, in one write with all others of this turn of the loop."""
        self.stream.send(encode_puback(packet_id))
        self._write_soon()

    # From the stream.

    def _on_packet(self, packet: bytes) -> None:
        if self._is_closing:
            return
        first = packet[0]
        if not may_come(first, is_connected=self._is_connected()):
            raise Malformed(f"an unexpected packet (first byte 0x{first:02X})")
        if first & 0xF0 == _PUBLISH:
            message = decode_publish(packet, self.is_5)
            if message is not None:
                self._listener.on_message(message)
                return
        if first == _CONNACK and not self.is_5 and packet[3:] == b"\x01":
            refused = Refused(UNSUPPORTED_PROTOCOL, "unsupported protocol version", self.broker.where)
            self._connected.set_exception(refused)  # paho keeps silent about this one
            return
        rc = self._client.loop_read()
        if rc != paho.MQTT_ERR_SUCCESS:
            raise Malformed("a malformed packet" if self._connected.done() else "an answer to CONNECT that is none")
        self._listener.on_turn()

    def _on_lost(self, error: Exception | None) -> None:
        if isinstance(error, ssl.SSLError) and not self._connected.done():
            self._connected.set_exception(not_connected(error, self.broker))
            self._connected.exception()
        self._end(why_lost(error, self.broker))

    def _is_connected(self) -> bool:
        return self._connected.done() and not self._connected.cancelled() and self._connected.exception() is None

    def _end(self, error: Disconnected) -> None:
        if self.ended.done():
            return
        self.ended.set_result(error)
        if self._timer is not None:
            self._timer.cancel()
        self.stream.abort()
        for pending in self._pending_subscribes.values():
            if not pending.done():
                pending.set_exception(error)
        self._listener.on_end(error)

    def _check_keepalive(self) -> None:
        now, stream, keepalive = time.monotonic(), self.stream, self._keepalive_check
        what = keepalive.step(now, stream.received_mono, stream.sent_mono, is_reading=not stream.is_paused)
        if what == "dead":
            silent_s = keepalive.silent_s(now, stream.received_mono)
            self._end(Disconnected(f"{self.broker.where} has not answered for {silent_s:.1f} s"))
            return
        if what == "ping":
            stream.write(_PINGREQ)
        self._timer = self._loop.call_later(keepalive.keepalive_s / CHECKS, self._check_keepalive)

    def _write_soon(self) -> None:
        if not self._is_write_due:
            self._is_write_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_write_due = False
        self._is_writing = True
        try:
            self._client.loop_write()
        finally:
            self._is_writing = False
        self.stream.flush()

    # From paho, in the place of aiomqtt's.

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = flags.session_present
        self.properties = received(properties)
        keepalive_s = self.properties.get("ServerKeepAlive") or self.broker.keepalive_s
        self._keepalive_check = Keepalive(keepalive_s, time.monotonic())
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            why = in_words(reason_code, received(properties))
            self._end(Disconnected(f"{self.broker.where} ended the connection: {why}", reason_code.value))

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if not message.topic:
            raise Malformed("a PUBLISH without a topic")
        payload = bytes(message.payload)
        self._listener.on_message(Publish(message.topic, payload, message.qos, message.retain, message.mid))

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if not self._is_writing:  # else it only says that a QoS 0 message is written, whose id may be anyone's
            self._listener.on_puback(mid, reason_code.value, reason_code.getName().lower())

    async def _wait_for(self, fut: Awaitable[Any], timeout: float | None) -> Any:
        # aiomqtt's uses asyncio.wait_for, which in Python 3.11 swallows a cancellation that meets the answer.
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None = None,
    ) -> None:
        if mid in self._pending_subscribes:
            super()._on_subscribe(client, userdata, mid, reason_codes, properties)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """The stream is in the loop already."""

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """The stream is closed by `_end`."""

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._write_soon()

    def _on_socket_unregister_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """Everything paho has is written at once; there is no writer to remove."""
