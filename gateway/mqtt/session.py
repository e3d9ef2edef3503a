"""aiomqtt's client with its sockets, its message queue and its view of PUBACK replaced.

What stays of aiomqtt: how paho is set up, the wait for CONNACK and for SUBACK. Used for one connection and then thrown
away, so paho never has an old message to send again.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, Protocol

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt import broker as values
from gateway.mqtt.dial import dial
from gateway.mqtt.errors import ConnectFailed, Disconnected, Refused
from gateway.mqtt.stream import Malformed, Stream
from gateway.mqtt.tls import explain, make_context

MAXIMUM_PACKET = 1 << 20
"""The largest packet taken from a broker, in bytes; told to it under MQTT 5."""

_GOODBYE_S = 1.0
_PINGREQ = b"\xc0\x00"
_CONNACK = 0x20
# First bytes a broker may send to a client that uses QoS 0 and 1: PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP and
# DISCONNECT.
_ALLOWED = frozenset({0x30, 0x31, 0x32, 0x33, 0x38, 0x39, 0x3A, 0x3B, 0x40, 0x90, 0xB0, 0xD0, 0xE0})


class Listener(Protocol):
    """Who is told what happens; called in the event loop, must not raise."""

    def on_message(self, message: paho.MQTTMessage) -> None: ...
    def on_puback(self, packet_id: int, code: int, name: str) -> None: ...
    def on_turn(self) -> None: ...
    def on_end(self, error: Disconnected) -> None: ...


class Session(aiomqtt.Client):
    """One attempt to connect and, when it succeeds, one connection. `ended` holds why it is gone."""

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
            properties=_connect_properties(broker) if is_5 else None,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
            timeout=broker.connect_timeout_s,
        )
        self.broker = broker
        self.is_5 = is_5
        self.session_present = False
        self.properties: dict[str, Any] = {}
        self.ended: asyncio.Future[Disconnected] = self._loop.create_future()
        self._listener = listener
        self._stream = Stream(MAXIMUM_PACKET, self._on_packet, self._on_lost)
        self._keepalive_s = float(broker.keepalive_s)
        self._pinged_mono = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        client = self._client
        client.disable_logger()
        client.manual_ack_set(True)
        client.max_inflight_messages_set(0)  # no limit: paho's 20 would hold messages back without telling
        client._create_socket = lambda: self._stream  # type: ignore[method-assign]

    async def open(self) -> None:
        """Returns when the broker said yes; raises ConnectFailed or Refused. Cancelling leaves nothing open."""
        broker = self.broker
        try:
            async with asyncio.timeout(broker.connect_timeout_s):
                await self._open()
        except TimeoutError:
            raise ConnectFailed(f"{broker.where} does not answer within {broker.connect_timeout_s:g} s") from None
        except OSError as error:
            raise ConnectFailed(explain(error, broker.host, broker.port, broker.is_tls, broker.ca_file)) from None
        except MqttConnectError as error:
            code = error.rc
            assert isinstance(code, ReasonCode)
            raise Refused(code.value, code.getName().lower(), broker.where) from None
        finally:
            if not self._is_connected():
                self._end(Disconnected("never connected"))
                await self._stream.gone
        self._timer = self._loop.call_later(self._keepalive_s / 10, self._check_keepalive, time.monotonic())

    async def _open(self) -> None:
        broker = self.broker
        context: ssl.SSLContext | None = None
        if broker.is_tls:
            context = await asyncio.to_thread(make_context, broker.ca_file, broker.cert_file, broker.key_file)
        sock = await dial(broker.host, broker.port, broker.connect_timeout_s)
        await self._loop.create_connection(
            lambda: self._stream, sock=sock, ssl=context, server_hostname=broker.host if context else None
        )
        # Does not block: its socket is our stream.
        self._client.connect(
            self._hostname, self._port, self._keepalive, clean_start=self._clean_start, properties=self._properties
        )
        await asyncio.wait((self._connected, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            raise ConnectFailed(f"{broker.where}: {self.ended.result()}", is_closed=True)
        self._connected.result()

    async def close(self, *, with_will: bool) -> None:
        """Says DISCONNECT, waits a moment for the broker to close; `with_will`: it publishes the will. Idempotent."""
        try:
            if not self.ended.done() and (self.is_5 or not with_will):
                self._is_closing = True
                code = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message") if with_will else None
                self._client.disconnect(code)
                self._write()
                self._stream.resume()  # unread bytes would turn the close into a reset that overtakes DISCONNECT
                await asyncio.wait((self.ended,), timeout=_GOODBYE_S)
        finally:
            self._end(Disconnected("closed by us"))
            await self._stream.gone

    def publish_now(self, message: values.Message) -> int:
        """Hands the message to paho; returns its packet id. It leaves in this turn of the loop."""
        while True:
            info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
            if info.rc == paho.MQTT_ERR_SUCCESS:
                return info.mid
            if info.rc != paho.MQTT_ERR_QUEUE_SIZE:  # which means: this packet id is still in use
                raise Disconnected("the connection is gone")

    def acknowledge(self, packet_id: int) -> None:
        self._client.ack(packet_id, 1)

    def pause(self) -> None:
        self._stream.pause()

    def resume(self) -> None:
        self._stream.resume()

    def fail(self, why: str) -> None:
        """Ends the connection because the peer broke the rules."""
        self._end(Disconnected(f"{self.broker.where} sent {why}"))

    # From the stream.

    def _on_packet(self, first: int) -> None:
        if self._is_closing:
            return
        if first not in _ALLOWED if self._is_connected() else first not in (_CONNACK, 0xE0):
            raise Malformed(f"an unexpected packet (first byte 0x{first:02X})")
        rc = self._client.loop_read()
        if rc != paho.MQTT_ERR_SUCCESS and not self._connected.done():
            raise Malformed(f"an answer to CONNECT that is none ({paho.error_string(rc).lower().rstrip('.')})")
        if rc != paho.MQTT_ERR_SUCCESS:
            raise Malformed("a malformed packet")
        self._listener.on_turn()

    def _on_lost(self, error: Exception | None) -> None:
        if isinstance(error, Malformed):
            self.fail(str(error))
        elif isinstance(error, ssl.SSLError):
            why = explain(error, self.broker.host, self.broker.port, self.broker.is_tls, self.broker.ca_file)
            if not self._connected.done():
                self._connected.set_exception(ConnectFailed(why))
                self._connected.exception()
            self._end(Disconnected(why))
        elif error is None or isinstance(error, OSError):
            self._end(
                Disconnected("the broker closed the connection" if error is None else f"connection lost: {error}")
            )
        else:
            self.fail(f"a malformed packet ({type(error).__name__}: {error})")

    def _is_connected(self) -> bool:
        return self._connected.done() and not self._connected.cancelled() and self._connected.exception() is None

    def _end(self, error: Disconnected) -> None:
        if self.ended.done():
            return
        self.ended.set_result(error)
        if self._timer is not None:
            self._timer.cancel()
        self._stream.abort()
        for pending in self._pending_subscribes.values():
            if not pending.done():
                pending.set_exception(error)
        self._listener.on_end(error)

    def _check_keepalive(self, last_mono: float) -> None:
        """Runs ten times in a keepalive: a ping after 0.6 of it in silence, the end after 1.3."""
        now, stream, keepalive_s = time.monotonic(), self._stream, self._keepalive_s
        is_late = now - last_mono > 0.4 * keepalive_s
        if stream.is_paused or is_late:
            # We did not read, so the silence is ours.
            stream.received_mono = now
        if now - stream.received_mono >= 1.3 * keepalive_s:
            self._end(Disconnected(f"{self.broker.where} has not answered for {now - stream.received_mono:.1f} s"))
            return
        quiet_since_mono = min(stream.received_mono, stream.sent_mono)
        if is_late or (now - quiet_since_mono >= 0.6 * keepalive_s and now - self._pinged_mono >= 0.6 * keepalive_s):
            self._pinged_mono = now
            stream.write(_PINGREQ)
        self._timer = self._loop.call_later(keepalive_s / 10, self._check_keepalive, now)

    def _write(self) -> None:
        self._client.loop_write()
        self._stream.flush()

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
        self.properties = {} if properties is None else dict(vars(properties))
        self._keepalive_s = float(self.properties.get("ServerKeepAlive", 0) or self._keepalive_s)
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
            said = getattr(properties, "ReasonString", "")
            why = f"{self.broker.where} ended the connection: {reason_code.getName().lower()}{said and f' ({said})'}"
            self._end(Disconnected(why, reason_code.value))

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._listener.on_message(message)

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._listener.on_puback(mid, reason_code.value, reason_code.getName().lower())

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
        self._loop.call_soon(self._write)

    def _on_socket_unregister_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        """Everything paho has is written at once; there is no writer to remove."""


def _connect_properties(broker: values.Broker) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = broker.receive_maximum
    properties.MaximumPacketSize = MAXIMUM_PACKET
    if broker.session_expiry_s:
        properties.SessionExpiryInterval = broker.session_expiry_s
    return properties
