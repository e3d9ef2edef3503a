"""What the records of an M-Bus meter mean: physics by VIF, direction and phase by what follows it.

The standard's VIF says what is measured and in which unit; which phase it is, each maker says in its own way. Known
here: `ff 01` to `ff 03` behind the VIF (Saia-Burgess, Finder, Schneider; `ff 00` is the whole), the subunit of a
voltage or current (Gossen Metrawatt). What is not known keeps its raw name, and a site may give it a meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from drivers.core.quantities import quantity
from drivers.energy.mbus_wire import Record

_ELECTRICITY, _GAS = 2, 3
_WATER = (0x06, 0x07, 0x15, 0x16)
_HEAT = (0x04, 0x0A, 0x0B, 0x0C, 0x0D)
_KEY = re.compile(r"([0-9a-f]{2,22})(?:/(\d{1,5}))?(?:/(\d{1,5}))?(?:#(\d{1,2}))?")
_FORWARD, _BACKWARD = "3b", "3c"
_NOW = 0
_ITEMS_LIMIT = 64


def physical(vif: str) -> tuple[str, str, int] | None:
    """What a VIF measures: energy, power, voltage …; its unit; and the power of ten of its number in that unit."""
    codes = bytes.fromhex(vif)
    first = codes[0] & 0x7F
    if codes[0] == 0xFD and len(codes) > 1:
        second = codes[1] & 0x7F
        if second >> 4 == 4:
            return "voltage", "V", (second & 15) - 9
        return ("current", "A", (second & 15) - 12) if second >> 4 == 5 else None
    if codes[0] & 0x7F in (0x7B, 0x7C, 0x7D, 0x7F):
        return None
    for low, what, unit, least in _RANGES:
        if low <= first < low + (4 if unit == "Cel" else 8):
            return what, unit, first - low + least
    return None


_RANGES = (
    (0x00, "energy", "kWh", -6),
    (0x10, "volume", "m3", -6),
    (0x28, "power", "W", -3),
    (0x38, "flow", "m3/h", -6),
    (0x58, "supply", "Cel", -3),
    (0x5C, "return", "Cel", -3),
)


def parse_meanings(text: str) -> Mapping[str, str]:
    """`fd48/1 voltage_l1; 2b/1/2 reactive_power; fd47#2 voltage_l2`: VIF in hex, subunit, tariff, which of several that
    are called alike, and the quantity. Raises ValueError.
    """
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        words = item.split()
        match = _KEY.fullmatch(words[0].lower())
        if len(words) != 2 or match is None or len(match[1]) % 2 or len(found) >= _ITEMS_LIMIT:
            raise ValueError(f"{item!r} is no record with its quantity, such as 'fd48/1 voltage_l1'")
        key = f"{match[1]}/{int(match[2] or 0)}/{int(match[3] or 0)}#{int(match[4] or 1)}"
        if key in found or words[1] in found.values():
            raise ValueError(f"{item!r} stands twice among the values")
        found[key] = quantity(words[1]).name
    return found


def named(
    records: Iterable[Record], medium: int, meanings: Mapping[str, str]
) -> tuple[dict[str, Decimal | None], list[str]]:
    """Values of now by quantity, None where the meter marks an error; and the raw names of all others.

    What is told twice in the same way is nobody's value: which phase or what else it is, only its maker knows.
    """
    found: dict[str, Decimal | None] = {}
    others: list[str] = []
    twice: set[str] = set()
    seen: Counter[str] = Counter()
    for record in records:
        if record.function != _NOW or record.storage:
            continue
        plain = f"{record.vif}/{record.subunit}/{record.tariff}"
        seen[plain] += 1
        key = f"{plain}#{seen[plain]}"
        known = physical(record.vif)
        number = record.number if record.number is None or known is None else record.number.scaleb(known[2])
        name = meanings.get(key)
        if name is None and known is not None:
            name = _name(record, known[0], medium)
            name = None if name in meanings.values() else name
            twice |= {name} if name in found and name is not None else set()
        if name is None or name in found:
            unit = known[1] if known else ""
            others.append(key if number is None else f"{key}={float(number):.9g}{unit}")
        else:
            found[name] = number
    return {name: number for name, number in found.items() if name not in twice}, others[:_ITEMS_LIMIT]


def _name(record: Record, what: str, medium: int) -> str | None:
    codes = bytes.fromhex(record.vif)
    rest = codes[2 if codes[0] == 0xFD else 1 :].hex()
    base = _base(what, medium)
    if base is None:
        return None
    if rest in (_FORWARD, _BACKWARD) and base == "energy_import" and not record.subunit:
        return _tariffed("energy_import" if rest == _FORWARD else "energy_export", record.tariff)
    if medium == _ELECTRICITY and re.fullmatch("ff0[0-3]", rest) and not (record.subunit or record.tariff):
        phase = int(rest[3])
        if phase:
            return f"{base}_l{phase}"
        return base if what in ("power", "energy") else None
    if rest:
        return None
    if base in ("voltage", "current") and 1 <= record.subunit <= 3 and not record.tariff:
        return f"{base}_l{record.subunit}"
    if record.subunit or (record.tariff and not base.startswith("energy")):
        return None
    return _tariffed(base, record.tariff)


def _tariffed(name: str, tariff: int) -> str | None:
    if not tariff:
        return name
    return f"{name}_t{tariff}" if tariff <= 4 and name in ("energy_import", "energy_export") else None


def _base(what: str, medium: int) -> str | None:
    if what in ("voltage", "current"):
        return what
    if medium in _HEAT:
        heat = {"energy": "heat_energy", "flow": "volume_flow"}
        return heat.get(what) or {"supply": "supply_temperature", "return": "return_temperature"}.get(what)
    if medium == _ELECTRICITY:
        return {"energy": "energy_import", "power": "active_power"}.get(what)
    if what == "volume":
        return "gas_volume" if medium == _GAS else "water_volume" if medium in _WATER else None
    return "volume_flow" if what == "flow" else None
