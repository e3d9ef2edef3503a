"""Sensirion's SHDLC without I/O: frames between two flags, bytes inside stuffed.

    7E  address  command  length  data …  check  7E            from the host
    7E  address  command  state  length  data …  check  7E     from the sensor

The check is the inverted low byte of the sum of everything between the flags, before stuffing. Stuffing turns 7E, 7D,
11 and 13 into 7D 5E, 7D 5D, 7D 31 and 7D 33, the check included; so the length on the wire is never known beforehand.
State: bit 7 says that a bit of the device's status register is set, the others are the command's error, 0 for none.

Source: Sensirion SPS30 datasheet, section 5; Sensirion/embedded-uart-sps; Sensirion/python-shdlc-driver errors.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.core.checksums import sum8
from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated
from drivers.core.scanning import ScanningFramer, Verdict

FLAG, ESCAPE = 0x7E, 0x7D
ERRORS = {
    0x01: "wrong data length",
    0x02: "unknown command",
    0x03: "no access right",
    0x04: "illegal parameter",
    0x05: "wrong check",
    0x28: "internal argument out of range",
    0x43: "command not allowed in this state",
}
_STUFFED = {byte: bytes((ESCAPE, byte ^ 0x20)) for byte in (FLAG, ESCAPE, 0x11, 0x13)}
_SPECIAL = re.compile(rb"[\x7e\x7d\x11\x13]")
_ESCAPED = re.compile(rb"\x7d(.|$)", re.DOTALL)
_HEAD_AND_CHECK = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """What a sensor's frame says; `error` is the state without its bit 7, which is `has_status`."""

    address: int
    command: int
    error: int
    has_status: bool
    data: bytes


def stuffed(data: bytes) -> bytes:
    """The bytes as they go between the flags."""
    return _SPECIAL.sub(lambda found: _STUFFED[found.group()[0]], data)


def unstuffed(data: bytes) -> bytes:
    """The bytes as they were before stuffing. Raises `FixedBits` for an escape that there is not."""

    def plain(found: re.Match[bytes]) -> bytes:
        byte = found.group(1)
        if not byte or byte[0] ^ 0x20 not in _STUFFED:
            raise FixedBits(f"7D is not followed by 5E, 5D, 31 or 33: {found.group().hex(' ')}")
        return bytes((byte[0] ^ 0x20,))

    return _ESCAPED.sub(plain, data)


def framed(data: bytes) -> bytes:
    """The frame that carries these bytes; the check is added."""
    return b"\x7e" + stuffed(data + bytes((~sum8(data) & 0xFF,))) + b"\x7e"


def question(command: int, data: bytes = b"", address: int = 0) -> bytes:
    """A host's frame."""
    return framed(bytes((address, command, len(data))) + data)


def parse_question(frame: bytes) -> tuple[int, bytes]:
    """Command and data of a host's frame. Raises `Truncated`, `FixedBits` or `Integrity`."""
    data = _checked(frame, _HEAD_AND_CHECK - 1)
    if data[2] != len(data) - 4:
        raise Truncated(f"{len(data) - 4} bytes of data, its length says {data[2]}")
    return data[1], data[3:-1]


def parse_reply(frame: bytes) -> Reply:
    """A sensor's frame. Raises `Truncated`, `FixedBits` or `Integrity`."""
    data = _checked(frame, _HEAD_AND_CHECK)
    if data[3] != len(data) - _HEAD_AND_CHECK:
        raise Truncated(f"{len(data) - _HEAD_AND_CHECK} bytes of data, its length says {data[3]}")
    return Reply(data[0], data[1], data[2] & 0x7F, data[2] & 0x80 != 0, data[4:-1])


def _checked(frame: bytes, least: int) -> bytes:
    if len(frame) < 2 or frame[0] != FLAG or frame[-1] != FLAG:
        raise Truncated(f"no frame between two flags: {frame[:16].hex(' ')}")
    data = unstuffed(frame[1:-1])
    if len(data) < least:
        raise Truncated(f"{len(data)} bytes between the flags, at least {least} are needed: {frame.hex(' ')}")
    if sum8(data) != 0xFF:
        raise Integrity(f"the check does not hold: {frame.hex(' ')}")
    return data


class ReplyFramer(ScanningFramer):
    """Finds replies, flags and stuffing kept. The flag that ends a bad frame may begin the next one, so that a lone
    flag swallows nothing. `max_data` bounds the data of a reply in bytes.
    """

    __slots__ = ("_max_bytes",)

    def __init__(self, max_data: int) -> None:
        super().__init__()
        self._max_bytes = 2 + 2 * (_HEAD_AND_CHECK + max_data)

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        start = data.find(FLAG, at)
        return len(data) if start < 0 else start

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        size = data.find(FLAG, at + 1) - at
        if size < 0:
            size = len(data) - at
            if size >= self._max_bytes:
                return size, Truncated(f"{size} bytes without an end")
            if more:
                return None
            is_worth_a_word = self._in_sync or size > 1
            return size, Truncated(f"no flag ends this: {data[at:].hex(' ')}") if is_worth_a_word else None
        if size == 1:  # two flags with nothing between are one
            return 1, None
        if size >= self._max_bytes:
            return size, Truncated(f"{size + 1} bytes between two flags")
        try:
            parse_reply(data[at : at + size + 1])
        except Rejection as why:
            return size, why
        return size + 1, data[at : at + size + 1]

    def _foreign(self, data: bytes) -> Rejection:
        return FixedBits(f"no flag begins this: {data[:16].hex(' ')}")
