"""Which kinds of steps and alarms there are: built-in ones, and others by the entry point group `gateway.steps`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from gateway.meaning.recipe import Recipe

GROUP = "gateway.steps"
_MODULES = ("conversion", "quality", "water", "energy", "air")


@cache
def built_in() -> Mapping[str, Recipe]:
    """The steps of this distribution by name."""
    modules = (import_module(f"gateway.meaning.kinds.{name}") for name in _MODULES)
    return {recipe.name: recipe for module in modules for recipe in module.RECIPES}


@cache
def alarms() -> Mapping[str, Recipe]:
    """The kinds of alarms by name."""
    from gateway.meaning.kinds.alarm import RECIPES

    return {recipe.name: recipe for recipe in RECIPES}


@cache
def _others() -> tuple[Mapping[str, Recipe], tuple[str, ...]]:
    # Imported here: it is slow, and a node with built-in steps alone never comes here.
    from importlib.metadata import entry_points

    found: dict[str, Recipe] = {}
    problems: list[str] = []
    for point in entry_points(group=GROUP):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        if point.name in built_in() or point.name in found:
            problems.append(f"step {point.name!r} of {origin} is refused: the name is taken")
            continue
        try:
            recipe = point.load()
        except Exception as error:  # a broken package must not take the gateway down; it is told in problems()
            problems.append(f"step {point.name!r} of {origin} cannot be loaded: {type(error).__name__}: {error}")
            continue
        if not isinstance(recipe, Recipe) or recipe.name != point.name:
            problems.append(f"step {point.name!r} of {origin} is refused: {point.value} is no Recipe of that name")
            continue
        found[recipe.name] = recipe
    return found, tuple(problems)


def find(name: str) -> Recipe:
    """The kind of step of this name. Raises KeyError."""
    own = built_in().get(name)
    return own if own is not None else _others()[0][name]


def recipes() -> tuple[Recipe, ...]:
    """Every kind of step there is, built-ins first."""
    return (*built_in().values(), *_others()[0].values())


def problems() -> tuple[str, ...]:
    """What was wrong with steps of other packages; a sentence each."""
    return _others()[1]


def forget() -> None:
    """Search anew at the next question (after a package was installed, and in tests)."""
    _others.cache_clear()
