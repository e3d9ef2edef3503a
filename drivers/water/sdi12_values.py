"""What the numbers of an SDI-12 sensor mean, as the site's configuration tells it."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.core import units
from drivers.core.contract import Decoded
from drivers.core.quantities import is_plausible, quantity
from drivers.water import sdi12_wire as wire
from drivers.water.sdi12_session import Meaning

_FAIL = 4
_LEAVE_OUT = "-"


def named_values(text: str) -> Meaning:
    """Values as `quantity unit, quantity unit, …` says; without a unit the vocabulary's; `-` leaves one out.

    Raises ValueError for an unknown quantity, an unknown unit, or one that stands twice.
    """
    parts: list[tuple[str, float, float] | None] = []
    for item in text.split(","):
        words = item.split()
        if words == [_LEAVE_OUT]:
            parts.append(None)
            continue
        if not 1 <= len(words) <= 2:
            raise ValueError(f"{item.strip()!r} is no quantity with its unit, such as 'water_depth m'")
        found = quantity(words[0])
        parts.append((found.name, *units.factor(words[1] if len(words) == 2 else found.unit, found.unit)))
    names = [part[0] for part in parts if part]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{min(twice)!r} stands twice among the values")

    def meaning(values: tuple[float, ...], info: Mapping[str, str | int]) -> Decoded:
        wire.complete(values, len(parts))
        told = {
            part[0]: value * part[1] / part[2] for part, value in zip(parts, values, strict=False) if part is not None
        }
        return Decoded(told, {name: _FAIL for name, value in told.items() if not is_plausible(name, value)}, info)

    return meaning


def unnamed_values(values: tuple[float, ...], info: Mapping[str, str | int]) -> Decoded:
    """Values by their number: x_sdi12_1 and on."""
    return Decoded({f"x_sdi12_{number}": value for number, value in enumerate(values, 1)}, {}, info)
