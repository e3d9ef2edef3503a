"""Ebyte E32, E22 and E220: registers in configuration mode, and packets without any framing in the others.

    read      C1 start length                 answer   C1 start length values
    write     C0 start length values          answer   C1 start length values     FF FF FF: wrong format
    E220      ADDH ADDL REG0 REG1 CH REG3          from 00H
    E22       ADDH ADDL NETID REG0 REG1 CH REG3    from 00H
    E32       C0 ADDH ADDL SPED CHAN OPTION, answered by itself; C1 C1 C1 reads
    REG0      UART rate in bits 7-5 (011: 9600), parity in 4-3 (00: 8N1), air rate in 2-0
    REG3      80: an RSSI byte behind each packet

CF CF before an answer: over the air. Configuration is always at 9600 8N1 and only while the pins M0, M1 say so. On the
air a packet has no mark: its bytes end where the line falls silent, and two may come as one. So a payload is a line of
hexadecimal digits, or bytes whose integrity code says where they end. Channel spacing is 1 MHz. Sources: Ebyte's
manuals, which differ between models; xreef's libraries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from drivers.radio.modem_facts import MODEMS
from gateway.lora.modems.events import BadLine, Event, Packet, shown
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.modems.talk import Said

Model = Literal["e32", "e22", "e220"]

IDLE_S = 0.06
ANSWER_S = 1.0
_MOST = 1024
_HEX_LINE = re.compile(rb"((?:[0-9A-Fa-f]{2}){12,})\r?\n?([\x67-\xff]?)")
_WRONG = b"\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Registers:
    """An answer of a module: registers from `start` on."""

    start: int
    values: bytes
    is_wireless: bool = False


@dataclass(frozen=True, slots=True)
class E32Settings:
    """The six bytes of an E32."""

    address: int
    uart_code: int
    air_code: int
    channel: int
    option: int


def registers(data: bytes) -> Registers | None:
    """The answer of an E22 or E220 in these bytes; None where they are none. Raises ValueError for wrong format."""
    if data.startswith(_WRONG):
        raise ValueError("wrong format")
    is_wireless = data.startswith(b"\xcf\xcf")
    body = data[2:] if is_wireless else data
    if len(body) < 3 or body[0] != 0xC1 or len(body) < 3 + body[2]:
        return None
    return Registers(body[1], body[3 : 3 + body[2]], is_wireless)


def e32_settings(data: bytes) -> E32Settings:
    """The settings in six bytes. Raises ValueError."""
    if len(data) != 6 or data[0] not in (0xC0, 0xC2):
        raise ValueError("settings are six bytes and begin with C0 or C2")
    return E32Settings(int.from_bytes(data[1:3], "big"), data[3] >> 3 & 7, data[3] & 7, data[4] & 31, data[5])


def settings_bytes(model: Model, wanted: RadioSettings, option: int = 0x44) -> bytes:
    """What is written to set a module up; saved in it, so that it holds in every mode and after a power cut."""
    facts = MODEMS[model]
    number = facts.channel(wanted.frequency_hz)
    if number is None:
        raise ValueError(f"no channel of an {model} lies at {wanted.frequency_hz} Hz")
    address, air = wanted.address.to_bytes(2, "big"), facts.air_rates[wanted.air_rate]
    rate = 0b011 << 5 | air
    if model == "e32":
        return b"\xc0" + address + bytes([0b011 << 3 | air, number, option])
    net_id = bytes([wanted.network_id & 0xFF]) if model == "e22" else b""
    values = address + net_id + bytes([rate, 0, number, 0x80 * wanted.has_rssi_byte])
    return bytes([0xC0, 0, len(values)]) + values


def rssi_dbm(raw: int, rule: str) -> float:
    """The strength that an RSSI byte means; the manuals give two rules."""
    return -raw / 2 if rule == "half" else float(raw - 256)


class EbyteReader:
    """Bytes up to a silence are one packet, or several lines of hexadecimal digits."""

    def __init__(self, wanted: RadioSettings) -> None:
        self._wanted = wanted
        self._held = b""

    @property
    def held(self) -> int:
        """See `Reader`."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Event]:
        """See `Reader`."""
        self._held += data
        return self.idle() if len(self._held) > _MOST else []

    def idle(self) -> list[Event]:
        """See `Reader`."""
        burst, self._held = self._held, b""
        if not burst:
            return []
        if len(burst) > _MOST:
            return [BadLine("overflow", shown(burst))]
        if lines := list(_HEX_LINE.finditer(burst)):
            return [Packet(bytes.fromhex(each[1].decode()), self._rssi(each[2])) for each in lines]
        if self._wanted.has_rssi_byte and len(burst) > 1:
            return [Packet(burst[:-1], self._rssi(burst[-1:]))]
        return [Packet(burst)]

    def take(self) -> bytes:
        """All bytes held, as they are: an answer to a question."""
        heard, self._held = self._held, b""
        return heard

    def _rssi(self, raw: bytes) -> float | None:
        return rssi_dbm(raw[0], self._wanted.rssi_rule) if raw and self._wanted.has_rssi_byte else None


class EbyteTalk:
    """Sets a module up where it answers, which it does only in configuration mode, and listens.

    A module in another mode would send the question over the air, so it is asked only where `is_set_up`, once, when
    the port opens. Settings stay in the module: a reset loses none.
    """

    def __init__(self, model: Model, wanted: RadioSettings) -> None:
        if model == "e32":  # which has no such byte
            wanted = replace(wanted, has_rssi_byte=False)
        self.reader = EbyteReader(wanted)
        self.problem = ""
        self.resets = 0
        self.is_listening = False
        self._model, self._wanted = model, wanted
        self._asked = b""

    @property
    def timeout_s(self) -> float | None:
        """See `Talk`."""
        if not self.is_listening:
            return ANSWER_S
        return IDLE_S if self.reader.held else None

    def start(self) -> Said:
        """See `Talk`."""
        self.problem, self.is_listening = "", not self._wanted.is_set_up
        if self.is_listening:
            return Said()
        self._asked = settings_bytes(self._model, self._wanted)
        return Said(self._asked)

    def feed(self, data: bytes) -> Said:
        """See `Talk`."""
        events = tuple(self.reader.feed(data))
        if not self.is_listening and self.reader.held >= len(self._asked):
            self._judge()
        return Said(events=events)

    def on_timeout(self) -> Said:
        """See `Talk`."""
        if self.is_listening:
            return Said(events=tuple(self.reader.idle()))
        self._judge()
        return Said()

    def _judge(self) -> None:
        """What was heard is an answer, or packets of a module that is in another mode."""
        heard, self.is_listening = self.reader.take(), True
        answer, rest = heard[: len(self._asked)], heard[len(self._asked) :]
        is_good = self._answer(answer) if answer else None
        if is_good is False:
            self.problem = f"the module answered {answer.hex(' ')} to {self._asked.hex(' ')}"
        self.reader.feed(heard if is_good is None else rest)

    def _answer(self, heard: bytes) -> bool | None:
        """True where the module says back what was written, False where it says something else, None: no answer."""
        if self._model == "e32":
            return e32_settings(heard) == e32_settings(self._asked) if heard[0] in (0xC0, 0xC2) else None
        try:
            found = registers(heard)
        except ValueError:
            return False
        return None if found is None else found.values == self._asked[3:]
