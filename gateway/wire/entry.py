"""The durable form of a reading or event: what a spool record holds, and how it becomes a message.

An entry is a MessagePack array (short, self-describing, decodes in about a microsecond); the spool adds number, length
and CRC. Wall time, monotonic time, boot id and trust stay together, so that an entry can still be dated after its clock
was found wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.wire.payload import Event, LateEntry, Reading, encode
from gateway.wire.times import MS, format_time
from gateway.wire.topics import backlog_topic, device_topic


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One reading or event of one device. `at_ms` is wall time, `mono_ms` CLOCK_BOOTTIME of boot `boot`."""

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

    @property
    def t(self) -> str:
        """The time that is published."""
        return format_time(self.at_ms * MS)


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


def live_message(root: str, node: str, spool: str, seq: int, entry: Entry) -> tuple[str, bytes]:
    """Topic and payload of an entry that goes out as it happens."""
    if entry.event:
        topic = device_topic(root, node, entry.device_class, entry.device, "event")
        return topic, encode(Event(entry.t, spool, seq, entry.event, entry.data))
    topic = device_topic(root, node, entry.device_class, entry.device, "reading")
    return topic, encode(Reading(entry.t, spool, seq, entry.v, entry.q, entry.failed))


def late_part(seq: int, entry: Entry) -> bytes:
    """One member of a backlog batch, as JSON."""
    if entry.event:
        return encode(LateEntry(entry.device, entry.t, seq, event=entry.event, data=entry.data))
    return encode(LateEntry(entry.device, entry.t, seq, entry.v, entry.q, entry.failed))


def late_message(root: str, node: str, device_class: str, spool: str, parts: list[bytes]) -> tuple[str, bytes]:
    """Topic and payload of a backlog batch made of `late_part`s of one class."""
    payload = b'{"spool":"%b","readings":[%b]}' % (spool.encode(), b",".join(parts))
    return backlog_topic(root, node, device_class), payload
