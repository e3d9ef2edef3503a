"""The two packets that come by the thousand, without paho's fifty microseconds: PUBLISH in, PUBACK out.

    PUBLISH  | 0011 dup qos1 qos0 retain | remaining length, 1 to 4 bytes | topic length, 2 bytes | topic, UTF-8 |
             | packet id, 2 bytes, QoS 1 only | MQTT 5: length of properties | properties | payload |
    PUBACK   | 0100 0000 | 2 | packet id, 2 bytes |

Numbers are big-endian. Everything rarer, properties among it, is left to paho.
"""

from __future__ import annotations

from typing import NamedTuple

# First bytes a broker may send where QoS is 0 or 1: PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT.
_ALLOWED = frozenset({0x30, 0x31, 0x32, 0x33, 0x38, 0x39, 0x3A, 0x3B, 0x40, 0x90, 0xB0, 0xD0, 0xE0})
# And before it has said yes: CONNACK, DISCONNECT.
_ALLOWED_FIRST = frozenset({0x20, 0xE0})


class Malformed(Exception):
    """The peer sent what MQTT does not allow."""


class Publish(NamedTuple):
    """A received message; `packet_id` is 0 with QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int


def may_come(first: int, *, is_connected: bool) -> bool:
    """Whether a broker may send a packet that begins with this byte."""
    return first in (_ALLOWED if is_connected else _ALLOWED_FIRST)


def decode_publish(packet: bytes, is_5: bool) -> Publish | None:
    """A whole PUBLISH packet of QoS 0 or 1; None when it has properties. Raises Malformed, or UnicodeDecodeError."""
    first = packet[0]
    qos = first >> 1 & 3
    at = 2
    while packet[at - 1] & 0x80:
        at += 1
    body = at + 2
    at = body + int.from_bytes(packet[at:body], "big")
    topic = packet[body:at]
    packet_id = 0
    if qos:
        packet_id = int.from_bytes(packet[at : at + 2], "big")
        at += 2
    if is_5:
        if packet[at : at + 1] not in (b"\0", b""):
            return None
        at += 1
    if at > len(packet) or body > len(packet):
        raise Malformed("a PUBLISH that is shorter than it says")
    if qos and not packet_id:
        raise Malformed("a PUBLISH without a packet id")
    if not topic:
        raise Malformed("a PUBLISH without a topic")
    return Publish(topic.decode(), packet[at:], qos, bool(first & 1), packet_id)


def encode_puback(packet_id: int) -> bytes:
    """A PUBACK that says yes."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")
