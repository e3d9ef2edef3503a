"""A Modbus instrument that is not there, made of its register map: it keeps the real one's registers and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import pi, prod, sin
from random import Random

from drivers.core import modbus
from drivers.core.modbus_write import ONE, AddressRegister
from drivers.core.quantities import quantity
from drivers.core.registers import Fact, Place, Ratio, Register
from drivers.core.simulated_slave import SimulatedSlave

Values = Callable[[float], Mapping[str, float]]
"""What is measured at `t` seconds, by quantity."""

Model = Callable[[Sequence[str], int, int], Values]
"""`model(quantities, seed, address)`: something to measure."""

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


class SimulatedMap(SimulatedSlave):
    """The slave at one bus address. A question that meets none of its registers, goes beyond its last one, or is odd
    where only even ones are taken, gets exception 2; another function than the map's gets exception 1. `ratios`: what
    a host will multiply its numbers by, by factor. `own`: where it keeps its bus address.
    """

    def __init__(
        self,
        places: Sequence[Place],
        limit: int,
        even: bool,
        values: Values,
        address: int,
        ratios: Mapping[str, float] | None = None,
        own: AddressRegister | None = None,
    ) -> None:
        super().__init__(address, limit)
        self._own = own
        # What is measured last: a register may stand among the facts too.
        self._places = sorted(places, key=lambda place: isinstance(place, Register))
        self._ratios = ratios or {}
        self._even = even
        self._values = values
        self._ends = {p.function: max(x.at + x.count for x in places if x.function == p.function) for p in places}

    def data(self, read: modbus.Read, t: float) -> bytes | int:
        """The registers that are asked for; what stands between those of the map is zero."""
        if read.function not in self._ends:
            return ILLEGAL_FUNCTION
        if read.start + read.count > self._ends[read.function] or (self._even and (read.start % 2 or read.count % 2)):
            return ILLEGAL_ADDRESS
        out, values, is_met = bytearray(read.count * 2), self._values(t), False
        for place in self._places:
            at, size = (place.at - read.start) * 2, place.count * 2
            if place.function == read.function and 0 <= at <= len(out) - size:
                out[at : at + size] = self._encoded(place, values)
                is_met = True
        return bytes(out) if is_met else ILLEGAL_ADDRESS

    def write(self, asked: bytes) -> bytes | int:
        """It takes a new address, and answers from the old one; it keeps everything else as it is."""
        if self._own is None:
            return ILLEGAL_FUNCTION
        address = self._own.address_in(asked)
        if address is None:
            return ILLEGAL_ADDRESS
        if not 1 <= address <= 247:
            return ILLEGAL_VALUE
        self._address = address
        return asked if asked[1] == ONE else modbus.closed(asked[:6])

    def _encoded(self, place: Place, values: Mapping[str, float]) -> bytes:
        if isinstance(place, Register):
            return place.encode(values[place.name] / prod(self._ratios.get(name, 1) for name in place.factors))
        return place.encode() if isinstance(place, Fact | Ratio) else bytes(place.count * 2)


def plain_model(quantities: Sequence[str], seed: int, address: int) -> Values:
    """Values that swing slowly in the lower part of what is physically possible; counters rise by one an hour
    and begin anew after eleven days."""
    dice = Random(f"{seed}/{address}")
    shifts = {name: dice.uniform(0, 2 * pi) for name in quantities}

    def values(t: float) -> dict[str, float]:
        out = {}
        for name in quantities:
            known = quantity(name)
            low, high = known.span or (0.0, 100.0)
            middle = max(low, min(0.5 * (low + high), 20.0))
            if known.kind in ("counter", "total"):
                out[name] = t % 1e6 / 3600
            elif known.kind == "contact":
                out[name] = float(sin(t / 300 + shifts[name]) > 0.9)
            else:
                out[name] = middle + 0.2 * min(high - middle, middle - low, 10.0) * sin(t / 600 + shifts[name])
        return out

    return values
