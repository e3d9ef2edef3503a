"""The vocabulary: one name, one unit, one meaning for everything that is measured (`quantities.toml` beside this file).

A name is a quantity of the table and, in this order, a phase (`_l1 … _l3 _n _l12 _l23 _l31`), a tariff (`_t1 …`), a
probe (`__bottom`), and `_raw` or `_failed`. `x_<vendor>_<name>` is a vendor's own quantity.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

from drivers.core.contract import Implausible

Kind = Literal["gauge", "counter", "total", "increment", "contact"]

_VARIANT = re.compile(
    r"(?P<base>[a-z][a-z0-9_]*?)(?:_(?P<phase>l1|l2|l3|n|l12|l23|l31))?(?:_(?P<tariff>t[1-9][0-9]?))?"
    r"(?:__(?P<probe>[a-z0-9]+))?(?:_(?P<state>raw|failed))?"
)
_VENDOR = re.compile(r"x_[a-z0-9]+_[a-z0-9_]+")


class UnknownQuantity(ValueError):
    """The vocabulary has no such name; the message proposes the nearest."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One name of the vocabulary, variants resolved. `span` is what is physically possible, in `unit`."""

    name: str
    unit: str
    kind: Kind
    group: str
    base: str
    span: tuple[float, float] | None = None
    phases: bool = False
    tariffs: bool = False
    meaning: str = ""
    th: str = ""
    ha: str = ""
    cf: str = ""
    ucum: str = ""
    aka: tuple[str, ...] = ()
    phase: str = ""
    tariff: str = ""
    probe: str = ""
    state: str = ""


@cache
def _tables() -> tuple[dict[str, Quantity], dict[str, str]]:
    raw: dict[str, dict[str, Any]] = tomllib.loads(files("drivers.core").joinpath("quantities.toml").read_text("utf-8"))
    alias: dict[str, str] = dict(raw.pop("alias"))
    table: dict[str, Quantity] = {}
    for group, entries in raw.items():
        for name, entry in entries.items():
            kind = entry.get("kind", "gauge")
            span = entry.get("span") or ([0, 1] if kind == "contact" else None)
            table[name] = Quantity(
                name=name,
                kind=kind,
                group=group,
                base=name,
                span=(float(span[0]), float(span[1])) if span else None,
                aka=tuple(entry.get("aka", ())),
                **{key: value for key, value in entry.items() if key not in {"kind", "span", "aka"}},
            )
            alias |= dict.fromkeys(entry.get("aka", ()), name)
    return table, alias


def catalogue() -> Mapping[str, Quantity]:
    """Every quantity of the table by name, without variants."""
    return _tables()[0]


def aliases() -> Mapping[str, str]:
    """Names that other catalogues and people use, and ours."""
    return _tables()[1]


@lru_cache(maxsize=2048)
def quantity(name: str) -> Quantity:
    """The quantity of this name, variants included. Raises `UnknownQuantity`."""
    table = _tables()[0]
    found = table.get(name)
    if found is not None:
        return found
    if _VENDOR.fullmatch(name):
        return Quantity(name=name, unit="", kind="gauge", group="vendor", base=name)
    parts = _VARIANT.fullmatch(name)
    base = table.get(parts["base"]) if parts else None
    if parts is None or base is None:
        raise UnknownQuantity(f"there is no quantity {name!r}{_nearest(name)}")
    if parts["phase"] and not base.phases:
        raise UnknownQuantity(f"{base.name!r} has no phases, so there is no {name!r}")
    if parts["tariff"] and not base.tariffs:
        raise UnknownQuantity(f"{base.name!r} has no tariffs, so there is no {name!r}")
    return replace(
        base,
        name=name,
        phase=parts["phase"] or "",
        tariff=parts["tariff"] or "",
        probe=parts["probe"] or "",
        state=parts["state"] or "",
    )


def resolve(name: str) -> str:
    """Our name for another catalogue's (`active_energy_import_l1`: `energy_import_l1`). Raises `UnknownQuantity`."""
    table, alias = _tables()
    if name in alias:
        return alias[name]
    parts = _VARIANT.fullmatch(name)
    if name not in table and parts and parts["base"] in alias:
        name = alias[parts["base"]] + name[len(parts["base"]) :]
    return quantity(name).name


def _nearest(name: str) -> str:
    table, alias = _tables()
    if name in alias:
        return f"; it is called {alias[name]!r} here"
    close = get_close_matches(name, table, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def is_plausible(name: str, value: float) -> bool:
    """Whether the value is finite and inside the quantity's span."""
    span = quantity(name).span
    low, high = span or (float("-inf"), float("inf"))
    return low <= value <= high and value - value == 0


def span_check(names: Iterable[str]) -> Callable[[Mapping[str, float]], None]:
    """A quick check for a driver that reports exactly these quantities; raises `Implausible` at the first outside."""
    spans = [(q.name, *(q.span or (-1e300, 1e300)), q.unit) for q in map(quantity, names)]

    def check(values: Mapping[str, float]) -> None:
        for name, low, high, unit in spans:
            if not low <= values[name] <= high:
                raise Implausible(f"{name} = {values[name]:g} {unit} is outside {low:g} to {high:g}")

    return check
