"""SML on the wire: transport frames, and the tree of typed values in them. No state.

    1b 1b 1b 1b 01 01 01 01     beginning
    …                           messages, filled with 00 to a multiple of 4 bytes; 1b 1b 1b 1b in them is sent twice
    1b 1b 1b 1b 1a pp cc cc     end: pp fill bytes (0 to 3), CRC of all before it, low byte first

CRC-16/X-25 (polynomial 1021 reflected, from FFFF, complemented); Holley meters of some firmware use KERMIT (from 0, its
bytes swapped). A value begins with a byte of type (bits 6 to 4) and length (bits 3 to 0; bit 7: four bits more follow):

    0 octets · 4 boolean · 5 signed · 6 unsigned, 1 to 8 bytes big-endian · 7 list, its length counts elements · 00 end

The length of all but lists counts its own bytes too. A message is a list of six: id, group, abort, body, CRC, end; the
body of tag 0701 holds a list of entries: name (OBIS), status, time, unit, scaler, value, signature.

Sources: BSI TR-03109-1 Anlage IV; volkszaehler/libsml; devZer0/libsml-testing (captures).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.core.contract import FixedBits, Truncated

FRAME_BYTES = 4096
_ESCAPE = b"\x1b\x1b\x1b\x1b"
_START = rb"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
_BODY = rb"(?:\x1b{8}|(?!\x1b{4}(?:\x1a|\x01{4}))[\x00-\xff]){0,%d}" % (FRAME_BYTES - 32)
FRAME = re.compile(_START + _BODY + rb"\x1b{4}\x1a[\x00-\x03][\x00-\xff]{2}")
BEGINNING = re.compile(rb"(?:%b%b(?:\x1b{4}\x1a[\x00-\xff]{0,2})?|\x1b{4}\x01{0,3}|\x1b{1,3})\Z" % (_START, _BODY))
X25, KERMIT = "x25", "kermit"
_OCTETS, _BOOLEAN, _SIGNED, _UNSIGNED, _LIST = 0, 4, 5, 6, 7
_DEPTH = 10
_LIST_RESPONSE = 0x0701
_ENTRY_PARTS, _RESPONSE_PARTS, _MESSAGE_PARTS = 7, 7, 6


@dataclass(frozen=True, slots=True)
class Number:
    """An integer and the bytes it came in."""

    value: int
    width: int
    is_signed: bool


class End:
    """The end of a message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a meter's list; `name` is its OBIS code A-B:C.D.E*F."""

    name: str
    status: int | None
    unit: int | None
    scaler: int
    value: Number | bytes | bool | None


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc(data: bytes, kind: str) -> int:
    """The check of a frame, as it stands on the wire with its low byte first."""
    value = 0xFFFF if kind == X25 else 0
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF if kind == X25 else value >> 8 | (value & 0xFF) << 8


def holds(frame: bytes, kind: str) -> bool:
    """Whether the frame's own check holds."""
    return crc(frame[:-2], kind) == int.from_bytes(frame[-2:], "little")


def entries(frame: bytes) -> tuple[str, list[Entry]]:
    """The meter's id in hex and its entries. Raises `FixedBits` or `Truncated` where the frame holds no list."""
    body = frame[8:-8].replace(_ESCAPE * 2, _ESCAPE)
    fill = frame[-3]
    body = body[: len(body) - fill] if fill else body
    for message in _messages(body):
        tagged = message[3]
        if not (isinstance(tagged, list) and len(tagged) == 2):
            raise FixedBits("a message without a body")
        tag, response = tagged
        if isinstance(tag, Number) and tag.value == _LIST_RESPONSE:
            if not (isinstance(response, list) and len(response) == _RESPONSE_PARTS and isinstance(response[4], list)):
                raise FixedBits("a list response of another shape")
            server = response[1].hex() if isinstance(response[1], bytes) else ""
            return server, [_entry(part) for part in response[4]]
    raise FixedBits("no message of the frame is a list of values")


def _messages(body: bytes) -> Iterator[list[Any]]:
    at = 0
    while at < len(body):
        message, at = _value(body, at, 0)
        if not (isinstance(message, list) and len(message) == _MESSAGE_PARTS and isinstance(message[5], End)):
            raise FixedBits(f"no message of six parts ends at byte {at}")
        yield message


def _entry(part: Any) -> Entry:
    if not (isinstance(part, list) and len(part) == _ENTRY_PARTS and isinstance(part[0], bytes) and len(part[0]) == 6):
        raise FixedBits("an entry of another shape")
    a, b, c, d, e, f = part[0]
    name = f"{a}-{b}:{c}.{d}.{e}*{f}"
    status, unit, scaler = (each.value if isinstance(each, Number) else None for each in (part[1], part[3], part[4]))
    value = part[5]
    if isinstance(value, list | End):
        raise FixedBits(f"the value of {name} is a list")
    return Entry(name, status, unit, scaler or 0, value)


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at a byte, and where it ends. What a length promises is looked for, never made."""
    if at >= len(data):
        raise Truncated(f"a value is missing at byte {at}")
    begin, first = at, data[at]
    kind, length = first >> 4 & 7, first & 0x0F
    at += 1
    while data[at - 1] & 0x80:
        if at >= len(data) or length > len(data):
            raise Truncated(f"a length at byte {begin} goes beyond the end")
        length = length << 4 | data[at] & 0x0F
        at += 1
    if first == 0:
        return End(), at
    if kind == _LIST:
        if depth >= _DEPTH or length > len(data) - at:
            raise FixedBits(f"a list of {length} at byte {begin}, {depth} deep")
        parts = []
        for _ in range(length):
            part, at = _value(data, at, depth + 1)
            parts.append(part)
        return parts, at
    end = begin + length
    if not at <= end <= len(data):
        raise Truncated(f"{length} bytes at byte {begin} go beyond the end")
    raw = data[at:end]
    if kind == _OCTETS:
        return raw or None, end
    if kind == _BOOLEAN and len(raw) == 1:
        return raw != b"\0", end
    if kind in (_SIGNED, _UNSIGNED) and 1 <= len(raw) <= 8:
        return Number(int.from_bytes(raw, "big", signed=kind == _SIGNED), len(raw), kind == _SIGNED), end
    raise FixedBits(f"no value has the type {kind} and {len(raw)} bytes, at byte {begin}")
