"""Which drivers there are: built-ins found in the family packages, others by the entry point group `gateway.drivers`.

A family module names its drivers in `DRIVERS`. An entry point's name is its driver's name and its object a `Driver`;
one that bears a built-in's name or alias is refused, never used in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from drivers.core.contract import Driver

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "gateway.drivers"
FAMILIES = ("drivers.air", "drivers.water", "drivers.energy", "drivers.radio")


class UnknownDriver(LookupError):
    """No driver bears this name; the message proposes the nearest."""

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(f"there is no driver {name!r}" + (f"; did you mean {nearest!r}?" if nearest else ""))
        self.name = name
        self.nearest = nearest


@cache
def built_in() -> Mapping[str, Driver]:
    """The drivers of this distribution by name, in the order of their names. Imports the family modules."""
    found: dict[str, Driver] = {}
    for package in FAMILIES:
        for item in files(package).iterdir():
            if item.name.endswith(".py") and not item.name.startswith("_"):
                module = import_module(f"{package}.{item.name.removesuffix('.py')}")
                for driver in getattr(module, "DRIVERS", ()):
                    if driver.name in found:
                        raise ValueError(f"two built-in drivers are called {driver.name!r}")
                    found[driver.name] = driver
    return dict(sorted(found.items()))


@cache
def _names() -> Mapping[str, str]:
    """Every name and alias of a built-in, and the name of its driver."""
    names = {name: name for name in built_in()}
    for driver in built_in().values():
        for alias in driver.aliases:
            if names.setdefault(alias, driver.name) != driver.name:
                raise ValueError(f"two built-in drivers are called {alias!r}")
    return names


@cache
def _plugins() -> tuple[Mapping[str, Driver], tuple[str, ...]]:
    """Drivers of other distributions, and why some of them were refused."""
    # Imported here: it takes as long as all drivers together, and a node with built-ins alone never comes here.
    from importlib.metadata import entry_points

    found: dict[str, Driver] = {}
    problems: list[str] = []
    for point in entry_points(group=GROUP):
        driver = _admit(point, found, problems)
        if driver is not None:
            found[driver.name] = driver
    return found, tuple(problems)


def _admit(point: EntryPoint, found: Mapping[str, Driver], problems: list[str]) -> Driver | None:
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    taken = _names().get(point.name)
    if taken is not None:
        problems.append(f"driver {point.name!r} of {origin} is refused: the name belongs to the built-in {taken!r}")
        return None
    if point.name in found:
        problems.append(f"driver {point.name!r} of {origin} is refused: another package brought one of this name first")
        return None
    try:
        driver = point.load()
    except Exception as error:  # a broken package must not take the gateway down; it is told in problems()
        problems.append(f"driver {point.name!r} of {origin} cannot be loaded: {type(error).__name__}: {error}")
        return None
    if not isinstance(driver, Driver):
        problems.append(
            f"driver {point.name!r} of {origin} is refused: {point.value} is no drivers.core.contract.Driver"
        )
        return None
    if driver.name != point.name:
        problems.append(f"driver {point.name!r} of {origin} is refused: it calls itself {driver.name!r}")
        return None
    return driver


def find(name: str) -> Driver:
    """The driver of this name or alias. Raises `UnknownDriver`."""
    own = _names().get(name)
    if own is not None:
        return built_in()[own]
    plugins, _ = _plugins()
    if name in plugins:
        return plugins[name]
    for driver in plugins.values():
        if name in driver.aliases:
            return driver
    close = get_close_matches(name.lower(), [*_names(), *plugins], n=1, cutoff=0.5)
    raise UnknownDriver(name, close[0] if close else None)


def drivers() -> tuple[Driver, ...]:
    """Every driver there is, built-ins first, by name."""
    return (*built_in().values(), *_plugins()[0].values())


def problems() -> tuple[str, ...]:
    """What was wrong with drivers of other packages; a sentence each."""
    return _plugins()[1]


def forget() -> None:
    """Search anew at the next question (after a package was installed, and in tests)."""
    for cached in (built_in, _names, _plugins):
        cached.cache_clear()
