"""Meters that a register map describes: one TOML file each in `meters/`, read here into a driver. No Python needed.

    title = "Eastron SDM230 one-phase meter"      models, aliases, sources, wiring, quirks: as in `Driver`
    [line]                                        baud, bits, parity, stop: as delivered
    [modbus]
    address = 1                                   as delivered
    max_registers_per_read = 80                   the meter's own limit
    max_hole = 8                                  registers nobody wants that are read over rather than asking twice
    even = true                                   starts and counts must be even
    gap_ms = 100                                  silence before a question
    timeout_ms = 500                              the meter's time to think; the wire's time comes on top
    function = 4                                  these four are what a register says unless it says otherwise
    type = "float32"                              int16 uint16 int32 uint32 int64 uint64 float32 float64
    word_order = "high-first"                     or "low-first"
    scale = 1
    not_available = { uint16 = "ffff" }           raw values that mean missing; a float that is no number always does
    [registers]                                   the address on the wire, counted from 0
    voltage = 0x0000
    active_power = { at = 0x000C, type = "int32", scale = 0.1, unit = "kW" }     unit: the meter's, where not ours
    power_factor = { at = 0x0C0B, form = "four-quadrant" }

A value that the meter marks as not available, or whose answer did not come, is missing (9); one outside its span fails
(4). An answer without any value is a `DeviceFault`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from drivers.core import modbus, units
from drivers.core.contract import Decoded, DeviceFault, Driver, Exchange, Line, Option, Options, Polled, Request
from drivers.core.quantities import is_plausible, quantity
from drivers.energy.registers import Register
from drivers.energy.simulated_meter import SimulatedMeter

FAIL, MISSING = 4, 9
OPTIONS: Mapping[str, Option] = {
    "invert": Option(False, "true where the current transformers are mounted the wrong way: import and export change"),
}
_INVERTED = ("active_power", "reactive_power", "power_factor")


class MapError(ValueError):
    """A register map file is wrong; the message names the file, the register and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class RegisterMap:
    """One meter family's registers and how they may be asked for."""

    name: str
    registers: tuple[Register, ...]
    limit: int
    max_hole: int
    even: bool
    gap_s: float
    timeout_s: float

    def reads(self, unit: int) -> list[modbus.Read]:
        """One round: few reads within the meter's limits that cover every register."""
        wanted = (modbus.Read(unit, r.function, r.at, r.count) for r in self.registers)
        return modbus.merge(wanted, self.limit, self.max_hole, even=self.even)

    def ask(self, data: bytes, options: Options) -> Request:
        """The request of a question's bytes."""
        read = modbus.parse_question(data)
        return Request(data, lambda: modbus.ReplyFramer(data), read.reply_bytes, self.timeout_s, self.gap_s)

    def requests(self, address: int, options: Options) -> tuple[Request, ...]:
        """One round for the meter at this address."""
        return tuple(self.ask(modbus.question(read), options) for read in self.reads(address))

    def guess(self, reply: bytes, options: Options) -> tuple[bytes, bool]:
        """The question of a lone reply: certain where exactly one of the round's reads has its size."""
        seen = modbus.find_reply(reply)
        if seen is None:
            return modbus.question(self.reads(1)[0]), False
        fits = [r for r in self.reads(seen.unit) if (r.function, r.count) == (seen.function, seen.count)]
        return modbus.question(fits[0] if len(fits) == 1 else seen), len(fits) == 1

    def decode(self, exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
        """The values of the answers; raises `DeviceFault` where there is none at all."""
        values: dict[str, float] = {}
        quality: dict[str, int] = {}
        for request, reply in exchanges:
            read = modbus.parse_question(request.data)
            data = None if reply is None else modbus.reply_data(reply, read)
            for register in _inside(self, read.function, read.start, read.count):
                at = (register.at - read.start) * 2
                value = None if data is None else register.value(data[at : at + register.count * 2])
                if value is None:
                    quality[register.quantity] = MISSING
                    continue
                values[register.quantity] = value
                if not is_plausible(register.quantity, value):
                    quality[register.quantity] = FAIL
        if not values:
            raise DeviceFault(f"the meter marks every value as not available: {', '.join(quality) or 'no register'}")
        if options.get("invert"):
            values, quality = invert_values(values), {_opposite(name): flag for name, flag in quality.items()}
        return Decoded(values, quality)


@lru_cache(maxsize=512)
def _inside(meter: RegisterMap, function: int, start: int, count: int) -> list[Register]:
    end = start + count
    return [r for r in meter.registers if r.function == function and start <= r.at and r.at + r.count <= end]


def invert_values(values: Mapping[str, float]) -> dict[str, float]:
    """The same values of a meter whose current flows the other way."""
    return {_opposite(name): -value if quantity(name).base in _INVERTED else value for name, value in values.items()}


def _opposite(name: str) -> str:
    if "energy_import" in name:
        return name.replace("energy_import", "energy_export")
    return name.replace("energy_export", "energy_import")


def load(name: str, text: str) -> Driver:
    """The driver that a map file describes. Raises `MapError`."""
    try:
        raw = tomllib.loads(text)
        line, talk = Line(**raw.get("line", {})), dict(raw["modbus"])
        meter = RegisterMap(
            name=name,
            registers=tuple(_register(key, entry, talk) for key, entry in raw["registers"].items()),
            limit=talk["max_registers_per_read"],
            max_hole=talk.get("max_hole", 8),
            even=talk.get("even", False),
            gap_s=talk.get("gap_ms", 50) / 1000,
            timeout_s=talk.get("timeout_ms", 500) / 1000,
        )
        address = talk["address"]
        meter.requests(address, {})  # raises for what cannot be asked
        return Driver(
            name=name,
            title=raw["title"],
            device_class=raw.get("class", "energy"),
            models=tuple(raw["models"]),
            kind=Polled(meter.requests, meter.decode, meter.ask, meter.guess),
            quantities=tuple(register.quantity for register in meter.registers),
            line=line,
            sources=tuple(raw["sources"]),
            silence_s=raw.get("silence_s", 30.0),
            default_address=address,
            options=OPTIONS,
            aliases=tuple(raw.get("aliases", ())),
            wiring=raw.get("wiring", ""),
            quirks=tuple(raw.get("quirks", ())),
            period_s=raw.get("period_s", 10.0),
            simulate=lambda seed, unit: SimulatedMeter(meter.registers, meter.limit, meter.even, seed, unit),
            vectors=("drivers.energy", f"meters/{raw['vectors']}") if "vectors" in raw else None,
        )
    except KeyError as error:
        raise MapError(f"{name}.toml: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError) as error:
        raise MapError(f"{name}.toml: {error}") from error


def _register(name: str, entry: Any, defaults: Mapping[str, Any]) -> Register:
    said: Mapping[str, Any] = {"at": entry} if isinstance(entry, int) else entry
    unknown = said.keys() - {"at", "function", "type", "word_order", "scale", "unit", "form"}
    if unknown:
        raise MapError(f"register {name!r} has an unknown key {min(unknown)!r}")
    found = quantity(name)
    kind = said.get("type", defaults.get("type"))
    markers = {key: bytes.fromhex(value) for key, value in defaults.get("not_available", {}).items()}
    numerator, denominator = units.factor(said.get("unit", found.unit), found.unit)
    scale = said.get("scale", defaults.get("scale", 1))
    if scale and abs(1 / scale - round(1 / scale)) < 1e-9:  # 0.1 is no exact number, 1 / 10 is
        scale, denominator = 1, denominator * round(1 / scale)
    order = said.get("word_order", defaults.get("word_order", "high-first"))
    form = said.get("form", "")
    if kind not in modbus.NUMBER_TYPES or order not in ("high-first", "low-first") or form not in ("", "four-quadrant"):
        raise MapError(f"register {name!r}: type {kind!r}, word_order {order!r}, form {form!r} is not possible")
    return Register(
        quantity=name,
        function=said.get("function", defaults.get("function", 3)),
        at=said["at"],
        type=kind,
        low_word_first=order == "low-first",
        numerator=numerator * scale,
        denominator=denominator,
        is_four_quadrant=form == "four-quadrant",
        not_available=markers.get(kind),
    )


def _shipped() -> Iterator[Driver]:
    for item in files("drivers.energy").joinpath("meters").iterdir():
        if item.name.endswith(".toml") and not item.name.endswith(".vectors.toml"):
            yield load(item.name.removesuffix(".toml"), item.read_text("utf-8"))


DRIVERS = tuple(_shipped())
