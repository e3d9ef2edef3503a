"""An instrument that a register map describes: what to ask, and what the answers mean. `load_map` reads the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from drivers.core import modbus
from drivers.core.contract import Decoded, DeviceFault, Exchange, FixedBits, Implausible, Options, Request
from drivers.core.quantities import is_plausible, quantity
from drivers.core.registers import Fact, Place, Ratio, Register

SUSPECT, FAIL, MISSING = 3, 4, 9
_INVERTED = ("active_power", "reactive_power", "power_factor", "power_demand")
_IMPORT, _EXPORT = "energy_import", "energy_export"


@dataclass(frozen=True, slots=True)
class Factor:
    """What multiplies values: the option of its name, else the ratio that the instrument tells, else `default`."""

    name: str
    place: Ratio | None = None
    default: float = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A value whose meaning is a setting of the instrument: the option `name` says what `quantity` is called."""

    name: str
    quantity: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RegisterMap:
    """One instrument family's registers and how they may be asked for.

    `info` is asked in each round, `identity` only by `identify`; `always` names what every such instrument has;
    `alike`: functions 3 and 4 answer alike.
    """

    registers: tuple[Register, ...]
    factors: tuple[Factor, ...]
    choices: tuple[Choice, ...]
    info: tuple[Fact, ...]
    identity: tuple[Fact, ...]
    always: tuple[str, ...]
    limit: int
    max_hole: int
    even: bool
    alike: bool
    gap_s: float
    timeout_s: float

    @property
    def places(self) -> tuple[Place, ...]:
        """Everything that a round asks for."""
        return (*self.registers, *(f.place for f in self.factors if f.place), *self.info)

    @property
    def is_directed(self) -> bool:
        """Whether anything changes where the current flows the other way."""
        return any(quantity(r.name).base in _INVERTED or _opposite(r.name) != r.name for r in self.registers)

    @property
    def sometimes(self) -> tuple[str, ...]:
        """Quantities that options bring."""
        turned = {_opposite(register.name) for register in self.registers} - {r.name for r in self.registers}
        return (*(other for choice in self.choices for other in choice.others), *sorted(turned))

    def gives(self, options: Options) -> tuple[str, ...]:
        """The quantities of a meter with these options."""
        names = (self._called(register.name, options) for register in self.registers)
        return tuple(_opposite(name) if options.get("invert") else name for name in names)

    def reads(self, unit: int) -> list[modbus.Read]:
        """One round: few reads within the instrument's limits that cover every register."""
        return self._merged(unit, self.places)

    def ask(self, data: bytes, options: Options) -> Request:
        """The request of a question's bytes."""
        size = modbus.parse_question(data).reply_bytes
        return Request(data, partial(modbus.ReplyFramer, data), size, self.timeout_s, self.gap_s)

    def requests(self, unit: int, options: Options) -> tuple[Request, ...]:
        """One round for the instrument at this bus address."""
        return tuple(self.ask(modbus.question(read), options) for read in self.reads(unit))

    def identify(self, unit: int, options: Options) -> tuple[Request, ...]:
        """What to ask to learn which instrument it is; its answers decode to `info` alone."""
        return tuple(self.ask(modbus.question(read), options) for read in self._merged(unit, self.identity))

    def guess(self, reply: bytes, options: Options) -> tuple[bytes, bool]:
        """The question a lone answer seems to answer; certain where only one read of the round has its length."""
        seen = modbus.find_reply(reply)
        if seen is None:
            return modbus.question(self.reads(1)[0]), False
        fits = [r for r in self.reads(seen.unit) if (r.function, r.count) == (seen.function, seen.count)]
        return modbus.question(fits[0] if len(fits) == 1 else seen), len(fits) == 1

    def decode(self, exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
        """The values of the answers.

        Raises `DeviceFault` where they should hold values and hold none, or a status says that there are none,
        `Implausible` where all are impossible, and `FixedBits` where they are another instrument's.
        """
        found = [(place, data) for request, reply in exchanges for place, data in self._placed(request, reply)]
        told = {p.name: None if d is None else p.ratio(d) for p, d in found if isinstance(p, Ratio)}
        factors = self._factors(told, options)
        facts = [(p, None if d is None else p.fact(d)) for p, d in found if isinstance(p, Fact)]
        info = {place.name: fact for place, fact in facts if fact is not None}
        is_reading = any(isinstance(place, Register) for place, _ in found)
        for fact, _ in facts:
            if not (is_reading and fact in self.identity):  # a model that nobody has listed is no reason to lose values
                _match(fact, info.get(fact.name))
        spoilt = {name for place, data in found if isinstance(place, Fact) for name in place.spoilt(data)}
        values: dict[str, float] = {}
        quality: dict[str, int] = {}
        for place, data in found:
            if not isinstance(place, Register):
                continue
            value = None if data is None or place.name in spoilt else _value(place, data, factors)
            if value is None:
                if data is not None and place.name in self.always:
                    raise FixedBits(f"another meter's answer: this one always has {place.name}, and here is none")
                quality[place.name] = MISSING
                continue
            name = self._called(place.name, options)
            values[name] = value
            low, high = place.limits or (value, value)
            if not (low <= value <= high and is_plausible(name, value)):
                quality[name] = FAIL
        _judge(values, quality, info, [name for name, factor in factors.items() if factor is None])
        for place, data in found:
            if isinstance(place, Fact) and place.suspects(data):
                quality = {**dict.fromkeys(values, SUSPECT), **quality}
        if options.get("invert"):
            values, quality = invert_values(values), {_opposite(name): flag for name, flag in quality.items()}
        return Decoded(values, quality, info)

    def _called(self, name: str, options: Options) -> str:
        return next((str(options.get(c.name, name)) for c in self.choices if c.quantity == name), name)

    def _merged(self, unit: int, places: tuple[Place, ...]) -> list[modbus.Read]:
        wanted = (modbus.Read(unit, p.function, p.at, p.count) for p in places)
        return modbus.merge(wanted, self.limit, self.max_hole, even=self.even)

    def _placed(self, request: Request, reply: bytes | None) -> Iterator[tuple[Place, bytes | None]]:
        """What stands in an answer and its bytes; None for them where no answer came."""
        read = modbus.parse_question(request.data)
        data = None if reply is None else modbus.reply_data(reply, read)
        for place in _inside(self, read.function, read.start, read.count):
            at = (place.at - read.start) * 2
            yield place, None if data is None else data[at : at + place.count * 2]

    def _factors(self, told: Mapping[str, float | None], options: Options) -> dict[str, float | None]:
        """The factors by name; None where the instrument was asked and did not tell: then nobody knows the values."""
        said = [(factor, float(options.get(factor.name, 0))) for factor in self.factors]
        return {f.name: option if option > 0 else told.get(f.name, f.default) for f, option in said}


def invert_values(values: Mapping[str, float]) -> dict[str, float]:
    """The same values of a meter whose current flows the other way."""
    return {_opposite(name): -value if quantity(name).base in _INVERTED else value for name, value in values.items()}


@lru_cache(maxsize=1024)
def _inside(meter: RegisterMap, function: int, start: int, count: int) -> list[Place]:
    end = start + count
    inside = [p for p in (*meter.places, *meter.identity) if start <= p.at and p.at + p.count <= end]
    return [p for p in inside if p.function == function or meter.alike]


def _value(place: Register, data: bytes, factors: Mapping[str, float | None]) -> float | None:
    value = place.value(data)
    for name in place.factors:
        factor = factors[name]
        value = None if value is None or factor is None else _times(value, factor)
    return value


def _times(value: float, factor: float) -> float:
    """The product; by division where the factor is a tenth or alike, which no float is: 536 times 0.1 is 53.6."""
    inverse = round(1 / factor)
    return value / inverse if inverse > 1 and abs(1 / factor - inverse) < 1e-9 else value * factor


def _judge(
    values: Mapping[str, float], quality: Mapping[str, int], info: Mapping[str, str | int], unknown: list[str]
) -> None:
    if not values and (quality or not info):
        why = f"; it does not tell {' and '.join(unknown)} in a way that is known: set the option" if unknown else ""
        raise DeviceFault(f"the device marks every value as not available: {', '.join(quality) or 'no register'}{why}")
    if values and all(quality.get(name) == FAIL for name in values):
        name, value = next(iter(values.items()))
        raise Implausible(f"every value is impossible, such as {name} = {value:g} {quantity(name).unit}")


def _match(place: Fact, fact: str | int | None) -> None:
    if place.expect and fact is not None and not re.fullmatch(place.expect, str(fact)):
        raise FixedBits(f"another meter's answer: {place.name} is {fact!r}, which does not match {place.expect!r}")


def _opposite(name: str) -> str:
    return name.replace(_IMPORT, _EXPORT) if _IMPORT in name else name.replace(_EXPORT, _IMPORT)
