"""What the numbers of an SDI-12 sensor mean, as the site's configuration tells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.core import units
from drivers.core.contract import Decoded
from drivers.core.quantities import is_plausible, quantity
from drivers.water import sdi12_wire as wire

_FAIL = 4
_LEAVE_OUT = "-"
_COMMANDS_LIMIT = 8
_COMMAND = re.compile("[MC][1-9]?")

Meaning = Callable[[tuple[float, ...], Mapping[str, str | int]], Decoded]
"""Values in the sensor's order, and what it said of itself, as a reading. Raises a `Rejection`."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of a round: its command (M, M1 to M9, C or C1 to C9), what its values mean, and their names
    where these are known before.
    """

    command: str
    meaning: Meaning
    names: tuple[str, ...] = ()


def plan(text: str, command: str) -> tuple[Measurement, ...]:
    """The measurements of a round. `text` is `values` of one measurement, or of several: `M: values; M1: values`.

    A text without commands is for `command`; an empty one leaves its values unnamed. Raises ValueError where it
    makes no sense.
    """
    if not text.strip():
        return (Measurement(command, unnamed_values),)
    if ":" not in text:
        return (Measurement(command, *named_values(text)),)
    found: list[Measurement] = []
    for part in text.split(";"):
        word, _, values = part.partition(":")
        if not _COMMAND.fullmatch(word.strip()):
            raise ValueError(
                f"{part.strip()!r} begins with no command, such as 'M: water_depth m; M1: battery_voltage V'"
            )
        found.append(Measurement(word.strip(), *named_values(values)))
    commands = [one.command for one in found]
    names = [name for one in found for name in one.names]
    for what in (commands, names):
        if twice := {word for word in what if what.count(word) > 1}:
            raise ValueError(f"{min(twice)!r} stands twice among the values")
    if len(found) > _COMMANDS_LIMIT:
        raise ValueError(f"a round has {_COMMANDS_LIMIT} commands at most, not {len(found)}")
    return tuple(found)


def named_values(text: str) -> tuple[Meaning, tuple[str, ...]]:
    """Values as `quantity unit, quantity unit, …` says; without a unit the vocabulary's; `-` leaves one out. And
    their names.

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

    return meaning, tuple(names)


def unnamed_values(values: tuple[float, ...], info: Mapping[str, str | int]) -> Decoded:
    """Values by their number: x_sdi12_1 and on."""
    return Decoded({f"x_sdi12_{number}": value for number, value in enumerate(values, 1)}, {}, info)
