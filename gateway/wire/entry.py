"""The durable form of a reading or event: what a spool record holds, and how it becomes a message.

An entry is a MessagePack array (short, self-describing, decodes in about a microsecond); the spool adds number, length
and CRC. Wall time, monotonic time, boot id and trust stay together, so that an entry can still be dated after its clock
was found wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.wire.payload import Event, LateEntry, Reading, encode
from gateway.wire.topics import backlog_topic, device_topic


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One reading or event of one device. `at_ms` is wall time, `mono_ms` CLOCK_BOOTTIME of boot `boot`.

    With `is_trusted`, `at_ms` is the time that is published. Without, it is only what the clock said; a time found
    later (gateway.wire.dating) is at least `least_ms`, so that the times of one device rise.
    """

    device_class: str
    device: str
    at_ms: int
    mono_ms: int
    boot: str
    is_trusted: bool
    v: dict[str, float] = {}
    q: dict[str, int] = {}
    failed: dict[str, float] = {}
    event: str = ""
    data: dict[str, Any] = {}
    least_ms: int = 0
    is_past: bool = False
    """A reading from its device's own log; its time may be before that of readings with lower numbers."""
    via: list[str] = []
    """The receivers that heard it by radio, the best first."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Entry).decode


def pack(entry: Entry) -> bytes:
    """The bytes of a spool record."""
    return _pack(entry)


def unpack(data: bytes) -> Entry:
    """The entry in a spool record. Raises ValueError for bytes that are none."""
    try:
        return _unpack(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"not a spool entry: {error}") from None


def live_message(root: str, node: str, spool: str, seq: int, entry: Entry, t: str | None) -> tuple[str, bytes]:
    """Topic and payload of an entry that goes out as it happens; `t` is its time."""
    if entry.event:
        topic = device_topic(root, node, entry.device_class, entry.device, "event")
        return topic, encode(Event(t, spool, seq, entry.event, entry.data))
    topic = device_topic(root, node, entry.device_class, entry.device, "reading")
    return topic, encode(Reading(t, spool, seq, entry.v, entry.q, entry.failed, entry.via))


def late_part(seq: int, entry: Entry, t: str | None) -> bytes:
    """One member of a backlog batch, as JSON; `t` is its time."""
    if entry.event:
        return encode(LateEntry(entry.device, t, seq, event=entry.event, data=entry.data))
    return encode(LateEntry(entry.device, t, seq, entry.v, entry.q, entry.failed, via=entry.via))


def late_message(root: str, node: str, device_class: str, spool: str, parts: list[bytes]) -> tuple[str, bytes]:
    """Topic and payload of a backlog batch made of `late_part`s of one class."""
    payload = b'{"spool":"%b","readings":[%b]}' % (spool.encode(), b",".join(parts))
    return backlog_topic(root, node, device_class), payload
