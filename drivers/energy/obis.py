"""OBIS: what the lines of an electricity meter's text mean, in P1 telegrams and IEC 62056-21 read-outs.

    1-0:1.8.1(001581.123*kWh)                     A-B:C.D.E(value*unit); A-B: and .E may be left out, *255 may follow
    0-1:24.2.1(161129200000W)(00981.443*m3)       a meter behind it: its own time, then its value

Power comes in two lines without a sign, in and out: here it is one value, import positive. Lines of the past (*01 and
other numbers) are left out, as is a value without a unit: nobody knows what it counts.

Sources: IEC 62056-6-1 (OBIS); Netbeheer Nederland P1 companion standard 5.0.2; ndokter/dsmr_parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.core import units
from drivers.core.contract import Decoded, DeviceFault
from drivers.core.quantities import is_plausible, quantity

_LINE = re.compile(r"(?:(\d+)-(\d+):)?([0-9A-Z]+\.[0-9A-Z]+(?:\.[0-9A-Z]+)?)(?:\*(\d+))?((?:\([^()]*\))+)")
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\*([A-Za-z0-9]+)")
_UNITS = {"kVArh": "kvarh", "kVAr": "kvar", "varh": "varh", "VAr": "var"}
_SUSPECT, _FAIL, _MISSING = 3, 4, 9

_PLAIN = {
    **{"1.8.0": "energy_import", "2.8.0": "energy_export", "15.8.0": "energy_sum", "1.4.0": "power_demand"},
    **{"3.8.0": "reactive_energy_import", "4.8.0": "reactive_energy_export", "9.7.0": "apparent_power"},
    **{f"{20 * phase + 12}.7.0": f"voltage_l{phase}" for phase in (1, 2, 3)},
    **{f"{20 * phase + 11}.7.0": f"current_l{phase}" for phase in (1, 2, 3)},
    **{f"{20 * phase + 13}.7.0": f"power_factor_l{phase}" for phase in (1, 2, 3)},
    **{"91.7.0": "current_n", "13.7.0": "power_factor", "14.7.0": "frequency", "16.7.0": "active_power"},
    **{f"{20 * phase + 16}.7.0": f"active_power_l{phase}" for phase in (1, 2, 3)},
}
_PAIRS = {
    "active_power": ("1.7.0", "2.7.0"),
    "reactive_power": ("3.7.0", "4.7.0"),
    **{f"active_power_l{phase}": (f"{20 * phase + 1}.7.0", f"{20 * phase + 2}.7.0") for phase in (1, 2, 3)},
    **{f"reactive_power_l{phase}": (f"{20 * phase + 3}.7.0", f"{20 * phase + 4}.7.0") for phase in (1, 2, 3)},
}
"""Power in and power out."""

_TARIFF = re.compile(r"([12])\.8\.([1-9]\d?)")
_FACTS = {
    **{"1.0.0": "meter_time", "96.14.0": "tariff", "0.2.8": "version", "96.1.1": "serial", "96.1.0": "serial"},
    **{"0.0.0": "serial", "C.1.0": "serial", "F.F.0": "error"},
}
_BEHIND = {3: "gas_volume", 4: "heat_energy", 6: "water_volume", 7: "water_volume", 12: "heat_energy"}
"""What a meter behind this one counts, by its type."""

_BEHIND_CODES = ("24.2.1", "24.2.3", "24.3.0")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `code` always has three parts, `channel` is B, and `fields` stand between brackets."""

    channel: int
    code: str
    fields: tuple[str, ...]


def entries(text: str) -> list[Entry]:
    """The lines that are OBIS, those of the past left out. A value on a line of its own belongs to the one before."""
    found = []
    for match in _LINE.finditer(text.replace("\r\n(", "(")):
        _, channel, code, period, fields = match.groups()
        if period in (None, "255"):
            whole = code if code.count(".") == 2 else f"{code}.0"
            found.append(Entry(int(channel or 0), whole, tuple(fields[1:-1].split(")("))))
    return found


def decode(lines: Iterable[Entry], info: Mapping[str, str | int]) -> Decoded:
    """Values, what is missing, and facts. Raises `DeviceFault` where there is no value at all."""
    own: list[Entry] = []
    behind: list[Entry] = []
    for line in lines:
        (behind if line.code.startswith("24.") and line.channel else own).append(line)
    facts = dict(info)
    numbers: dict[str, float | None] = {}
    for line in own:
        if line.code in _FACTS:
            facts.setdefault(_FACTS[line.code], line.fields[-1].strip())
        tariff = _TARIFF.fullmatch(line.code)
        name = f"{_PLAIN[f'{tariff[1]}.8.0']}_t{tariff[2]}" if tariff else _PLAIN.get(line.code)
        if name is not None and line.channel == 0:
            numbers[name] = _number(line.fields[-1], name)
    for name, (inwards, outwards) in _PAIRS.items():
        told = {line.code: line.fields[-1] for line in own if line.code in (inwards, outwards)}
        if told and name not in numbers:
            numbers[name] = _difference(told.get(inwards), told.get(outwards), name)
    for name, number, at in _meters_behind(behind):
        unique = name if name not in numbers else next(n for i in range(2, 99) if (n := f"{name}__{i}") not in numbers)
        numbers[unique] = number
        facts[f"{unique}_at"] = at
    values = {name: number for name, number in numbers.items() if number is not None}
    if not values:
        raise DeviceFault("there is no value that is known among its lines")
    quality = {name: _MISSING for name, number in numbers.items() if number is None}
    quality |= {name: _FAIL for name, value in values.items() if not is_plausible(name, value)}
    if str(facts.get("error", "")).strip("0"):
        quality = {**dict.fromkeys(values, _SUSPECT), **quality}
    return Decoded(values, quality, facts)


def _number(field: str, name: str) -> float | None:
    """The value in our unit; None where there is none, or none whose unit is known."""
    match = _NUMBER.fullmatch(field.strip())
    if match is None:
        return None
    try:
        return units.convert(float(match[1]), _UNITS.get(match[2], match[2]), quantity(name).unit)
    except units.UnknownUnit:
        return None


def _difference(inwards: str | None, outwards: str | None, name: str) -> float | None:
    """In minus out, without the noise of binary fractions; None where a line that is there has no value."""
    told = [_number(field, name) for field in (inwards, outwards) if field is not None]
    if None in told:
        return None
    first = told[0] if inwards is not None else 0.0
    second = told[-1] if outwards is not None else 0.0
    return round((first or 0.0) - (second or 0.0), 6)


def _meters_behind(lines: Iterable[Entry]) -> list[tuple[str, float | None, str]]:
    """Quantity, value and the meter's own time, in the order of their channels."""
    of: dict[int, dict[str, tuple[str, ...]]] = {}
    for line in lines:
        of.setdefault(line.channel, {})[line.code] = line.fields
    found = []
    for channel in sorted(of):
        told = of[channel]
        code = next((code for code in _BEHIND_CODES if len(told.get(code, ())) > 1), None)
        kind = told.get("24.1.0", ("",))[0]
        name = _BEHIND.get(int(kind)) if kind.isdigit() else None
        if code is not None and name is not None:
            fields = told[code]
            value = f"{fields[-1]}*{fields[-2]}" if code == "24.3.0" else fields[-1]
            found.append((name, _number(value, name), fields[0]))
    return found
