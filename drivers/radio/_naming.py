"""What numbers of a payload mean where only the site knows: one text in the configuration, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from drivers.core import units
from drivers.core.quantities import quantity

LEAVE_OUT = "-"


@dataclass(frozen=True, slots=True)
class Named:
    """A quantity, and numerator and denominator that turn the number into its unit."""

    quantity: str
    numerator: float = 1
    denominator: float = 1

    def value(self, number: float) -> float:
        """The number in the quantity's unit."""
        return number * self.numerator / self.denominator


def named(text: str) -> Named | None:
    """`water_depth`, `water_depth cm`, or `-` (None: leave it out). Raises ValueError for names nobody knows."""
    words = text.split()
    if words == [LEAVE_OUT]:
        return None
    if not 1 <= len(words) <= 2:
        raise ValueError(f"{text.strip()!r} is no quantity with its unit, such as 'water_depth cm'")
    known = quantity(words[0])
    return Named(known.name, *units.factor(words[1] if len(words) == 2 else known.unit, known.unit))


@lru_cache(maxsize=256)
def in_order(text: str) -> tuple[Named | None, ...]:
    """`stage, water_temperature Cel, -`: what numbers mean in their order. Raises ValueError; () for an empty text."""
    if not text.strip():
        return ()
    parts = tuple(named(part) for part in text.split(","))
    _once([part.quantity for part in parts if part])
    return parts


@lru_cache(maxsize=256)
def by_number(text: str) -> dict[int, Named | None]:
    """`1 = stage, 3 = air_temperature`: what numbered channels mean. Raises ValueError."""
    found: dict[int, Named | None] = {}
    for part in text.split(",") if text.strip() else ():
        number, sign, meaning = part.partition("=")
        if not sign or not number.strip().isdigit() or not number.isascii():
            raise ValueError(f"{part.strip()!r} is no channel and what it means, such as '1 = stage'")
        if int(number) in found:
            raise ValueError(f"channel {int(number)} stands twice")
        found[int(number)] = named(meaning)
    _once([part.quantity for part in found.values() if part])
    return found


def _once(names: list[str]) -> None:
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{min(twice)!r} stands twice")
