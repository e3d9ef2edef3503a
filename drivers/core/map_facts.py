"""What stands in a register map beside its registers, held to its types: a slip of the pen is found when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drivers.core import modbus
from drivers.core.contract import Line
from drivers.core.modbus_write import MANY, ONE, AddressRegister

_Fits = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _between(low: float, high: float, *, is_whole: bool = False) -> _Fits:
    kinds = int if is_whole else int | float
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


_SECONDS = _between(0.05, 30 * 86400)
_FACTS: Mapping[str, tuple[_Fits, str]] = {
    "title": (lambda value: _text(value) and bool(value), "a text"),
    "models": (_texts, "a list of texts"),
    "aliases": (_texts, "a list of texts"),
    "sources": (_texts, "a list of texts"),
    "wiring": (_text, "a text"),
    "quirks": (_texts, "a list of texts"),
    "silence_s": (_SECONDS, "seconds"),
    "period_s": (_SECONDS, "seconds"),
}
_MODBUS: Mapping[str, tuple[_Fits, str]] = {
    "address": (_between(0, 255, is_whole=True), "0 to 255"),
    "max_registers_per_read": (_between(1, modbus.MAX_REGISTERS, is_whole=True), f"1 to {modbus.MAX_REGISTERS}"),
    "max_hole": (_between(0, modbus.MAX_REGISTERS, is_whole=True), f"0 to {modbus.MAX_REGISTERS}"),
    "gap_ms": (_between(0, 10_000), "0 to 10000"),
    "timeout_ms": (_between(1, 60_000), "1 to 60000"),
}
_LINE: Mapping[str, tuple[_Fits, str]] = {
    "baud": (_between(50, 4_000_000, is_whole=True), "50 to 4000000"),
    "bits": (lambda value: value in (7, 8), "7 or 8"),
    "parity": (lambda value: value in ("N", "E", "O"), '"N", "E" or "O"'),
    "stop": (lambda value: value in (1, 2), "1 or 2"),
}

_OWN: Mapping[str, tuple[_Fits, str]] = {
    "at": (_between(0, 0xFFFF, is_whole=True), "0 to 65535"),
    "type": (lambda value: value in modbus.NUMBER_TYPES, "a type of number"),
    "word_order": (lambda value: value in ("high-first", "low-first"), "high-first or low-first"),
    "function": (lambda value: value in (ONE, MANY), "6 or 16"),
    "note": (_text, "a text"),
}


def check_facts(raw: Mapping[str, Any]) -> None:
    """Raises ValueError for what has the wrong type or cannot be."""
    for where, table, rules in (("", raw, _FACTS), ("[modbus] ", raw["modbus"], _MODBUS)):
        _hold(where, table, rules)


def line_of(raw: Mapping[str, Any]) -> Line:
    """The line settings of a map. Raises ValueError."""
    table = raw.get("line", {})
    if unknown := table.keys() - _LINE.keys():
        raise ValueError(f"[line] has an unknown key {min(unknown)!r}; it may have {', '.join(_LINE)}")
    _hold("[line] ", table, _LINE)
    return Line(**table)


def _hold(where: str, table: Mapping[str, Any], rules: Mapping[str, tuple[_Fits, str]]) -> None:
    for key, (fits, expected) in rules.items():
        if key in table and not fits(table[key]):
            raise ValueError(f"{where}{key} is {expected}, not {table[key]!r}")


def own_address(raw: Mapping[str, Any]) -> tuple[AddressRegister | None, str]:
    """Where the instrument keeps its bus address, None where that is not said, and what must be done first. Raises
    ValueError and KeyError.
    """
    table = raw.get("own_address")
    if table is None:
        return None, ""
    _hold("[own_address] ", table, _OWN)
    if unknown := table.keys() - _OWN.keys():
        raise ValueError(f"[own_address]: {min(unknown)!r} is not known")
    own = AddressRegister(
        table["at"],
        table.get("type", "uint16"),
        table.get("function", ONE),
        table.get("word_order", "high-first") == "low-first",
    )
    if own.function == ONE and own.count != 1:
        raise ValueError("[own_address]: function 6 writes one register")
    return own, table.get("note", "")
