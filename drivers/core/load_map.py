"""Register maps as text: one TOML file each becomes a polled driver. No Python needed.

    title = "Eastron SDM230 one-phase meter"      models, aliases, sources, wiring, quirks, silence_s, period_s,
    class = "energy"                              vectors: as in `Driver`; class is energy unless it says otherwise
    [line]                                        baud, bits, parity, stop: as delivered
    [modbus]
    address = 1                                   as delivered
    max_registers_per_read = 80                   the instrument's own limit
    max_hole = 8                                  registers nobody wants that are read over rather than asking twice
    even = true                                   starts and counts must be even
    gap_ms = 50                                   silence before a question
    timeout_ms = 500                              the instrument's time to think; the wire's time comes on top
    alike = true                                  functions 3 and 4 answer alike
    always = ["voltage_l1"]                       an answer that lacks these is another instrument's
    function = 3                                  the following are what a register says unless it says otherwise
    type = "float32"                              int16 uint16 int32 uint32 int64 uint64 float32 float64
    word_order = "high-first"                     or "low-first"
    scale = 1
    not_available = { uint16 = "ffff" }           numbers, in hex, that mean missing; a float that is none always does
    [registers]                                   the address on the wire, counted from 0
    voltage = 0x0000
    active_power = { at = 0x000C, type = "int32", scale = 0.1, unit = "kW" }     unit: the meter's, where not ours
    air_temperature = { at = 9, scale = 0.01, offset = -4000 }                  (number + offset) * scale
    power_factor = { at = 0x0C0B, form = "four-quadrant" }
    frequency = { at = 0x0010, limits = [40, 70] }                              what it can measure at all
    [factors]                                     what multiplies values, each an option; asked for where `at` is told
    ct_ratio = { at = 6, type = "uint16", of = ["current", "active_power"] }    `of`: the quantities it multiplies
    unit_m = { at = 2, table = { 17 = 0.01 }, default = 0.01, of = ["water_depth"], help = "metres of its unit" }
    [choices]                                     values whose meaning is a setting of the instrument
    pv = { quantity = "stage", others = ["distance"], help = "what its primary value is" }
    [info]                                        what is no quantity, read in each round
    alarm = { at = 9, labels = { 0 = "off", 65535 = "on" }, flags = { 65535 = 3 } }    3 suspect values, 4 no values
    status = { at = 2000, bits = { stage = 0 } }  while bit 0 is set, the stage is missing
    [identity]                                    what is no quantity, read to find out which instrument it is
    model = { at = 0x8960, letters = 6, expect = "B2.*", sample = "B23 112-100" }   `letters`: registers of two each
    [own_address]                                 where it keeps its bus address; without it that cannot be changed
    at = 0x0014                                   type, word_order; function 6 or 16, which writes it
    note = "Hold its button for three seconds."   what must be done first

Tables of `core.vectors` may follow. A value whose answer did not come, or that is no number, is missing (9); one
outside its span or limits fails (4).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from drivers.core import modbus, units
from drivers.core.contract import Driver, Option, Polled
from drivers.core.map_facts import check_facts, line_of, own_address
from drivers.core.quantities import quantity
from drivers.core.register_map import Choice, Factor, RegisterMap
from drivers.core.registers import FORMS, Fact, Ratio, Register
from drivers.core.simulated_map import Model, SimulatedMap, plain_model

INVERT = Option(False, "true where the current transformers are mounted the wrong way: import and export change")
_TOP = {
    *("title", "class", "models", "aliases", "sources", "wiring", "quirks", "silence_s", "period_s", "vectors"),
    *("line", "modbus", "registers", "factors", "choices", "info", "identity", "own_address"),
    *("vector", "fault", "weakness", "stream", "command"),
}
_PLACE = {"at", "function", "type", "word_order", "not_available"}
_COMMON = {"function", "type", "word_order", "scale", "not_available"}
_MODBUS = _COMMON | {"address", "max_registers_per_read", "max_hole", "even", "alike", "gap_ms", "timeout_ms", "always"}
_RATIO = "ratio of the transformers, which multiplies its values"
_CLASSES = ("air", "water", "weather", "energy", "mobility", "place")
_Made = TypeVar("_Made")


class MapError(ValueError):
    """A register map file is wrong; the message names the file, the register and what was expected."""


def load(name: str, text: str, model: Model = plain_model, vectors_in: tuple[str, str] | None = None) -> Driver:
    """The driver that a map file describes; `name` is the driver's. Raises `MapError`.

    `model` makes what its simulated instrument measures; `vectors_in` is the package and the folder of its vectors.
    """
    try:
        return _driver(name, tomllib.loads(text), model, vectors_in)
    except KeyError as error:
        raise MapError(f"{name}.toml: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise MapError(f"{name}.toml: {error}") from error


def _driver(name: str, raw: Mapping[str, Any], model: Model, vectors_in: tuple[str, str] | None) -> Driver:
    _known("the file", raw, _TOP)
    said: Mapping[str, Any] = raw["modbus"]
    _known("[modbus]", said, _MODBUS)
    check_facts(raw)
    factors: Mapping[str, Any] = raw.get("factors", {})
    registers = _each(raw["registers"], lambda key, entry: _register(key, entry, said, factors))
    meter = RegisterMap(
        registers=registers,
        factors=_each(factors, lambda key, entry: _factor(key, entry, said)),
        choices=tuple(_choice(key, entry, raw["registers"]) for key, entry in raw.get("choices", {}).items()),
        info=_each(raw.get("info", {}), lambda key, entry: _fact(key, entry, said)),
        identity=_each(raw.get("identity", {}), lambda key, entry: _fact(key, entry, said)),
        always=tuple(said.get("always", ())),
        limit=said["max_registers_per_read"],
        max_hole=said.get("max_hole", 8),
        even=said.get("even", False),
        alike=said.get("alike", False),
        gap_s=said.get("gap_ms", 50) / 1000,
        timeout_s=said.get("timeout_ms", 500) / 1000,
    )
    quantities = tuple(register.name for register in registers)
    if strange := set(meter.always) - set(quantities):
        raise ValueError(f"'always' names {min(strange)!r}, which is no register")
    if raw.get("class", "energy") not in _CLASSES:
        raise ValueError(f"class {raw['class']!r} is none of {', '.join(_CLASSES)}")
    address = said["address"]
    # A map that cannot be asked for is wrong now, not at night.
    if not meter.requests(address, {}):
        raise ValueError("it has no registers")
    meter.identify(address, {})
    options = {"invert": INVERT} if meter.is_directed else {}
    options |= {each.name: _ratio(each, factors[each.name].get("help", _RATIO)) for each in meter.factors}
    options |= {c.name: _choosing(c, raw["choices"][c.name].get("help", "what it means")) for c in meter.choices}

    own, note = own_address(raw)

    def simulate(seed: int, unit: int) -> SimulatedMap:
        places = (*meter.places, *meter.identity)
        ratios = {each.name: each.place.simulated if each.place else each.default for each in meter.factors}
        return SimulatedMap(places, meter.limit, meter.even, model(quantities, seed, unit), unit, ratios, own)

    return Driver(
        name=name,
        title=raw["title"],
        device_class=raw.get("class", "energy"),
        models=tuple(raw["models"]),
        kind=Polled(
            meter.requests,
            meter.decode,
            meter.ask,
            meter.guess,
            meter.identify if meter.identity else None,
            readdress=own.readdress(note, meter.timeout_s, meter.gap_s) if own else None,
        ),
        quantities=quantities,
        line=line_of(raw),
        sources=tuple(raw["sources"]),
        silence_s=raw.get("silence_s", 30.0),
        default_address=address,
        options=options,
        sometimes=meter.sometimes,
        gives=meter.gives,
        aliases=tuple(raw.get("aliases", ())),
        wiring=raw.get("wiring", ""),
        quirks=tuple(raw.get("quirks", ())),
        period_s=raw.get("period_s", 10.0),
        simulate=simulate,
        vectors=(vectors_in[0], vectors_in[1] + raw["vectors"]) if vectors_in and "vectors" in raw else None,
    )


def _each(table: Mapping[str, Any], make: Callable[[str, Any], _Made]) -> tuple[_Made, ...]:
    def made() -> Iterator[_Made]:
        for key, entry in table.items():
            try:
                yield make(key, {"at": entry} if isinstance(entry, int) else entry)
            except KeyError as error:
                raise ValueError(f"{key}: {error.args[0]!r} is missing") from None
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None

    return tuple(made())


def _register(name: str, entry: Mapping[str, Any], common: Mapping[str, Any], factors: Mapping[str, Any]) -> Register:
    _known("it", entry, _PLACE | {"scale", "offset", "unit", "form", "limits"})
    found = quantity(name)
    form = entry.get("form", "")
    if form not in FORMS:
        raise ValueError(f"form {form!r} is not known")
    limits = entry.get("limits")
    numerator, denominator = units.factor(entry.get("unit", found.unit), found.unit)
    scale = entry.get("scale", common.get("scale", 1))
    if scale and abs(1 / scale - round(1 / scale)) < 1e-9:  # 0.1 is no exact number, 1 / 10 is
        scale, denominator = 1, denominator * round(1 / scale)
    return Register(
        **_place(name, entry, common),
        form=form,
        offset=entry.get("offset", 0),
        numerator=numerator * scale,
        denominator=denominator,
        limits=(limits[0], limits[1]) if limits else None,
        factors=tuple(key for key, factor in factors.items() if found.base in factor["of"]),
    )


def _factor(name: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> Factor:
    _known("it", entry, _PLACE | {"scale", "table", "default", "of", "help"})
    for base in entry["of"]:
        quantity(base)
    table = {int(number): ratio for number, ratio in entry.get("table", {}).items()}
    place = Ratio(**_place(name, entry, common), scale=entry.get("scale", 1), table=table) if "at" in entry else None
    return Factor(name, place, float(entry.get("default", 1)))


def _ratio(factor: Factor, told: str) -> Option:
    return Option(0.0, f"{told}; 0: as it tells itself") if factor.place else Option(factor.default, told)


def _choice(name: str, entry: Mapping[str, Any], registers: Mapping[str, Any]) -> Choice:
    _known(name, entry, {"quantity", "others", "help"})
    if entry["quantity"] not in registers:
        raise ValueError(f"{name}: {entry['quantity']!r} is no register")
    return Choice(name, entry["quantity"], tuple(quantity(other).name for other in entry["others"]))


def _choosing(choice: Choice, told: str) -> Option:
    return Option(choice.quantity, told, (choice.quantity, *choice.others))


def _fact(name: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> Fact:
    _known("it", entry, _PLACE | {"labels", "letters", "expect", "sample", "flags", "bits"})
    return Fact(
        **_place(name, entry, common),
        labels={int(number): label for number, label in entry.get("labels", {}).items()},
        letters=entry.get("letters", 0),
        expect=entry.get("expect", ""),
        sample=entry.get("sample", 0),
        flags={int(number): flag for number, flag in entry.get("flags", {}).items()},
        bits=entry.get("bits", {}),
    )


def _place(name: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    kind = entry.get("type", common.get("type"))
    order = entry.get("word_order", common.get("word_order", "high-first"))
    function = entry.get("function", common.get("function", 3))
    if "letters" in entry:
        kind = "uint16"
    if kind not in modbus.NUMBER_TYPES or order not in ("high-first", "low-first") or function not in (3, 4):
        raise ValueError(f"type {kind!r} with word_order {order!r} by function {function} is not possible")
    marks = entry.get("not_available", common.get("not_available", {}).get(kind, ()))
    return {
        "name": name,
        "function": function,
        "at": entry["at"],
        "type": kind,
        "low_word_first": order == "low-first",
        "not_available": tuple(map(bytes.fromhex, [marks] if isinstance(marks, str) else marks)),
    }


def _known(where: str, entry: Mapping[str, Any], known: set[str]) -> None:
    if unknown := entry.keys() - known:
        raise ValueError(f"{where} has an unknown key {min(unknown)!r}; it may have {', '.join(sorted(known))}")
