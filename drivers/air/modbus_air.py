"""Air instruments on RS-485 that a register map describes: the files of `maps/`, see `drivers.core.mapped`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from math import pi, sin
from random import Random

from drivers.core import mapped, modbus
from drivers.core.contract import Driver
from drivers.core.simulated_slave import SimulatedSlave


class SimulatedStation(SimulatedSlave):
    """A weather box at the edge of a burning field."""

    def __init__(self, registers: tuple[mapped.Register, ...], limit: int, seed: int, address: int) -> None:
        super().__init__(address, limit)
        self._registers = registers
        self._seed = seed

    def data(self, read: modbus.Read, t: float) -> bytes | int:
        """The registers; what lies outside of the map's blocks is an illegal address."""
        out = bytearray(read.count * 2)
        values, covered = self.values(t), False
        for register in self._registers:
            at = (register.at - read.start) * 2
            if register.function == read.function and 0 <= at <= len(out) - register.count * 2:
                out[at : at + register.count * 2] = register.encode(values[register.quantity])
                covered = True
        return bytes(out) if covered else 2

    def values(self, t: float) -> dict[str, float]:
        """What the station measures at `t` seconds."""
        dice = Random(f"{self._seed}/{int(t)}")
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


def _shipped() -> Iterator[Driver]:
    for item in files("drivers.air").joinpath("maps").iterdir():
        if item.name.endswith(".toml"):
            text = item.read_text("utf-8")
            yield mapped.load(item.name.removesuffix(".toml"), text, "drivers.air", SimulatedStation)


DRIVERS = tuple(_shipped())
