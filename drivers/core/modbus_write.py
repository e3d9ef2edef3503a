"""Telling a Modbus device its new bus address: the one thing that is ever written to a meter, and only by a person.

Function 6:   unit 06 register(2) value(2) CRC                              answered by the same bytes
Function 16:  unit 10 start(2) count(2) byte count data CRC                 answered by unit 10 start count CRC

Some answer from the old address, some from the new one already.

Source: Modbus Application Protocol V1.1b3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from drivers.core import modbus
from drivers.core.contract import DeviceFault, Integrity, Readdress, Rejection, Request
from drivers.core.scanning import ScanningFramer, Verdict

ONE, MANY = 6, 16
_ANSWER_BYTES = 8


@dataclass(frozen=True, slots=True)
class AddressRegister:
    """Where an instrument keeps its bus address, and how that is written."""

    at: int
    type: modbus.NumberType = "uint16"
    function: int = ONE
    low_word_first: bool = False

    @property
    def count(self) -> int:
        """Registers it takes."""
        return modbus.registers_of(self.type)

    def question(self, unit: int, address: int) -> bytes:
        """The bytes that tell `unit` its new address."""
        data = modbus.register_bytes(address, self.type, low_word_first=self.low_word_first)
        head = bytes((unit, self.function)) + self.at.to_bytes(2, "big")
        if self.function == ONE:
            return modbus.closed(head + data)
        return modbus.closed(head + self.count.to_bytes(2, "big") + bytes((len(data),)) + data)

    def address_in(self, asked: bytes) -> int | None:
        """The address that a question writes; None where it writes something else."""
        data = asked[4:-2] if self.function == ONE else asked[7:-2]
        if asked[1] != self.function or asked[2:4] != self.at.to_bytes(2, "big") or len(data) != 2 * self.count:
            return None
        return int(modbus.number(data, self.type, low_word_first=self.low_word_first))

    def readdress(self, note: str, timeout_s: float, gap_s: float) -> Readdress:
        """As a driver gives it."""

        def request(unit: int, address: int) -> Request:
            asked = self.question(unit, address)
            return Request(asked, partial(WriteFramer, asked, address), _ANSWER_BYTES, timeout_s, gap_s)

        return Readdress(request, note)


class WriteFramer(ScanningFramer):
    """Finds the answer to a writing question, from the unit that was asked or from `address`; an exception comes as
    `DeviceFault`.
    """

    __slots__ = ("_asked", "_units")

    def __init__(self, asked: bytes, address: int) -> None:
        super().__init__()
        self._asked = asked
        self._units = {asked[0], address}

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        return next((place for place in range(at, len(data)) if data[place] in self._units), len(data))

    def _foreign(self, data: bytes) -> None:
        return None

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        function = self._asked[1]
        if len(data) - at < 2:
            return None if more else (1, None)
        is_exception = data[at + 1] == function | 0x80
        size = modbus.EXCEPTION_BYTES if is_exception else _ANSWER_BYTES
        if not is_exception and data[at + 1 : at + 6] != self._asked[1:6][: len(data) - at - 1]:
            return 1, None
        if at + size > len(data):
            return None if more else (1, None)
        frame = data[at : at + size]
        if not modbus.holds(frame):
            return 1, None if frame == self._asked[:size] else _damaged(frame)
        return size, _refused(frame) if is_exception else frame


def _damaged(frame: bytes) -> Rejection:
    return Integrity(f"the CRC does not hold: {frame.hex(' ')}")


def _refused(frame: bytes) -> Rejection:
    name = modbus.EXCEPTIONS.get(frame[2], "unknown exception")
    return DeviceFault(f"unit {frame[0]} answers with exception {frame[2]}, {name}")
