"""Wired M-Bus (EN 13757-2 and -3) on the wire: frames, and the records in a meter's answer. No state.

    10 C A CS 16                      short frame: C 40 reset, 5b / 7b give your data (bit 5 toggles), A address
    68 L L 68 C A CI … CS 16          long frame, L bytes from C to before CS; CS is their sum
    e5                                understood

    C A CI=72 id(4) maker(2) version medium access status signature(2), then records, all low byte first:
    DIF DIFE…  VIF VIFE…  data        DIF: bits 3-0 type, 5-4 function (0 now), 6 storage; 7 in each: another follows
    2f filler · 0f the maker's own · 1f the same, and more telegrams follow

DIF types: 1 2 3 4 6 7 integers of 8 to 64 bits, 5 float, 9 a b c e BCD of 2 to 12 digits, d length in the data, 0 and 8
none. A BCD digit above 9 is an error, but f in the first place a minus.

Sources: EN 13757-3; rscada/libmbus (frames and their XML); ganehag/pyMeterBus; M-Bus documentation 4.8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from drivers.core.contract import DeviceFault, FixedBits, Framer, Truncated
from drivers.core.mixed import FrameKind, MixedFramer

FRAME_BYTES = 261
ACK = b"\xe5"
RESET, GIVE, GIVE_NEXT, SEND = 0x40, 0x7B, 0x5B, 0x73
SELECTED = 253
_STOP = 0x16
_HEADER = 15
_ANSWERS = (0x08, 0x18, 0x28, 0x38)
_FAULTS: tuple[str, ...] = (
    *("an unspecified error", "it does not know the question", "its buffer is too long", "too many records"),
    *("a premature end of a record", "too many DIFE", "too many VIFE", "reserved", "it is busy", "too many readouts"),
)
_LENGTHS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_EXTENSIONS = 10


@dataclass(frozen=True, slots=True)
class Record:
    """One value as the meter sends it; `vif` is VIF and VIFEs in hex, `number` None where it is none."""

    vif: str
    number: Decimal | None
    function: int
    storage: int
    tariff: int
    subunit: int


@dataclass(frozen=True, slots=True)
class Telegram:
    """A meter's answer. `follows`: it has more to say."""

    address: int
    id: str
    maker: str
    version: int
    medium: int
    access: int
    status: int
    records: tuple[Record, ...]
    follows: bool


def short_frame(control: int, address: int) -> bytes:
    """A command without data."""
    return bytes((0x10, control, address, (control + address) & 0xFF, _STOP))


def long_frame(body: bytes) -> bytes:
    """A frame around everything from C on."""
    size = len(body)
    return bytes((0x68, size, size, 0x68)) + body + bytes((sum(body) & 0xFF, _STOP))


def select(secondary: bytes) -> bytes:
    """Choose a meter by its id, maker, version and medium, eight bytes as they are in its answer; ff is any."""
    return long_frame(bytes((SEND, SELECTED, 0x52)) + secondary)


def reply_framer(address: int | None) -> Framer:
    """Finds answers, of one address where that is told."""

    def holds(frame: bytes) -> bool:
        if frame[-1] != _STOP or sum(frame[4:-2]) & 0xFF != frame[-2]:
            return False
        return frame[4] in _ANSWERS and (address is None or frame[5] == address)

    answer = FrameKind(b"\x68", 4, _size, holds)
    ack = FrameKind(ACK, 1, lambda head: 1, lambda frame: True)
    return MixedFramer((answer, ack), FRAME_BYTES)


def _size(head: bytes) -> int:
    return head[1] + 6 if head[1] == head[2] >= 3 and head[3] == 0x68 else 0


def parse(frame: bytes) -> Telegram:
    """A long frame whose check holds. Raises `DeviceFault` where the meter refuses, `Truncated` and `FixedBits`."""
    body = frame[4:-2]
    if body[2] == 0x70:
        code = body[3] if len(body) > 3 else 0
        raise DeviceFault(f"the meter says: {_FAULTS[code] if code < len(_FAULTS) else code}")
    if body[2] != 0x72:
        raise FixedBits(f"CI {body[2]:02x} is not read here, only 72")
    if len(body) < _HEADER:
        raise Truncated(f"its header has {len(body) - 3} of 12 bytes")
    if body[13:15] != b"\0\0":
        raise DeviceFault("the meter encrypts its answer")
    records, follows = _records(body[_HEADER:])
    letters = int.from_bytes(body[7:9], "little")
    maker = "".join(chr((letters >> shift & 31) + 64) for shift in (10, 5, 0))
    version, medium, access, status = body[9:13]
    id_ = body[6:2:-1].hex().upper()
    return Telegram(body[1], id_, maker, version, medium, access, status, records, follows)


def _records(data: bytes) -> tuple[tuple[Record, ...], bool]:
    found: list[Record] = []
    at = 0
    while at < len(data):
        dif = data[at]
        if dif & 0x0F == 0x0F:
            if dif in (0x0F, 0x1F):
                return tuple(found), dif == 0x1F
            if dif != 0x2F:
                raise FixedBits(f"DIF {dif:02x} is no record")
            at += 1
            continue
        record, at = _record(data, at)
        found.append(record)
    return tuple(found), False


def _record(data: bytes, at: int) -> tuple[Record, int]:
    dif = data[at]
    dife, at = _chain(data, at, "DIFE")
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    for place, byte in enumerate(dife[1:]):
        storage |= (byte & 15) << 1 + 4 * place
        tariff |= (byte >> 4 & 3) << 2 * place
        subunit |= (byte >> 6 & 1) << place
    begin = at
    if at < len(data) and data[at] & 0x7F == 0x7C:  # its unit is a text of its own
        at, vif = at + 2 + (data[at + 1] if at + 1 < len(data) else 0), "7c"
        if data[begin] & 0x80:
            _, at = _chain(data, at, "VIFE")
    else:
        chain, at = _chain(data, at, "VIFE")
        vif = chain.hex()
    number, at = _number(data, at, dif & 0x0F)
    if at > len(data):
        raise Truncated(f"the record with VIF {vif} goes beyond the end")
    return Record(vif, number, dif >> 4 & 3, storage, tariff, subunit), at


def _chain(data: bytes, at: int, what: str) -> tuple[bytes, int]:
    """A byte and those that follow while bit 7 is set."""
    end = at
    while end < len(data) and data[end] & 0x80:
        end += 1
    if end >= len(data):
        raise Truncated(f"a record ends within its {what}")
    if end - at > _EXTENSIONS:
        raise FixedBits(f"{end - at} {what}")
    return data[at : end + 1], end + 1


def _number(data: bytes, at: int, kind: int) -> tuple[Decimal | None, int]:
    """The value of a type, and where it ends, which may be beyond the data's end."""
    size, read = _LENGTHS.get(kind, 0), _READ.get(kind)
    if kind == 13:
        if at >= len(data):
            raise Truncated("a length is missing")
        length, at = data[at], at + 1
        if length < 0xC0:
            size, read = length, None
        elif length < 0xE0 and length & 15 <= 9:
            size, read = length & 15, _bcd if length < 0xD0 else lambda raw: _negated(_bcd(raw))
        elif 0xE0 <= length < 0xF0:
            size, read = length & 15, _integer
        else:
            raise FixedBits(f"a length of {length:02x}")
    raw = data[at : at + size]
    return (read(raw) if read and len(raw) == size and raw else None), at + size


def _integer(raw: bytes) -> Decimal | None:
    return Decimal(int.from_bytes(raw, "little", signed=True))


def _float(raw: bytes) -> Decimal | None:
    (value,) = struct.unpack("<f", raw)
    return Decimal(value) if isfinite(value) else None


def _bcd(raw: bytes) -> Decimal | None:
    text = raw[::-1].hex()
    sign, digits = (-1, text[1:]) if text[:1] == "f" else (1, text)
    return Decimal(sign * int(digits)) if digits.isdecimal() else None


def _negated(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number


_READ: dict[int, Callable[[bytes], Decimal | None]] = {
    **dict.fromkeys((1, 2, 3, 4, 6, 7), _integer),
    **dict.fromkeys((9, 10, 11, 12, 14), _bcd),
    5: _float,
}
