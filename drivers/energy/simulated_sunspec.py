"""A SunSpec inverter that is not there, with a meter of model 203 behind it: common model, meter, end."""

from __future__ import annotations

from drivers.core import modbus
from drivers.core.simulated_map import Values
from drivers.core.simulated_slave import SimulatedSlave
from drivers.energy.sunspec_points import BASES, ENERGIES, LENGTH, POINTS, SCALES

_COMMON_LENGTH = 65
_POWERS = {"current": -2, "voltage": -1, "frequency": -2, "power_factor": -2, "energy": 0}
_NOT_IMPLEMENTED = 0x8000


class SimulatedSunSpec(SimulatedSlave):
    """Registers from 40000 to the end of its list; asked elsewhere it answers with exception 2."""

    def __init__(self, values: Values, address: int) -> None:
        super().__init__(address, modbus.MAX_REGISTERS)
        self._values = values

    def data(self, read: modbus.Read, t: float) -> bytes | int:
        """The registers asked for."""
        words = self._words(t)
        start = read.start - BASES[0]
        if read.function != 3 or start < 0 or start + read.count > len(words):
            return 1 if read.function != 3 else 2
        return b"".join(word.to_bytes(2, "big") for word in words[start : start + read.count])

    def _words(self, t: float) -> list[int]:
        values = self._values(t)
        meter = [_NOT_IMPLEMENTED] * (LENGTH + 2)
        meter[:2] = 203, LENGTH
        for group, at in SCALES.items():
            meter[at] = _POWERS.get(group, 0) & 0xFFFF
        for name, (at, scale_at) in POINTS.items():
            power = (meter[scale_at] ^ 0x8000) - 0x8000
            value = values[name] * (100 if name == "power_factor" else 1)
            meter[at] = round(value / 10**power) & 0xFFFF
        for name, at in ENERGIES.items():
            meter[at : at + 2] = divmod(round(values[name] * 1000) & 0xFFFFFFFF, 0x10000)
        common = [1, _COMMON_LENGTH, *([0x2020] * _COMMON_LENGTH)]
        return [0x5375, 0x6E53, *common, *meter, 0xFFFF, 0]
