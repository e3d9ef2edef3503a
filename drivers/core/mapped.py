"""Instruments that a register map describes: one TOML file each becomes a polled driver. No Python needed.

    title, class, models, aliases, sources, wiring, quirks, silence_s, period_s, vectors: as in `Driver`
    [line]                                        baud, bits, parity, stop: as delivered
    [modbus]
    address = 1                                   as delivered
    max_registers_per_read = 32                   the instrument's own limit
    max_hole = 8                                  registers nobody wants that are read over rather than asking twice
    gap_ms = 50                                   silence before a question
    timeout_ms = 500                              the instrument's time to think; the wire's time comes on top
    function = 3                                  these are what a register says unless it says otherwise
    type = "uint16"                               int16 uint16 int32 uint32 int64 uint64 float32 float64
    word_order = "high-first"                     or "low-first"
    scale = 1
    [registers]                                   the address on the wire, counted from 0
    pm2_5 = 503
    air_temperature = { at = 9, scale = 0.01, offset = -4000 }       (raw + offset) * scale
    air_pressure = { at = 505, scale = 0.1, unit = "kPa" }           unit: the instrument's, where not ours

A value whose answer did not come, or that is no number, is missing (9); one outside its span fails (4). An answer
without any value is a `DeviceFault`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivers.core import modbus, units
from drivers.core.contract import Decoded, DeviceFault, Driver, Exchange, Instrument, Line, Options, Polled, Request
from drivers.core.quantities import is_plausible, quantity

FAIL, MISSING = 4, 9
_ENTRY = {"at", "function", "type", "word_order", "scale", "offset", "unit"}


class MapError(ValueError):
    """A register map file is wrong; the message names the file and what was expected."""


@dataclass(frozen=True, slots=True)
class Register:
    """Where a quantity stands: value = (number + offset) * numerator / denominator, in the vocabulary's unit."""

    quantity: str
    function: int
    at: int
    type: modbus.NumberType
    low_word_first: bool
    offset: float
    numerator: float
    denominator: float

    @property
    def count(self) -> int:
        """Registers it takes."""
        return modbus.registers_of(self.type)

    def value(self, data: bytes) -> float | None:
        """The value in its own register bytes; None where they are no number."""
        number = modbus.number(data, self.type, low_word_first=self.low_word_first)
        if not math.isfinite(number):
            return None
        if self.type == "float32":  # seven digits are all that it has
            number = float(f"{number:.7g}")
        return (number + self.offset) * self.numerator / self.denominator

    def encode(self, value: float) -> bytes:
        """The register bytes of a value, for simulated instruments."""
        number = value * self.denominator / self.numerator - self.offset
        return modbus.register_bytes(number, self.type, low_word_first=self.low_word_first)


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """One instrument's registers and how they may be asked for."""

    registers: tuple[Register, ...]
    limit: int
    max_hole: int
    gap_s: float
    timeout_s: float

    def reads(self, unit: int) -> list[modbus.Read]:
        """One round: few reads within the instrument's limit that cover every register."""
        wanted = (modbus.Read(unit, r.function, r.at, r.count) for r in self.registers)
        return modbus.merge(wanted, self.limit, self.max_hole)

    def ask(self, data: bytes, options: Options) -> Request:
        """The request of a question's bytes."""
        size = modbus.parse_question(data).reply_bytes
        return Request(data, partial(modbus.ReplyFramer, data), size, self.timeout_s, self.gap_s)

    def requests(self, unit: int, options: Options) -> tuple[Request, ...]:
        """One round for the instrument at this bus address."""
        return tuple(self.ask(modbus.question(read), options) for read in self.reads(unit))

    def guess(self, reply: bytes, options: Options) -> tuple[bytes, bool]:
        """The question a lone answer seems to answer; certain where only one read of the round has its length."""
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
            for register in self.registers:
                at = (register.at - read.start) * 2
                if register.function != read.function or not 0 <= at <= (read.count - register.count) * 2:
                    continue
                value = None if data is None else register.value(data[at : at + register.count * 2])
                if value is None:
                    quality[register.quantity] = MISSING
                    continue
                values[register.quantity] = value
                if not is_plausible(register.quantity, value):
                    quality[register.quantity] = FAIL
        if not values:
            raise DeviceFault("the answers hold none of the mapped registers")
        return Decoded(values, quality)


def load(
    name: str, text: str, package: str, simulate: Callable[[tuple[Register, ...], int, int, int], Instrument]
) -> Driver:
    """The driver that a map file describes; its vectors stand in `package`.

    `simulate(registers, limit, seed, address)` makes its simulated instrument. Raises `MapError`.
    """
    try:
        raw = tomllib.loads(text)
        talk = dict(raw["modbus"])
        registers = tuple(_register(key, entry, talk) for key, entry in raw["registers"].items())
        limit = talk["max_registers_per_read"]
        device = RegisterMap(
            registers=registers,
            limit=limit,
            max_hole=talk.get("max_hole", 8),
            gap_s=talk.get("gap_ms", 50) / 1000,
            timeout_s=talk.get("timeout_ms", 500) / 1000,
        )
        device.requests(talk["address"], {})  # a map that cannot be asked for is wrong now, not at night
        return Driver(
            name=name,
            title=raw["title"],
            device_class=raw["class"],
            models=tuple(raw["models"]),
            kind=Polled(device.requests, device.decode, device.ask, device.guess),
            quantities=tuple(register.quantity for register in registers),
            line=Line(**raw.get("line", {})),
            sources=tuple(raw["sources"]),
            silence_s=raw.get("silence_s", 60.0),
            default_address=talk["address"],
            aliases=tuple(raw.get("aliases", ())),
            wiring=raw.get("wiring", ""),
            quirks=tuple(raw.get("quirks", ())),
            period_s=raw.get("period_s", 10.0),
            simulate=lambda seed, address: simulate(registers, limit, seed, address),
            vectors=(package, raw["vectors"]) if "vectors" in raw else None,
        )
    except KeyError as error:
        raise MapError(f"{name}.toml: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError) as error:
        raise MapError(f"{name}.toml: {error}") from error


def _register(name: str, entry: Any, defaults: Mapping[str, Any]) -> Register:
    said: Mapping[str, Any] = {"at": entry} if isinstance(entry, int) else entry
    if unknown := said.keys() - _ENTRY:
        raise MapError(f"register {name!r} has an unknown key {min(unknown)!r}")
    found = quantity(name)
    kind = said.get("type", defaults.get("type"))
    order = said.get("word_order", defaults.get("word_order", "high-first"))
    if kind not in modbus.NUMBER_TYPES or order not in ("high-first", "low-first"):
        raise MapError(f"register {name!r}: type {kind!r} with word_order {order!r} is not possible")
    numerator, denominator = units.factor(said.get("unit", found.unit), found.unit)
    scale = said.get("scale", defaults.get("scale", 1))
    if scale and abs(1 / scale - round(1 / scale)) < 1e-9:  # 0.1 is no exact number, 1 / 10 is
        scale, denominator = 1, denominator * round(1 / scale)
    return Register(
        quantity=name,
        function=said.get("function", defaults.get("function", 3)),
        at=said["at"],
        type=kind,
        low_word_first=order == "low-first",
        offset=said.get("offset", 0),
        numerator=numerator * scale,
        denominator=denominator,
    )
