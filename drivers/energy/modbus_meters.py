"""Energy meters that a register map describes: the files of `meters/`, see `drivers.core.load_map`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from drivers.core.contract import Driver
from drivers.core.load_map import load
from drivers.energy.simulated_meter import load_model


def _shipped() -> Iterator[Driver]:
    for item in files("drivers.energy").joinpath("meters").iterdir():
        if item.name.endswith(".toml") and not item.name.endswith(".vectors.toml"):
            text = item.read_text("utf-8")
            yield load(item.name.removesuffix(".toml"), text, load_model, ("drivers.energy", "meters/"))


DRIVERS = tuple(_shipped())
