"""A packet forwarder that is not there: it sends what its concentrator hears over UDP and waits for its answers."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Sequence

from gateway.lora.gwmp import PULL_DATA, PUSH_DATA

from .radio_sender import OnAir


class Forwarder:
    """One concentrator. `acknowledged` are the tokens that came back."""

    def __init__(self, eui: str = "aa555a0000000101", seed: int = 0) -> None:
        self.eui = bytes.fromhex(eui)
        self.sent = 0
        self.acknowledged: set[bytes] = set()
        self._chance = random.Random(seed)
        self._transport: asyncio.DatagramTransport | None = None
        self._tmst = self._chance.getrandbits(32)

    async def connect(self, host: str, port: int) -> None:
        """Where to send to."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Ears(self), remote_addr=(host, port))

    def close(self) -> None:
        """No more is sent."""
        if self._transport is not None:
            self._transport.close()

    def pull(self) -> bytes:
        """Keep the way back open, as forwarders do every few seconds."""
        return self._send(PULL_DATA, b"")

    def stat(self) -> bytes:
        """What it does every half minute."""
        said = {"stat": {"time": "2012-01-01 00:00:00 GMT", "rxnb": self.sent, "rxok": self.sent}}
        return self._send(PUSH_DATA, json.dumps(said).encode())

    def push(self, packets: Sequence[OnAir]) -> bytes:
        """What was heard in one go; the token."""
        return self._send(PUSH_DATA, json.dumps({"rxpk": [self._rxpk(each) for each in packets]}).encode())

    def raw(self, datagram: bytes) -> None:
        """Any bytes."""
        assert self._transport is not None, "connected"
        self._transport.sendto(datagram)

    def _rxpk(self, packet: OnAir) -> dict[str, object]:
        self._tmst = (self._tmst + 1_000_000) & 0xFFFFFFFF
        return {
            "tmst": self._tmst,
            "time": "2012-01-01T00:02:53.949287Z",
            "chan": 1,
            "rfch": 0,
            "freq": 923.2,
            "stat": 1,
            "modu": "LORA",
            "datr": "SF9BW125",
            "codr": "4/5",
            "rssi": packet.rssi,
            "lsnr": packet.snr,
            "size": len(packet.data),
            "data": base64.b64encode(packet.data).decode(),
        }

    def _send(self, kind: int, body: bytes) -> bytes:
        token = self._chance.randbytes(2)
        self.sent += 1
        self.raw(b"\x02" + token + bytes([kind]) + self.eui + body)
        return token


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._forwarder.acknowledged.add(data[1:3])
