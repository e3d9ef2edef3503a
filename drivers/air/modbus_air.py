"""Air instruments on RS-485 that a register map describes: the files of `maps/`, see `drivers.core.load_map`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from math import pi, sin
from random import Random

from drivers.core.contract import Driver
from drivers.core.load_map import load
from drivers.core.simulated_map import Values


def station_model(quantities: Sequence[str], seed: int, address: int) -> Values:
    """A weather box at the edge of a burning field."""

    def values(t: float) -> dict[str, float]:
        dice = Random(f"{seed}/{int(t)}")
        smoke, day = sin(2 * pi * t / 5400), sin(2 * pi * t / 86_400)
        pm2_5 = max(0.0, 60 + 30 * smoke + dice.gauss(0, 2))
        return {
            "pm2_5": pm2_5,
            "pm10": pm2_5 * 1.4,
            "co2": 430 + 40 * smoke,
            "air_temperature": 29 + 6 * day,
            "relative_humidity": 58 - 20 * day,
            "air_pressure": 972 + 2 * day,
            "illuminance": max(0.0, 60_000 * day),
            "sound_level": 52 + dice.gauss(0, 2),
        }

    return values


def _shipped() -> Iterator[Driver]:
    for item in files("drivers.air").joinpath("maps").iterdir():
        if item.name.endswith(".toml"):
            text = item.read_text("utf-8")
            yield load(item.name.removesuffix(".toml"), text, station_model, ("drivers.air", ""))


DRIVERS = tuple(_shipped())
