"""SDI-12 v1.4 on the wire: answers, values and their CRC. No state.

1200 baud 7E1, text; an answer begins with the sensor's address and ends with CR LF:

    a ttt n            to aM!: ready in ttt seconds with n values (nn after aC!, nnn after aH!)
    a CR LF            service request: the values are ready; or, to aD0!, that there are none
    a values [CRC]     to aD0! and on: each value has a sign, up to 7 digits and a point: +3.14-0.5
    a ll vvvvvvvv mmmmmm vvv x…    to aI!: version of SDI-12, vendor, model, version, up to 13 of a serial number

CRC-16/ARC (as Modbus, but from 0) of everything from the address to the last value; sent in three characters
of six bits, 40 + bits 15-12, 40 + bits 11-6, 40 + bits 5-0, before CR LF.

Sources: SDI-12 specification v1.4, as quoted in Vaisala and METER manuals; EnviroDIY/Arduino-SDI-12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.core.checksums import crc16_arc
from drivers.core.contract import FixedBits, Framer, Integrity, Truncated
from drivers.core.patterned import PatternFramer

END = b"\r\n"
ADDRESSES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LINE_LIMIT = 96
"""Characters of the longest answer: 75 of values, address, CRC, CR LF, and some to spare."""

_DIGITS = 7
_VALUE = re.compile(rb"[+-](?=[0-9.])[0-9]{0,7}(?:\.[0-9]{0,7})?")
_DATA = re.compile(rb"([0-9A-Za-z])((?:[+-](?=[0-9.])[0-9]{0,7}(?:\.[0-9]{0,7})?)*)([@-\x7f]{3})?")
_MEASURE = re.compile(rb"([0-9A-Za-z])([0-9]{3})([0-9]{1,3})")
_IDENTITY = re.compile(rb"([0-9A-Za-z])([0-9])([0-9])([ -~]{8})([ -~]{6})([ -~]{3})([ -~]{0,13})")
_FRAME = re.compile(rb"[0-9A-Za-z][ -\x7f]{0,%d}\r\n" % LINE_LIMIT)
_BEGINNING = re.compile(rb"[0-9A-Za-z][ -\x7f]{0,%d}\r?\Z" % LINE_LIMIT)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a sensor says to a measuring command: ready in `ready_s` seconds with `count` values."""

    address: str
    ready_s: int
    count: int


@dataclass(frozen=True, slots=True)
class Data:
    """The values of one answer; `is_checked` where it bears a CRC."""

    address: str
    values: tuple[float, ...]
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sensor says of itself; `version` of SDI-12 in tenths: 14."""

    address: str
    version: int
    vendor: str
    model: str
    sensor_version: str
    serial: str

    def info(self) -> dict[str, str | int]:
        """As facts of a reading."""
        named = {"vendor": self.vendor, "model": self.model, "sensor_version": self.sensor_version}
        return {"sdi12_version": f"{self.version // 10}.{self.version % 10}", **named, "serial": self.serial}


def crc(text: bytes) -> bytes:
    """The three characters that close an answer of this text."""
    value = crc16_arc(text)
    return bytes((0x40 | value >> 12, 0x40 | value >> 6 & 0x3F, 0x40 | value & 0x3F))


def line_framer() -> Framer:
    """Finds answers, CR LF included, wherever a stream begins."""
    return PatternFramer(_FRAME, _BEGINNING)


def parse_data(line: bytes) -> Data:
    """The values in an answer without its CR LF. Raises `FixedBits` or `Integrity`."""
    match = _DATA.fullmatch(line)
    if match is None:
        raise FixedBits(f"no values with a sign each: {line!r}{_parity(line)}")
    texts = _VALUE.findall(match[2])
    if any(not 1 <= len(text.translate(None, b"+-.")) <= _DIGITS for text in texts):
        raise FixedBits(f"a value has 1 to {_DIGITS} digits: {line!r}")
    values = tuple(map(float, texts))
    if match[3] is not None and crc(line[:-3]) != match[3]:
        raise Integrity(f"the CRC does not hold: {line!r}")
    return Data(match[1].decode(), values, match[3] is not None)


def parse_measure(line: bytes) -> Measure:
    """What an answer to M, C or H says. Raises `FixedBits`."""
    match = _MEASURE.fullmatch(line)
    if match is None:
        raise FixedBits(f"no time and count: {line!r}{_parity(line)}")
    return Measure(match[1].decode(), int(match[2]), int(match[3]))


def parse_identity(line: bytes) -> Identity:
    """What an answer to I says. Raises `FixedBits`."""
    match = _IDENTITY.fullmatch(line)
    if match is None:
        raise FixedBits(f"no identification: {line!r}{_parity(line)}")
    address, major, minor, *texts = (group.decode() for group in match.groups())
    vendor, model, version, serial = (text.strip() for text in texts)
    return Identity(address, int(major + minor), vendor, model, version, serial)


def complete(values: tuple[float, ...], count: int) -> None:
    """Raises `Truncated` where fewer values than promised came."""
    if len(values) < count:
        raise Truncated(f"{len(values)} of {count} values came")


def _parity(line: bytes) -> str:
    return "; set the line to 7E1, its parity bits are in the bytes" if any(byte & 0x80 for byte in line) else ""
