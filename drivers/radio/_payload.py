"""What all payload codecs share: a bounded reader, what becomes of values, and numbers that move for simulators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import pi, sin
from random import Random
from typing import Literal

from drivers.core.contract import Decoded, DeviceFault, FixedBits, Implausible, Line, Options, Telling, Truncated
from drivers.core.quantities import quantity

SUSPECT, MISSING = 3, 9
NO_LINE = Line()
"""A radio has no serial line."""
SECOND = 1_000_000_000
CLOCK_SET_S = 1_420_070_400
"""2015: a device's clock that shows less was never set."""
WIRING = "No wire: by LoRaWAN through a network server or a concentrator beside the node, or a LoRa modem on its port."


class Payload:
    """Bytes taken from the front. Every take that goes beyond the end raises `Truncated`."""

    def __init__(self, data: bytes, order: Literal["big", "little"] = "big") -> None:
        self._data = data
        self._order: Literal["big", "little"] = order
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self.at

    def take(self, size: int, what: str) -> bytes:
        """The next bytes."""
        if self.left < size:
            raise Truncated(f"{what} at byte {self.at} needs {size} bytes, {self.left} are left")
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self, size: int, what: str, *, signed: bool = False) -> int:
        """The next whole number."""
        return int.from_bytes(self.take(size, what), self._order, signed=signed)


def exactly(data: bytes, sizes: Iterable[int], what: str) -> None:
    """Refuse a payload of another length: shorter ones as cut, longer ones as another device's."""
    allowed = sorted(sizes)
    if len(data) in allowed:
        return
    why = f"{what} has {' or '.join(map(str, allowed))} bytes, these are {len(data)}"
    raise Truncated(why) if len(data) < allowed[-1] else FixedBits(why)


def telling(
    values: Mapping[str, float],
    quality: Mapping[str, int] | None = None,
    info: Mapping[str, str | int] | None = None,
    *,
    at_s: int | None = None,
    age_s: float | None = None,
) -> Telling:
    """A report. Raises `Implausible` where a value is outside its quantity's span, or its own time before 2015."""
    if at_s is not None and at_s < CLOCK_SET_S:
        raise Implausible(f"its log is dated {at_s} s after 1970: its clock was never set")
    for name, value in values.items():
        known = quantity(name)
        low, high = known.span or (-1e300, 1e300)
        if not low <= value <= high:
            raise Implausible(f"{name} = {value:g} {known.unit} is outside {low:g} to {high:g}")
    at_ns = None if at_s is None else at_s * SECOND
    return Telling(Decoded(dict(values), dict(quality or {}), dict(info or {})), at_ns, age_s)


def tellings(reports: Iterable[Telling], why: str = "") -> tuple[Telling, ...]:
    """Reports, those of the past first. Where none of them has a value that was expected, `DeviceFault` says `why`."""
    told = sorted(reports, key=lambda one: (one.at_ns is None, one.at_ns or 0, -(one.age_s or 0)))
    if any(one.decoded.quality for one in told) and not any(one.decoded.values for one in told):
        raise DeviceFault(why or f"no value: {', '.join(sorted({n for one in told for n in one.decoded.quality}))}")
    return tuple(told)


def with_probe(quantities: tuple[str, ...], options: Options) -> tuple[str, ...]:
    """What a device reports, and what its probe measures where the option `probe` says so."""
    probe = str(options.get("probe", "none"))
    return quantities if probe == "none" else (*quantities, probe)


class Moving:
    """Numbers for a simulated device at time t: a tide, a ripple and some noise; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._offset = Random(seed).uniform(-0.5, 0.5)

    def near(self, name: str, t: float, middle: float, swing: float) -> float:
        """A number that stays within `swing` of `middle`."""
        dice = Random(f"{self._seed}/{name}/{int(t * 1000)}")
        day, ripple = sin(2 * pi * t / 22_350 + self._offset), sin(2 * pi * t / 71)
        return middle + swing * (0.7 * day + 0.15 * ripple + 0.1 * dice.uniform(-1, 1))

    def distance_mm(self, t: float) -> int:
        """From the bridge down to the canal."""
        return round(self.near("level", t, 2200, 400))

    def depth_m(self, t: float) -> float:
        """From the probe up to the canal's surface."""
        return self.near("level", t, 1.6, 0.4)

    def water_c(self, t: float) -> float:
        """The water's temperature."""
        return self.near("water", t, 27.0, 1.5)

    def box_c(self, t: float) -> float:
        """The temperature in its housing."""
        return self.near("box", t, 34.0, 8.0)

    def battery_v(self, t: float) -> float:
        """A lithium cell that is nearly full."""
        return self.near("battery", t, 3.58, 0.02)
