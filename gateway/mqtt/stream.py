"""The bytes between an asyncio transport and paho.

Towards the network it is a protocol of the event loop; towards paho it looks like a non-blocking socket that holds one
whole packet at a time. So name look-up, TCP and TLS are asyncio's, writes leave once a turn of the loop, and no packet
reaches paho before its length was checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from gateway.mqtt.codec import Malformed


class Stream(asyncio.Protocol):
    """One connection's bytes. `on_packet(packet)` is called for each whole packet, while `recv` would yield it.

    `on_lost(error)` says that the transport is gone (None: closed by the peer) or that the peer's bytes are no MQTT.
    `maximum_packet` bounds a packet and with it what is buffered here, in bytes. `received_mono` and `sent_mono` are
    monotonic seconds of the last bytes in each direction.
    """

    def __init__(
        self, maximum_packet: int, on_packet: Callable[[bytes], None], on_lost: Callable[[Exception | None], None]
    ) -> None:
        self._maximum_packet = maximum_packet
        self._on_packet = on_packet
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._tail = bytearray()
        self._needed = 0
        self._packet = b""
        self._at = 0
        self._out = bytearray()
        self._is_stopped = False
        self.is_paused = False
        self.received_mono = self.sent_mono = time.monotonic()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # Towards the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.received_mono = self.sent_mono = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.received_mono = time.monotonic()
        if self._is_stopped:
            return
        if self._tail:
            self._tail += data
            if len(self._tail) < self._needed:
                return
            data = bytes(self._tail)
            self._tail.clear()
        try:
            used = self._split(data)
        except Exception as error:
            # Whatever a peer's bytes make paho raise ends this connection and nothing else.
            self.stop()
            self._on_lost(error)
            return
        self._tail += memoryview(data)[used:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_stopped = True
        if not self.gone.done():
            self.gone.set_result(None)
        self._on_lost(exc)

    def _split(self, data: bytes) -> int:
        """Hands out the whole packets in `data`; returns how many bytes they took and notes how many the next needs."""
        at, end = 0, len(data)
        while end - at >= 2 and not self._is_stopped:
            length = data[at + 1]
            body = at + 2
            if length & 0x80:
                length &= 0x7F
                for shift in (7, 14, 21):
                    if body >= end:
                        self._needed = end - at + 1
                        return at
                    byte = data[body]
                    body += 1
                    length |= (byte & 0x7F) << shift
                    if not byte & 0x80:
                        break
                else:
                    raise Malformed("a packet whose length has more than four bytes")
            stop = body + length
            if stop - at > self._maximum_packet:
                raise Malformed(f"a packet of {stop - at} bytes; at most {self._maximum_packet} are taken")
            if stop > end:
                self._needed = stop - at
                return at
            self._packet = data[at:stop]
            self._at = 0
            self._on_packet(self._packet)
            at = stop
        self._needed = 2
        return at

    # Towards our side.

    def flush(self) -> None:
        """Hands everything that paho wrote to the transport, in one piece."""
        if self._out and self._transport is not None:
            self.sent_mono = time.monotonic()
            if not self._transport.is_closing():
                self._transport.write(bytes(self._out))
            self._out.clear()

    def write(self, data: bytes) -> None:
        """Bytes past paho, sent at once (PINGREQ)."""
        self._out += data
        self.flush()

    def pause(self) -> None:
        if not self.is_paused and self._transport is not None and not self._transport.is_closing():
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.is_paused and self._transport is not None:
            self.is_paused = False
            self.received_mono = time.monotonic()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def stop(self) -> None:
        """Nothing more is handed out, whatever still arrives."""
        self._is_stopped = True

    def abort(self) -> None:
        """Closes at once; `gone` is done soon after. Without a transport there is nothing to wait for."""
        self._is_stopped = True
        if self._transport is not None:
            self._transport.abort()
        elif not self.gone.done():
            self.gone.set_result(None)

    # Towards paho: as much of a socket as it uses.

    def recv(self, size: int) -> bytes:
        chunk = self._packet[self._at : self._at + size]
        if not chunk:
            raise BlockingIOError
        self._at += len(chunk)
        return chunk

    def send(self, data: bytes | bytearray) -> int:
        self._out += data
        return len(data)

    def close(self) -> None:
        """paho lets go of its socket; when the transport ends is decided by the session."""

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def fileno(self) -> int:
        return -1
