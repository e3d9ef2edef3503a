"""Semtech's packet-forwarder protocol over UDP, version 2 (GWMP): what a concentrator says, and the answer it wants.

    0   1  version, 2
    1   2  token, given back in the acknowledgement
    3   1  identifier: 00 PUSH_DATA, 02 PULL_DATA, 05 TX_ACK from the gateway; 01, 03, 04 are ours
    4   8  EUI of the gateway
    12     JSON: {"rxpk": [packets]}, {"stat": …}; PULL_DATA has none

The protocol has no authentication: whoever reaches the port can claim any gateway. `time` is the concentrator's word
and often of 2012; it is not read. Source: Lora-net/packet_forwarder PROTOCOL.TXT.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LARGEST = 65_507
MOST_PACKETS = 64
"""A concentrator demodulates at most 16 at once; a datagram with more is not one's."""

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
Refusal = Literal["length", "version", "identifier", "json", "field", "base64"]

_HEAD, _VERSION = 12, 2
_DATR = re.compile(r"SF(\d{1,2})BW(\d{2,4})", re.IGNORECASE)
_CRC: Mapping[int, Literal["ok", "fail", "none"]] = {1: "ok", -1: "fail", 0: "none"}
_ACKS = {PUSH_DATA: PUSH_ACK, PULL_DATA: PULL_ACK}


class BadDatagram(Exception):
    """A datagram, or one packet in it, that cannot be read. `reason` is counted."""

    def __init__(self, reason: Refusal, why: str) -> None:
        super().__init__(why)
        self.reason: Refusal = reason


@dataclass(frozen=True, slots=True)
class Rxpk:
    """One packet that a concentrator heard. `sf` and `bw_hz` are None for FSK; `tmst` counts µs in 32 bits."""

    phy: bytes
    crc: Literal["ok", "fail", "none"]
    tmst: int | None
    freq_hz: int | None
    sf: int | None
    bw_hz: int | None
    codr: str
    rssi: float | None
    lsnr: float | None


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a concentrator sent. `bad` are packets in it that could not be read; they cost the others nothing."""

    kind: int
    token: bytes
    gateway: str
    packets: tuple[Rxpk, ...] = ()
    bad: tuple[BadDatagram, ...] = ()
    stat: Mapping[str, Any] = field(default_factory=dict)
    txpk_ack: Mapping[str, Any] = field(default_factory=dict)


def reply(data: bytes) -> bytes | None:
    """The acknowledgement that a datagram wants at once, whatever its JSON holds; None where it wants none."""
    if len(data) < _HEAD or data[0] != _VERSION or data[3] not in _ACKS:
        return None
    return data[:3] + bytes([_ACKS[data[3]]])


def parse(data: bytes) -> Datagram:
    """What a datagram says. Raises BadDatagram."""
    if len(data) < 4:
        raise BadDatagram("length", f"{len(data)} bytes; a header has 4 at least")
    if data[0] != _VERSION:
        raise BadDatagram("version", f"protocol version {data[0]}; only 2 is spoken")
    kind = data[3]
    if kind not in (PUSH_DATA, PULL_DATA, TX_ACK):
        raise BadDatagram("identifier", f"identifier {kind} does not come from a gateway")
    if len(data) < _HEAD or (kind == PULL_DATA and len(data) > _HEAD):
        raise BadDatagram("length", f"{len(data)} bytes; a gateway's datagram begins with 12")
    token, gateway, body = data[1:3], data[4:_HEAD].hex(), data[_HEAD:]
    if kind == PULL_DATA:
        return Datagram(kind, token, gateway)
    if kind == TX_ACK and not body.strip(b"\0 "):
        return Datagram(kind, token, gateway, txpk_ack={"error": "NONE"})
    said = _object(body)
    if kind == TX_ACK:
        return Datagram(kind, token, gateway, txpk_ack=_table(said, "txpk_ack"))
    heard = said.get("rxpk", [])
    if not isinstance(heard, list) or len(heard) > MOST_PACKETS:
        raise BadDatagram("field", f"rxpk is no list of at most {MOST_PACKETS}")
    packets: list[Rxpk] = []
    bad: list[BadDatagram] = []
    for each in heard:
        try:
            packets.append(_packet(each))
        except BadDatagram as refusal:
            bad.append(refusal)
    return Datagram(kind, token, gateway, tuple(packets), tuple(bad), stat=_table(said, "stat"))


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadDatagram("json", str(error)) from None
    if not isinstance(said, dict):
        raise BadDatagram("json", "the top level is no object")
    return said


def _table(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = said.get(key, {})
    return found if isinstance(found, dict) else {}


def _packet(said: Any) -> Rxpk:
    if not isinstance(said, dict):
        raise BadDatagram("field", "a packet is no object")
    sf = bw_hz = None
    datr = said.get("datr")
    if isinstance(datr, str) and (found := _DATR.fullmatch(datr)):
        sf, bw_hz = int(found[1]), int(found[2]) * 1000
    stat, freq, tmst = _number(said, "stat"), _number(said, "freq"), _number(said, "tmst")
    codr = said.get("codr", "")
    return Rxpk(
        _phy(said.get("data")),
        _CRC.get(1 if stat is None else int(stat), "fail"),
        None if tmst is None else int(tmst) & 0xFFFFFFFF,
        None if freq is None else round(freq * 1e6),
        sf,
        bw_hz,
        codr if isinstance(codr, str) else "",
        _number(said, "rssi"),
        _number(said, "lsnr"),
    )


def _number(said: Mapping[str, Any], key: str) -> float | None:
    value = said.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
        raise BadDatagram("field", f"{key} is no number")
    return float(value)


def _phy(text: Any) -> bytes:
    """The packet's bytes. Base64 comes padded or not, in the usual alphabet or in that of urls."""
    if not isinstance(text, str) or not text:
        raise BadDatagram("base64", "no data")
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadDatagram("base64", "data is no base64") from None
