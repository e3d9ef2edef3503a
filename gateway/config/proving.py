"""The cases of a step: text that says which readings come and what must be made of them.

    [[case]]
    id = "doubles"
    settings = { quantity = "pm2_5" }          # as in a configuration
    every = "60 s"                             # how often a reading comes
    begins = 2026-03-20T00:00:00Z              # when the first one does (default: 2026-03-20, Thai time)
    restarts = true                            # begin anew from its state before every reading (default)
    readings = [ { v = { pm2_5 = 4 }, expect = { v = { pm2_5 = 8 }, q = { pm2_5 = 1 } } }, … ]

A reading may bear `serial`, and `after` where it does not come on time. `expect` names what must be there: numbers
within 1e-6, flags, `absent` quantities, and kinds of `events`. What it does not name is free.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isclose
from typing import Any

from gateway.config.settings import convert, findings, moment
from gateway.config.units import duration_s
from gateway.meaning import registry
from gateway.meaning.chain import Chain, Wish, build
from gateway.meaning.chain import Outcome as Made
from gateway.meaning.recipe import Facts, Recipe
from gateway.meaning.state import SECOND
from gateway.meaning.steps import Context

BUILT_IN = ("gateway.meaning", "steps.cases.toml")
_BEGINS = "2026-03-20"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many cases a kind has, and what did not come as they say."""

    cases: int
    problems: tuple[str, ...]


def prove(recipe: Recipe) -> Outcome:
    """Run the cases of a kind of step, its own and those that ship for built-in ones."""
    is_own = recipe.cases is not None
    package, name = recipe.cases or BUILT_IN
    said = tomllib.loads(files(package).joinpath(name).read_text("utf-8"))
    cases = [case for case in said["case"] if is_own or case.get("use") == recipe.name]
    return Outcome(len(cases), tuple(problem for case in cases for problem in _run(recipe, case)))


def _run(recipe: Recipe, case: Mapping[str, Any]) -> Iterator[str]:
    settings = case.get("settings", {})
    wrong = findings(recipe.settings, settings, ())
    if wrong:
        yield f"{case['id']}: {wrong[0][1]}"
        return
    every_s = duration_s(case.get("every", "60 s"))
    readings = case["readings"]
    names = frozenset(name for reading in readings for name in reading.get("v", {}))
    is_alarm = recipe.name in registry.alarms() and recipe is registry.alarms()[recipe.name]

    def make() -> Chain:
        wish = Wish(recipe, convert(recipe.settings, settings))
        facts = Facts("case", every_s, names)
        return build(None, [wish], facts) if is_alarm else build([wish], (), facts)

    try:
        chain = make()
    except ValueError as error:
        yield f"{case['id']}: {error}"
        return
    at = moment(case.get("begins", _BEGINS))
    for number, reading in enumerate(readings):
        if case.get("restarts", True):
            state, chain = json.loads(json.dumps(chain.state())), make()
            chain.restore(state)
        if number:
            at += round(duration_s(reading["after"]) * SECOND) if "after" in reading else round(every_s * SECOND)
        numbers = {name: float(value) for name, value in reading.get("v", {}).items()}
        made = chain.take(numbers, reading.get("q", {}), Context(at, serial=reading.get("serial", "")))
        for problem in _differ(made, reading.get("expect", {})):
            yield f"{case['id']}, reading {number + 1}: {problem}"


def _differ(made: Made, expect: Mapping[str, Any]) -> Iterator[str]:
    for name, value in expect.get("v", {}).items():
        found = made.numbers.get(name)
        if found is None or not isclose(found, value, rel_tol=1e-9, abs_tol=1e-6):
            yield f"{name} is {found}, expected {value}"
    for name, flag in expect.get("q", {}).items():
        if made.flags.get(name) != flag:
            yield f"{name} is flagged {made.flags.get(name)}, expected {flag}"
    for name in expect.get("absent", ()):
        if name in made.numbers:
            yield f"{name} is {made.numbers[name]}, expected none"
    if "events" in expect and [event.kind for event in made.events] != expect["events"]:
        yield f"events {[event.kind for event in made.events]}, expected {expect['events']}"
