"""Water and rain instruments on RS-485 that a register map describes: `maps/`, see `drivers.core.load_map`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from math import pi, sin
from random import Random

from drivers.core.contract import Driver
from drivers.core.load_map import load
from drivers.core.simulated_map import Values

_BRIDGE_M = 3.5
"""Height of the sensor's face over the bed."""


def river_model(quantities: Sequence[str], seed: int, address: int) -> Values:
    """A river after rain, seen from a bridge and from its bed."""
    base = Random(f"{seed}/{address}").uniform(1.0, 1.4)

    def values(t: float) -> dict[str, float]:
        dice = Random(f"{seed}/{int(t)}")
        depth = base + 0.32 * sin(2 * pi * t / 22_350) + 0.012 * sin(2 * pi * t / 71) + dice.gauss(0, 0.002)
        return {
            "stage": depth,
            "water_depth": depth,
            "distance": _BRIDGE_M - depth,
            "water_pressure": depth * 9.7641,
            "water_temperature": 26 + 2 * sin(2 * pi * t / 86_400),
            "device_temperature": 31 + 5 * sin(2 * pi * t / 86_400),
            "echo_strength": 18 + dice.gauss(0, 0.5),
            "fill_level": 100 * depth / _BRIDGE_M,
            "rain_counter": int(t / 240) % 0x10000 / 10,
        }

    return values


def _shipped() -> Iterator[Driver]:
    for item in files("drivers.water").joinpath("maps").iterdir():
        if item.name.endswith(".toml"):
            text = item.read_text("utf-8")
            yield load(item.name.removesuffix(".toml"), text, river_model, ("drivers.water", ""))


DRIVERS = tuple(_shipped())
