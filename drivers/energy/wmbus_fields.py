"""What the fields of wmbusmeters are called here. Their names end with their unit: `total_energy_consumption_kwh`.

Sources: wmbusmeters/wmbusmeters README and drivers/src/*.xmq.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from drivers.core import units
from drivers.core.quantities import quantity

_ENDINGS = {
    **{"kwh": "kWh", "gj": "GJ", "kw": "kW", "w": "W", "kvarh": "kvarh", "kvah": "kVAh", "v": "V", "a": "A"},
    **{"hz": "Hz", "m3": "m3", "m3h": "m3/h", "c": "Cel", "rh": "%"},
}
_ENERGIES = {"": "energy", "reactive_": "reactive_energy", "apparent_": "apparent_energy"}
_ENERGY = re.compile(r"total_(reactive_|apparent_)?energy_(consumption|production)(?:_tariff_([1-4]))?_(\w+)")
_PHASE = re.compile(r"(voltage|amperage)_at_phase_([123])_(v|a)")
_HEAT = ("heat", "cooling")
_WATER = ("water",)
_FIELDS_LIMIT = 64
_CONSUMPTION, _PRODUCTION = "current_power_consumption_kw", "current_power_production_kw"
_PLAIN = {
    **{"power_kw": "active_power", "current_power_kw": "active_power", "frequency_hz": "frequency"},
    **{"volume_flow_m3h": "volume_flow", "flow_m3h": "volume_flow"},
}

Own = Mapping[str, tuple[str, float, float]]
"""Fields that a site gives a meaning: quantity, and the two numbers whose ratio brings it to our unit."""


def parse_own(text: str) -> Own:
    """`total_m3 water_volume; room_temperature_c air_temperature`, with the meter's unit behind where it is not in the
    name. Raises ValueError.
    """
    found: dict[str, tuple[str, float, float]] = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        words = item.split()
        if not 2 <= len(words) <= 3 or words[0] in found or len(found) >= _FIELDS_LIMIT:
            raise ValueError(f"{item!r} is no field with its quantity, such as 'total_m3 water_volume'")
        known = quantity(words[1])
        ending = _ENDINGS.get(words[0].rpartition("_")[2])
        unit = words[2] if len(words) == 3 else ending if ending and known.unit else known.unit
        found[words[0]] = (known.name, *units.factor(unit, known.unit))
    return found


def named(fields: Mapping[str, float | None], media: str, own: Own) -> dict[str, float | None]:
    """Values by quantity in our units; None where the meter gives none."""
    found: dict[str, float | None] = {}
    for field, number in fields.items():
        if field in own:
            name, numerator, denominator = own[field]
            found[name] = None if number is None else number * numerator / denominator
    for field, number in fields.items():
        name_ = None if field in own else _name(field, media)
        if name_ is not None and name_ not in found:
            unit = _ENDINGS[field.rpartition("_")[2]]
            found[name_] = None if number is None else units.convert(number, unit, quantity(name_).unit)
    _power(fields, found)
    return found


def _power(fields: Mapping[str, float | None], found: dict[str, float | None]) -> None:
    """Consumption minus production, where either is told."""
    told = [fields[field] for field in (_CONSUMPTION, _PRODUCTION) if field in fields]
    if told and "active_power" not in found:
        inwards, outwards = fields.get(_CONSUMPTION, 0.0), fields.get(_PRODUCTION, 0.0)
        is_known = inwards is not None and outwards is not None
        found["active_power"] = round(((inwards or 0.0) - (outwards or 0.0)) * 1000, 6) if is_known else None


def _name(field: str, media: str) -> str | None:
    is_heat = any(word in media for word in _HEAT)
    if match := _ENERGY.fullmatch(field):
        kind, way, tariff, ending = match.groups()
        if is_heat:
            return "heat_energy" if way == "consumption" and not (kind or tariff) and ending in ("kwh", "gj") else None
        base = f"{_ENERGIES[kind or '']}_{'import' if way == 'consumption' else 'export'}"
        if ending not in _ENDINGS or (tariff and kind):
            return None
        return f"{base}_t{tariff}" if tariff else base
    if match := _PHASE.fullmatch(field):
        return f"{'voltage' if match[1] == 'voltage' else 'current'}_l{match[2]}"
    if field == "total_m3":
        return "gas_volume" if media == "gas" else "water_volume" if any(word in media for word in _WATER) else None
    if is_heat and field in ("flow_temperature_c", "return_temperature_c"):
        return "supply_temperature" if field.startswith("flow") else "return_temperature"
    return _PLAIN.get(field)
