"""An SPS30 that is not there: idle, measuring or asleep, one new value a second, errors as the real one gives them."""

from __future__ import annotations

from math import pi, sin
from random import Random
from struct import Struct

from drivers.core import shdlc
from drivers.core.contract import Rejection

_OK, _LENGTH, _UNKNOWN, _PARAMETER, _NOT_NOW = 0x00, 0x01, 0x02, 0x04, 0x43
_FLOATS, _WORDS = Struct(">10f"), Struct(">10H")
_AWAKE_FOR_S = 0.1


class Simulator:
    """It measures from the beginning, as if the gateway had been away; give it time in seconds."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self._serial = f"{Random(seed).getrandbits(64):016X}".encode()
        self._form = "float"
        self._state = "measuring"
        self._started_at = 0.0
        self._read_second = -1
        self._stirred_at = -1.0
        self._clean_every_s = 604_800
        self.is_faulty = False
        """Its fan does not turn."""
        self.status = 0
        """The status register; a set bit shows in the state of every reply."""

    def tick(self, t: float) -> bytes:
        """It speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """The reply to one question; asleep, it hears the wake command within 100 ms of a first byte."""
        frame = data.removeprefix(b"\xff")
        if self._state == "asleep":
            is_stirred = len(frame) < len(data) or t - self._stirred_at <= _AWAKE_FOR_S
            self._stirred_at = t
            if not is_stirred:
                return b""
        try:
            code, said = shdlc.parse_question(frame)
        except Rejection:
            return b""
        if self._state == "asleep" and code != 0x11:
            return b""
        if self.is_faulty:
            self.status |= 0x10
        error, told = self._do(code, said, t)
        state = error | (0x80 if self.status else 0)
        return shdlc.framed(bytes((0, code, state, len(told))) + told)

    def _do(self, code: int, said: bytes, t: float) -> tuple[int, bytes]:
        allowed = {0x00: "idle", 0x01: "measuring", 0x03: "measuring", 0x10: "idle", 0x11: "asleep", 0x56: "measuring"}
        if self._state != allowed.get(code, self._state):
            return _NOT_NOW, b""
        if code == 0x00:
            return self._start(said, t)
        if code == 0x03:
            return _OK, self._new_values(t)
        if code in (0x01, 0x11, 0xD3):
            self._state = "idle"
        elif code == 0x10:
            self._state = "asleep"
        elif code == 0x80:
            return self._clean(said)
        elif code == 0xD0:
            return (
                (_OK, {0: b"00080000", 3: self._serial}[said[0]] + b"\0") if said in (b"\0", b"\3") else (_LENGTH, b"")
            )
        elif code == 0xD1:
            return _OK, bytes((2, 2, 0, 7, 0, 2, 0))
        elif code == 0xD2:
            bits, self.status = self.status, 0 if said == b"\1" else self.status
            return _OK, bits.to_bytes(4, "big") + b"\0"
        elif code != 0x56:
            return _UNKNOWN, b""
        return _OK, b""

    def _start(self, said: bytes, t: float) -> tuple[int, bytes]:
        form = {b"\x01\x03": "float", b"\x01\x05": "uint16"}.get(said)
        if form is None:
            return (_LENGTH if len(said) != 2 else _PARAMETER), b""
        self._form, self._state, self._started_at = form, "measuring", t
        return _OK, b""

    def _clean(self, said: bytes) -> tuple[int, bytes]:
        if said[:1] != b"\0" or len(said) not in (1, 5):
            return _LENGTH, b""
        if len(said) == 1:
            return _OK, self._clean_every_s.to_bytes(4, "big")
        self._clean_every_s = int.from_bytes(said[1:], "big")
        return _OK, b""

    def _new_values(self, t: float) -> bytes:
        if t < self._started_at + 1 or int(t) == self._read_second:
            return b""
        self._read_second = int(t)
        dice = Random(f"{self._seed}/{int(t)}")
        pm2_5 = max(0.0, 46 * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 0.6))
        values = [pm2_5 * k for k in (0.94, 1.0, 1.03, 1.05, 6.4, 7.4, 7.5, 7.52, 7.53)]
        if self._form == "float":
            return _FLOATS.pack(*values, 0.52)
        return _WORDS.pack(*map(round, values), 520)
