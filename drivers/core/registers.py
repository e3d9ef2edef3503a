"""Places in an instrument's registers: where something stands and how its bytes become our value, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Literal

from drivers.core import modbus
from drivers.core.contract import DeviceFault

Form = Literal["", "four-quadrant"]
FORMS = ("", "four-quadrant")
_FLOAT32 = Struct("f")
_NONE = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number stands: `count` registers from `at`, read by `function`."""

    name: str
    function: int
    at: int
    type: modbus.NumberType
    low_word_first: bool = False
    form: Form = ""
    not_available: tuple[bytes, ...] = ()
    """Bytes of the number, highest first, that mean that there is none."""

    @property
    def count(self) -> int:
        """Registers it takes."""
        return modbus.registers_of(self.type)

    def number(self, data: bytes) -> float | None:
        """The number in its own register bytes; None where the instrument says that there is none."""
        if (modbus.swapped(data) if self.low_word_first else data) in self.not_available:
            return None
        number = modbus.number(data, self.type, low_word_first=self.low_word_first)
        if not math.isfinite(number):
            return None
        if self.type == "float32":
            number = shortest(number)
        return four_quadrant(number) if self.form == "four-quadrant" else number

    def bytes_of(self, number: float) -> bytes:
        """The register bytes of a number, for simulated instruments."""
        return modbus.register_bytes(number, self.type, low_word_first=self.low_word_first)


@dataclass(frozen=True, slots=True)
class Register(Place):
    """Where a quantity stands: value = (number + offset) * numerator / denominator, in the vocabulary's unit.

    `limits`: what this instrument can measure at all, narrower than the quantity's span. `factors`: names of the
    map's factors that multiply the value.
    """

    offset: float = 0
    numerator: float = 1
    denominator: float = 1
    limits: tuple[float, float] | None = None
    factors: tuple[str, ...] = ()

    def value(self, data: bytes) -> float | None:
        """The value in its own register bytes, without factors; None where there is none."""
        number = self.number(data)
        return None if number is None else (number + self.offset) * self.numerator / self.denominator

    def encode(self, value: float) -> bytes:
        """The register bytes of a value, for simulated instruments."""
        return self.bytes_of(value * self.denominator / self.numerator - self.offset)


@dataclass(frozen=True, slots=True)
class Fact(Place):
    """What is no quantity: a status, a version, a serial number. `labels` names its numbers.

    With `letters` it is that many registers of two characters each, and `type` says nothing.
    """

    labels: Mapping[int, str] = field(default_factory=dict)
    letters: int = 0
    expect: str = ""
    """What it must match, as a regular expression, or the answer is another instrument's."""
    flags: Mapping[int, int] = field(default_factory=dict)
    """Numbers that spoil the values: 3 makes them suspect, 4 means that there are none."""
    bits: Mapping[str, int] = field(default_factory=dict)
    """Quantities, and the bit that is set while they are missing."""
    sample: str | int = 0
    """What a simulated instrument says."""

    @property
    def count(self) -> int:
        """Registers it takes."""
        return self.letters or modbus.registers_of(self.type)

    def fact(self, data: bytes) -> str | int | None:
        """What its own register bytes say; None where there is nothing."""
        if self.letters:
            return data.rstrip(b" \0").decode("ascii", "replace").replace("\ufffd", "?").replace("\0", "") or None
        number = self.number(data)
        if number is None:
            return None
        return self.labels.get(int(number), int(number)) if number == int(number) else f"{number:.7g}"

    def spoilt(self, data: bytes | None) -> list[str]:
        """Quantities that are missing while it says this. Raises `DeviceFault` where all are."""
        if data is None or not (self.flags or self.bits):
            return []
        number = int(self.number(data) or 0)
        if self.flags.get(number) == _NONE:
            raise DeviceFault(f"it says itself that it has no value: {self.name} is {self.fact(data)}")
        return [name for name, bit in self.bits.items() if number >> bit & 1]

    def suspects(self, data: bytes | None) -> bool:
        """Whether the values are suspect while it says this."""
        return data is not None and bool(self.flags) and int(self.number(data) or 0) in self.flags

    def encode(self) -> bytes:
        """The register bytes of the sample, for simulated instruments."""
        if isinstance(self.sample, str):
            return self.sample.encode("ascii")[: self.letters * 2].ljust(self.letters * 2)
        return bytes(self.letters * 2) if self.letters else self.bytes_of(self.sample)


@dataclass(frozen=True, slots=True)
class Ratio(Place):
    """What multiplies values, such as the ratio of transformers: number times `scale`, or what `table` says of it."""

    scale: float = 1
    table: Mapping[int, float] = field(default_factory=dict)

    def ratio(self, data: bytes) -> float | None:
        """The ratio in its own register bytes; None where there is none, 0, or a number that the table lacks."""
        number = self.number(data)
        if self.table:
            return None if number is None else self.table.get(int(number))
        return number * self.scale if number else None

    def encode(self) -> bytes:
        """The register bytes of a ratio of one, or the table's first, for simulated instruments."""
        return self.bytes_of(next(iter(self.table), 1 / self.scale))

    @property
    def simulated(self) -> float:
        """The ratio that `encode` stands for."""
        return next(iter(self.table.values()), 1.0)


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
