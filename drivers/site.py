"""A site's own register maps: an instrument in no catalogue, described in TOML beside the configuration.

The file is what `core.load_map` reads, and may hold test vectors too (`[[vector]]`, `[[fault]]`, see `core.vectors`):
then it can be proven like a built-in. Its driver is called as the file without `.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.air.modbus_air import station_model
from drivers.core import registry, vectors
from drivers.core.contract import Driver
from drivers.core.load_map import MapError, load
from drivers.core.simulated_map import Model, Values, plain_model
from drivers.energy.simulated_meter import load_model
from drivers.water.modbus_water import river_model

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_MODELS: tuple[Model, ...] = (plain_model, station_model, river_model)
_ELECTRIC = re.compile("(voltage|current|active|reactive|apparent|power|energy|frequency|phase|thd)(_|$)")


@dataclass(frozen=True, slots=True)
class SiteMap:
    """A driver of the site's own and its test vectors, often none."""

    driver: Driver
    vectors: vectors.Vectors


def load_site_map(file_name: str, text: str) -> SiteMap:
    """The driver that a site's file describes. `file_name` is its last part, such as `my-meter.toml`.

    Raises `MapError`, whose message names the file: for what is wrong in it, for a name that is none, and for one that
    a built-in driver bears.
    """
    name = file_name.removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise MapError(f"{file_name}: the file's name becomes the driver's: up to 32 of a to z, 0 to 9 and -")
    try:
        taken = registry.find(name).name
    except registry.UnknownDriver:
        driver = load(name, text, _model)
    else:
        raise MapError(f"{file_name}: the built-in driver {taken!r} bears this name; rename the file")
    try:
        return SiteMap(driver, vectors.parse(text, name))
    except (KeyError, TypeError, ValueError) as error:
        raise MapError(f"{file_name}: a test vector is wrong: {error}") from error


def _model(quantities: Sequence[str], seed: int, address: int) -> Values:
    """What makes sense for each quantity: a load, the air, a river, else something plain."""
    others = [model(quantities, seed, address) for model in _MODELS]
    load = load_model(quantities, seed, address)

    def values(t: float) -> dict[str, float]:
        out: dict[str, float] = {}
        for each in others:
            out |= each(t)
        return out | {name: value for name, value in load(t).items() if _ELECTRIC.match(name)}

    return values
