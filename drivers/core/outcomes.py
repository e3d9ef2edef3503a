"""What comes of bytes: values, or a refusal with its reason. Drivers import these from `contract`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Options = Mapping[str, "str | int | float | bool"]
"""A device's own settings (`variant`, `min_mm` …), already checked against `Driver.options`."""

Reason = Literal["Truncated", "FixedBits", "Integrity", "Implausible", "DeviceFault"]


class Rejection(Exception):
    """Bytes that are not a reading. The subclass is the reason, the message says what and where."""

    reason: ClassVar[Reason]


class Truncated(Rejection):
    """The frame ended too early, or its length is not the one the protocol gives."""

    reason: ClassVar[Reason] = "Truncated"


class FixedBits(Rejection):
    """A byte that the protocol fixes (header, address, function, byte count) has another value."""

    reason: ClassVar[Reason] = "FixedBits"


class Integrity(Rejection):
    """The checksum or CRC does not hold."""

    reason: ClassVar[Reason] = "Integrity"


class Implausible(Rejection):
    """The check holds, but a value is outside what is physically possible (quantities.toml, `span`)."""

    reason: ClassVar[Reason] = "Implausible"


class DeviceFault(Rejection):
    """The instrument itself says that it has no value: no echo, exception reply, error code."""

    reason: ClassVar[Reason] = "DeviceFault"


@dataclass(frozen=True, slots=True)
class Decoded:
    """One report of a device: values by quantity in the vocabulary's units.

    `quality` names QARTOD flags of values that are not good (3 suspect, 4 fail, 9 missing); `info` carries what is no
    quantity (versions, serial numbers, status bits).
    """

    values: Mapping[str, float]
    quality: Mapping[str, int] = field(default_factory=dict)
    info: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """One report out of a radio payload. `at_ns` is its own wall time (ns since the epoch), `age_s` how long ago it was
    measured, where the device says either (its log, its history); with neither it is of the moment it is heard. One
    without values and quality is no reading: its info tells what the device is.
    """

    decoded: Decoded
    at_ns: int | None = None
    age_s: float | None = None
