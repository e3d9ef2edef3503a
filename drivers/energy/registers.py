"""One register of a meter: where a quantity stands and how its bytes become our value, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from struct import Struct

from drivers.core import modbus

_FLOAT32 = Struct("f")


@dataclass(frozen=True, slots=True)
class Register:
    """Where a quantity stands: value = number * numerator / denominator, in the vocabulary's unit."""

    quantity: str
    function: int
    at: int
    type: modbus.NumberType
    low_word_first: bool
    numerator: float
    denominator: float
    is_four_quadrant: bool
    not_available: bytes | None

    @property
    def count(self) -> int:
        """Registers it takes."""
        return modbus.registers_of(self.type)

    def value(self, data: bytes) -> float | None:
        """The value in its own register bytes; None where the meter says that there is none."""
        if data == self.not_available:
            return None
        number = modbus.number(data, self.type, low_word_first=self.low_word_first)
        if not math.isfinite(number):
            return None
        if self.is_four_quadrant:
            return four_quadrant(number)
        if self.type == "float32":
            number = shortest(number)
        return number * self.numerator / self.denominator

    def encode(self, value: float) -> bytes:
        """The register bytes of a value, for the simulated meter."""
        return modbus.register_bytes(
            value * self.denominator / self.numerator, self.type, low_word_first=self.low_word_first
        )


def shortest(number: float) -> float:
    """The shortest decimal that is the same 32-bit float: 229.4792, not 229.4792022705078."""
    for form in ("%.7g", "%.8g"):
        short = float(form % number)
        if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == number:
            return short
    return float(f"{number:.9g}")


def four_quadrant(number: float) -> float:
    """Schneider's power factor in -2 … 2: beyond ±1 it leads, and the factor is what is missing to ±2."""
    if number > 1:
        return 2 - number
    return -2 - number if number < -1 else number
