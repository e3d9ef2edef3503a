"""A Modbus slave that is not there: answers what is asked of its address, and is silent else."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.core import modbus

_WRITES = (15, 16)
_FORGETS_S = 1.0
_HEARD_LIMIT = 512


class SimulatedSlave(ABC):
    """Cuts questions out of what the host writes; a subclass fills the registers or bits.

    What is half heard is forgotten in a second of silence.
    """

    def __init__(self, address: int, limit: int) -> None:
        self._address = address
        self._limit = limit
        self._heard = b""
        self._heard_at = 0.0
        self.is_faulty = False
        """It answers every question with exception 4, server device failure."""

    def tick(self, t: float) -> bytes:
        """A slave speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """Answers to the questions that are complete and meant for this address; silence to everything else."""
        if t - self._heard_at > _FORGETS_S:
            self._heard = b""
        self._heard_at = t
        heard, at, out = (self._heard + data)[-_HEARD_LIMIT:], 0, b""
        while len(heard) - at >= modbus.QUESTION_BYTES:
            writes = heard[at + 1] in _WRITES
            size = 9 + heard[at + 6] if writes else modbus.QUESTION_BYTES
            asked = heard[at : at + size]
            if modbus.holds(asked):
                out += self._reply(asked, t) if asked[0] == self._address else b""
                at += size
            elif writes and len(asked) < size:
                break
            else:
                at += 1
        self._heard = heard[at:]
        return out

    @abstractmethod
    def data(self, read: modbus.Read, t: float) -> bytes | int:
        """The data bytes of the answer to a reading question, or the code of an exception."""

    def write(self, asked: bytes) -> bytes | int:
        """The answer to a writing question, whole, or the code of an exception."""
        return 1

    def _reply(self, asked: bytes, t: float) -> bytes:
        function, count = asked[1], int.from_bytes(asked[4:6], "big")
        found: bytes | int = 1
        unit = self._address
        if function in (6, *_WRITES) and not self.is_faulty:
            found = self.write(asked)
            return found if isinstance(found, bytes) else modbus.closed(bytes((unit, function | 0x80, found)))
        if function in modbus.READ_FUNCTIONS:
            read = modbus.Read(self._address, function, int.from_bytes(asked[2:4], "big"), count)
            found = self.data(read, t) if 1 <= count <= self._limit else 3
        if self.is_faulty:
            found = 4
        if isinstance(found, int):
            return modbus.closed(bytes((self._address, function | 0x80, found)))
        return modbus.closed(bytes((self._address, function, len(found))) + found)
