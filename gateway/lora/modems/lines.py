"""Modems that tell each packet on a line of text.

    RAK3172, RUI3     +EVT:RXP2P:<rssi>:<snr>:<HEX>
    RAK3172, before   +EVT:RXP2P, RSSI <rssi>, SNR <snr>     and on the next line     +EVT:<HEX>
    RAK811, v3        at+recv=<port>,<rssi>,<snr>,<len>[:<hex>]
    RAK811, v2        at+recv=<status>,<port>[,<rssi>,<snr>],<len>[,<hex>]; three fields alone are an event
    RN2483            radio_rx  <HEX>
    RFM2Pi, emonPi    OK <node> <byte> <byte> … [(<rssi>)], decimal; in hex mode OKX <HEX> [(<hex rssi>)]; "?": bad CRC

Sources: RAKwireless AT manuals and migration guide, pyrak811's tests, Microchip DS40001784, emonhub.
"""

from __future__ import annotations

import re

from gateway.lora.modems.events import Answer, BadLine, Event, LineReader, Packet, shown

_RUI3 = re.compile(rb"\+EVT:RXP2P:(-?\d{1,4}):(-?\d{1,4}):(?:\d{1,3}:)?(\w*)")
_LEGACY = re.compile(rb"\+EVT:RXP2P, ?RSSI (-?\d{1,4}), ?SNR (-?\d{1,4})")
_LEGACY_DATA = re.compile(rb"\+EVT:(?:\d{1,3}:)?(\w+)")
_RAK811 = re.compile(rb"at\+recv=(-?\d+(?:,-?\d+)*)(?:[:,](\w+))?")
_RFM_OK = re.compile(rb"OK((?: +\d{1,9})*)(?: +\((-?\d{1,4})\))?")
_RFM_HEX = re.compile(rb"OKX +([0-9A-Fa-f]+)(?: +\(([0-9A-Fa-f]{1,2})\))?")


def unhex(text: bytes) -> bytes | None:
    """The bytes of hexadecimal digits, at least one; None where it is something else."""
    try:
        return bytes.fromhex(text.decode("ascii")) or None
    except ValueError:
        return None


def rak3172() -> LineReader:
    """Both formats of the RAK3172."""
    signal: tuple[float, float] | None = None

    def parse(line: bytes) -> Event:
        nonlocal signal
        before, signal = signal, None
        if found := _RUI3.fullmatch(line):
            data = unhex(found[3])
            return Packet(data, float(found[1]), float(found[2])) if data else BadLine("hex", shown(line))
        if found := _LEGACY.fullmatch(line):
            signal = (float(found[1]), float(found[2]))
            return Answer(shown(line))
        if line.startswith(b"+EVT:RXP2P") and b"TIMEOUT" not in line and b"ERROR" not in line:
            return BadLine("hex", shown(line))
        found = _LEGACY_DATA.fullmatch(line)
        if found is None or (data := unhex(found[1])) is None:
            return Answer(shown(line))
        return Packet(data, *before) if before else BadLine("no-metadata", shown(line))

    return LineReader(parse)


def rak811() -> LineReader:
    """Both firmware generations of the RAK811."""

    def parse(line: bytes) -> Event:
        if not line.startswith(b"at+recv="):
            return Answer(shown(line))
        if b":" in line:
            head, _, digits = line[8:].partition(b":")
            fields = head.split(b",")
        else:
            fields = line[8:].split(b",")
            if len(fields) == 3:
                return Answer(shown(line))
            fields, digits = (fields[1:-1], fields[-1]) if len(fields) in (4, 6) else (fields, b"")
        try:
            numbers = [int(field) for field in fields]
        except ValueError:
            return BadLine("unknown-line", shown(line))
        if len(numbers) not in (2, 4):
            return BadLine("unknown-line", shown(line))
        data = unhex(digits)
        if data is None:
            return BadLine("hex", shown(line))
        if len(data) != numbers[-1]:
            return BadLine("length", shown(line))
        rssi, snr = (float(numbers[1]), float(numbers[2])) if len(numbers) == 4 else (None, None)
        return Packet(data, rssi, snr, port=numbers[0])

    return LineReader(parse)


def rn2483() -> LineReader:
    """Microchip RN2483 and RN2903, LoStik."""

    def parse(line: bytes) -> Event:
        if line != b"radio_rx" and not line.startswith(b"radio_rx "):
            return Answer(shown(line))
        digits = line[8:].strip()
        if not digits:
            return BadLine("length", shown(line))
        data = unhex(digits)
        return Packet(data) if data else BadLine("hex", shown(line))

    return LineReader(parse)


def rfm2pi() -> LineReader:
    """RFM2Pi, RFM69Pi and emonPi."""

    def parse(line: bytes) -> Event:
        if line.startswith(b"?"):
            return BadLine("unreliable", shown(line))
        if found := _RFM_HEX.fullmatch(line):
            data = unhex(found[1])
            if data is None or len(data) < 2:
                return BadLine("hex", shown(line))
            return Packet(data[1:], -float(int(found[2], 16)) if found[2] else None, None, data[0] & 31)
        if not (found := _RFM_OK.fullmatch(line)):
            return BadLine("unknown-line", shown(line)) if line.startswith(b"OK ") else Answer(shown(line))
        numbers = [int(each) for each in found[1].split()]
        if not numbers and found[2] is None:
            return Answer(shown(line))
        if len(numbers) < 2:
            return BadLine("length", shown(line))
        if max(numbers) > 255:
            return BadLine("byte-range", shown(line))
        return Packet(bytes(numbers[1:]), float(found[2]) if found[2] else None, None, numbers[0])

    return LineReader(parse)
