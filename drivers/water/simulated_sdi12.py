"""An SDI-12 sensor that is not there: it answers I, M, C and D with and without CRC, and is ready at once."""

from __future__ import annotations

from math import pi, sin
from random import Random

from drivers.water import sdi12_wire as wire

_HEARD_LIMIT = 32


class SimulatedSdi12:
    """A level sensor; `identity` is what follows the address in its answer to I, `count` how many values it gives.

    It takes each command as if a break had come before it: a pty passes none on.
    """

    hears_baud = speaks_baud = 1200
    reaction_s = 0.01

    def __init__(self, identity: str, count: int, seed: int, address: int) -> None:
        self._identity = identity
        self._count = count
        self._seed = seed
        self._address = bytes((address + 0x30 if address <= 9 else address,))
        self._is_checked = False
        self._heard = b""

    def tick(self, t: float) -> bytes:
        """It speaks only when asked: no service request, as it is always ready."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """The answer to a whole command for its own address."""
        self._heard = (self._heard + data)[-_HEARD_LIMIT:]
        command, end, rest = self._heard.rpartition(b"!")
        if not end:
            return b""
        self._heard = rest
        command = command.lstrip(b"\0")
        if command == b"?":
            return self._address + wire.END
        if command[:1] != self._address:
            return b""
        return self._reply(command[1:], t)

    def _reply(self, command: bytes, t: float) -> bytes:
        if command == b"I":
            return self._address + self._identity.encode() + wire.END
        if command[:1] in (b"M", b"C"):
            self._is_checked = command[1:2] == b"C"
            return self._address + b"000%0*d" % (1 if command[:1] == b"M" else 2, self._count) + wire.END
        if command[:1] != b"D":
            return self._address + wire.END
        text = self._address + (self._values(t) if command == b"D0" else b"")
        return text + (wire.crc(text) if self._is_checked else b"") + wire.END

    def _values(self, t: float) -> bytes:
        dice = Random(f"{self._seed}/{int(t)}")
        stage = 1.4 + 0.35 * sin(2 * pi * t / 22_350) + dice.gauss(0, 0.002)
        values = (stage, 4.2 - stage, 29.5 + 3 * sin(2 * pi * t / 86_400), 24 + dice.gauss(0, 0.5), 0)
        return b"".join(b"%+.3f" % value for value in values[: self._count])
