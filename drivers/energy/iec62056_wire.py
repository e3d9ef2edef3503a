"""IEC 62056-21 (formerly IEC 1107) on the wire: the text of a meter's optical head. No state.

7E1; the meter answers the request with its identification, and after the acknowledgement with a block:

    /XXXZident CR LF            XXX maker, Z its speed, ident its model
    02 data ! CR LF 03 BCC      data: lines of `obis`; BCC: exclusive or of all behind 02 up to 03
    /XXXZident CR LF data !     mode D pushes this without being asked, and without a check

Z: 0 to 6 is mode C at 300, 600, 1200, 2400, 4800, 9600, 19200 baud; A to F mode B at 600 to 19200; else mode A, 300.

Sources: IEC 62056-21; lvzon/dsmr-p1-parser issue 5; pwitab/iec62056-21 issue 16; volkszaehler/vzlogger MeterD0.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

from drivers.core.contract import Decoded, Framer, Line
from drivers.core.patterned import PatternFramer
from drivers.energy import obis

STX, ETX, ACK, NAK = b"\x02", b"\x03", b"\x06", b"\x15"
BLOCK_BYTES = 8192
_IDENTITY = rb"/[^/!?\r\n\x00-\x1f\x7f-\xff][^/!\r\n\x00-\x1f\x7f-\xff]{3,40}\r\n"
_FRAME = re.compile(
    rb"(?:%b(?:\x06[0-9A-Z]{3}\r\n)?)?\x02[^\x02\x03\x80-\xff]{1,%d}\x03[\x00-\x7f]" % (_IDENTITY, BLOCK_BYTES - 128)
    + rb"|%b(?:\r\n)?[0-9A-F][^/!\x00-\x08\x80-\xff]{3,%d}\r\n!(?!\r\n\x03)" % (_IDENTITY, BLOCK_BYTES - 128)
)
_BEGINNING = re.compile(rb"(?:/[^?\x80-\xff]|/|\x02)[\x00-\x7f]{0,%d}\Z" % (BLOCK_BYTES - 8))
_HEAD = re.compile(rb"/([A-Za-z]{3})([0-9A-Za-z])([^/!\r\n]{0,38})\r\n")
_BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200)
_ECHO = re.compile(rb"/\?[ -~]{0,32}!\r\n")
_BETWEEN = b"\r\n 0123456789ABCDEF"
"""EasyMeter sends two lines of such digits behind each telegram."""

SLOW = Line(300, 7, "E", 1)


def block_check(block: bytes) -> int:
    """The check character of everything behind 02 up to 03."""
    return reduce(xor, block, 0)


def holds(frame: bytes) -> bool:
    """Whether a block's check holds; one that pushes has none."""
    _, mark, block = frame.partition(STX)
    return not mark or block_check(block[:-1]) == block[-1]


def block_framer() -> Framer:
    """Finds whole blocks, the identification before them included where it is there."""
    return PatternFramer(_FRAME, _BEGINNING, holds, idle=_BETWEEN)


def identity(text: bytes) -> tuple[str, str, str] | None:
    """Maker, speed character and model, where the text begins with an identification."""
    match = _HEAD.match(text)
    return None if match is None else (match[1].decode(), match[2].decode(), match[3].decode("ascii", "replace"))


def without_echo(text: bytes) -> bytes:
    """The text from its first slash that begins no request: an optical head repeats what is sent."""
    at = text.find(b"/")
    text = text[at:] if at >= 0 else b""
    match = _ECHO.match(text)
    return without_echo(text[match.end() :]) if match else text


def mode_of(speed: str) -> tuple[str, Line]:
    """Mode and line of a speed character."""
    if speed in "0123456":
        return "C", Line(_BAUDS[int(speed)], 7, "E", 1)
    if speed in "ABCDEF":
        return "B", Line(_BAUDS["ABCDEF".index(speed) + 1], 7, "E", 1)
    return "A", SLOW


def decode(frame: bytes) -> Decoded:
    """The values of a block. Raises `DeviceFault` where it has none."""
    known = identity(frame)
    info = {"manufacturer": known[0], "model": known[2]} if known else {}
    text = frame.partition(STX)[2][:-2] if STX in frame else frame.partition(b"\n")[2]
    return obis.decode(obis.entries(text.decode("ascii", "replace")), info)
