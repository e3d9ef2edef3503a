"""What a kind of step is: a name, a version, the settings it takes, and how a step is made of them.

A frozen value, as a driver is. Another package brings one by the entry point group `gateway.steps`; its name is the
entry point's. Settings come checked and converted: durations in seconds, times in ns, lists as tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.meaning.steps import Step

Kind = Literal[
    "number", "integer", "flag", "text", "id", "duration", "time", "span", "hours", "quantity", "quantities", "numbers",
    "points", "rows", "choice", "entries",
]  # fmt: skip
"""`span` and `hours` are pairs, `points` a list of pairs, `rows` a list of three or four numbers, `entries` a list of
tables with settings of their own."""


class Required:
    """The type of `REQUIRED`: a setting that has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = Required()


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a step's table. `help` is for kinds of other packages; the built-in ones stand in the catalogue."""

    kind: Kind
    default: Any = REQUIRED
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    entries: Mapping[str, Setting] = field(default_factory=dict)
    help: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step may know of its device: how often a reading comes, and which quantities are there before it."""

    device: str = ""
    period_s: float = 1.0
    quantities: Collection[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


class StepError(ValueError):
    """Settings that do not fit together, or not this device. `key` is the setting at fault, "" the step as a whole.

    `text` is a key of the catalogue with `values`, or a sentence of its own.
    """

    def __init__(self, text: str, key: str = "", **values: object) -> None:
        super().__init__(text)
        self.text, self.key, self.values = text, key, values


Make = Callable[[Mapping[str, Any], Facts], "Step | Sequence[Step]"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A kind of step. `make(settings, facts)` gives one, or several in order; it raises StepError or ValueError.

    `cases` names the package and the file of its cases (see gateway.meaning.cases). `is_test`: it flags, and changes
    no number.
    """

    name: str
    version: str
    make: Make
    settings: Mapping[str, Setting] = field(default_factory=dict)
    is_test: bool = False
    help: str = ""
    cases: tuple[str, str] | None = None

    def complete(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with defaults for what was left out. Raises StepError for unknown and missing keys."""
        return completed(self.settings, settings)


def completed(known: Mapping[str, Setting], said: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their defaults. Raises StepError."""
    for key in said:
        if key not in known:
            raise StepError("steps.unknown_setting", key)
    missing = [key for key, setting in known.items() if setting.default is REQUIRED and key not in said]
    if missing:
        raise StepError("steps.missing_setting", "", setting=missing[0])
    return {key: said.get(key, setting.default) for key, setting in known.items()}


def history_of(entries: Mapping[str, Setting]) -> Setting:
    """A setting that is a list of dated tables: from when (`since`), until when, by whom, and why."""
    dated = {
        "since": Setting("time"),
        "until": Setting("time", None),
        "author": Setting("text", ""),
        "note": Setting("text", ""),
    }
    return Setting("entries", entries={**entries, **dated})


def needs(facts: Facts, names: Sequence[str], key: str) -> None:
    """Refuse a step whose input the device does not have. Raises StepError."""
    for name in names:
        if facts.quantities and name not in facts.quantities:
            raise StepError("steps.no_quantity", key, quantity=name, known=", ".join(sorted(facts.quantities)[:12]))
