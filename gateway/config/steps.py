"""The steps and alarms of a device in a file: whether there are such, whether settings fit, and the chain itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.core.contract import Driver
from gateway.config.problems import KeyPath, Unfit, show, suggest
from gateway.config.settings import convert, findings
from gateway.config.units import duration_s
from gateway.meaning import registry
from gateway.meaning.chain import Chain, PlacedError, Wish, build
from gateway.meaning.recipe import Facts, Recipe
from gateway.ops.texts import has, say

Finding = tuple[KeyPath, str]
MOST_STEPS = 100


def known_steps() -> Mapping[str, Recipe]:
    """Every kind of step by name."""
    return {recipe.name: recipe for recipe in registry.recipes()}


def wishes(said: Sequence[Any] | None, known: Mapping[str, Recipe]) -> list[Wish] | None:
    """What a list of a good configuration asks for; None where there is no list."""
    if said is None:
        return None
    tables = [{"use": each} if isinstance(each, str) else dict(each) for each in said]
    return [Wish(known[use], convert(known[use].settings, table)) for table in tables for use in [table.pop("use")]]


def chain_of(steps: Sequence[Any] | None, alarms: Sequence[Any], facts: Facts) -> Chain:
    """The chain of a device of a good configuration."""
    if not steps and not alarms:
        return build(None if steps is None else (), (), facts)
    return build(wishes(steps, known_steps()), wishes(alarms, registry.alarms()) or (), facts)


def facts_of(device: str, driver: Driver, period_s: float, options: Mapping[str, Any]) -> Facts:
    """What a step may know of a device with these options."""
    told = {name: option.default for name, option in driver.options.items()} | dict(options)
    try:
        names = driver.may_give(told)
    except (TypeError, ValueError):  # options that make no sense are refused elsewhere
        names = (*driver.quantities, *driver.sometimes)
    return Facts(device, period_s, frozenset(names))


def _period_s(device: Mapping[str, Any], driver: Driver) -> float:
    """The period as it is said or as the driver has it."""
    try:
        return duration_s(device["every"]) if "every" in device else driver.period_s
    except Unfit:
        return driver.period_s


def step_findings(
    path: KeyPath, device: Mapping[str, Any], driver: Driver, devices: Sequence[object]
) -> Iterator[Finding]:
    """What is wrong with a device's steps and alarms; `devices` are the names of all."""
    lists: list[list[Wish] | None] = []
    is_good = True
    for key, known in (("steps", known_steps), ("alarms", registry.alarms)):
        said = device.get(key)
        if said is None:
            lists.append(None)
            continue
        if not isinstance(said, list) or len(said) > MOST_STEPS:
            return  # the model says so
        wrong = list(_wrong(path, key, said, known()))
        is_good = is_good and not wrong
        yield from wrong
        lists.append(None if wrong else wishes(said, known()))
    if not is_good or lists == [None, None]:
        return
    try:
        options = device.get("options")
        facts = facts_of(
            str(device.get("id", "")), driver, _period_s(device, driver), options if isinstance(options, dict) else {}
        )
        chain = build(lists[0], lists[1] or (), facts)
    except PlacedError as error:
        where = (*path, "alarms" if error.is_alarm else "steps", error.at)
        text = say(error.text, **error.values) if has(error.text) else say("config.unfit_step", detail=error.text)
        yield (*where, error.key) if error.key else where, text
        return
    for name in sorted(chain.watched):
        if name.partition("/")[0] not in devices:
            yield (*path, "steps"), say("steps.no_device", name=show(name)) + suggest(name, map(str, devices))


def _wrong(path: KeyPath, key: str, said: Sequence[Any], known: Mapping[str, Recipe]) -> Iterator[Finding]:
    for number, each in enumerate(said):
        where = (*path, key, number)
        table = {"use": each} if isinstance(each, str) else each
        if not isinstance(table, dict) or not isinstance(table.get("use"), str):
            yield where, say("config.expect_use", example=next(iter(known)))
            continue
        recipe = known.get(table["use"])
        if recipe is None:
            at = where if isinstance(each, str) else (*where, "use")
            yield at, say("config.unknown_step", step=show(table["use"])) + suggest(table["use"], known)
            continue
        yield from findings(recipe.settings, {name: value for name, value in table.items() if name != "use"}, where)
