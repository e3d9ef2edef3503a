"""A Modbus meter that is not there: answers like the real one, from its register map and a load that makes sense.

Power is voltage times current times power factor in every phase, totals are sums, and energy is the integral of power,
so that counters never fall and agree with the powers. Everything follows from seed, address and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import acos, cos, degrees, pi, sin, sqrt, tan
from random import Random

from drivers.core import modbus
from drivers.energy.registers import Register

INSTALLED_AT_S = 1_700_000_000.0
"""Where time is the epoch's, the counters begin here, so that a float still resolves a watt-hour or two."""

_WAVES = ((0.35, 2 * pi / 21_600), (0.20, 2 * pi / 900), (0.05, 2 * pi / 47))
_SILENCE_S = 1.0


class _Phase:
    """One phase: a load that swings around its base and never turns negative."""

    def __init__(self, dice: Random) -> None:
        self._base_w = dice.uniform(400, 3200)
        self._shifts = [dice.uniform(0, 2 * pi) for _ in _WAVES]
        self._volts = dice.uniform(226, 234)
        self.power_factor = dice.uniform(0.86, 0.99)
        self.exported_kwh = round(dice.uniform(0, 5), 3)
        self._tan = tan(acos(self.power_factor))

    def values(self, t: float) -> dict[str, float]:
        """What the meter shows for this phase at `t` seconds."""
        shape = 1 + sum(a * sin(w * t + s) for (a, w), s in zip(_WAVES, self._shifts, strict=True))
        hours = (
            t + sum(a / w * (cos(s) - cos(w * t + s)) for (a, w), s in zip(_WAVES, self._shifts, strict=True))
        ) / 3600
        voltage = self._volts + 2.5 * sin(2 * pi * t / 7200)
        power, imported = self._base_w * shape, self._base_w * hours / 1000
        apparent = power / self.power_factor
        return {
            "voltage": voltage,
            "current": apparent / voltage,
            "active_power": power,
            "apparent_power": apparent,
            "reactive_power": power * self._tan,
            "power_factor": self.power_factor,
            "phase_angle": degrees(acos(self.power_factor)),
            "energy_import": imported,
            "energy_export": self.exported_kwh,
            "energy_sum": imported + self.exported_kwh,
            "reactive_energy_import": imported * self._tan,
            "reactive_energy_sum": imported * self._tan,
            "thd_voltage": 1.8 + 0.4 * sin(2 * pi * t / 3600),
            "thd_current": 7.0 + 2.0 * sin(2 * pi * t / 3600),
        }


class SimulatedMeter:
    """The slave at one bus address; `limit` and `even` are what the real one insists on."""

    def __init__(self, registers: Sequence[Register], limit: int, even: bool, seed: int, address: int) -> None:
        dice = Random(f"{seed}/{address}")
        self._registers = registers
        self._limit = limit
        self._even = even
        self._address = address
        self._is_three_phase = any(register.quantity.endswith("_l1") for register in registers)
        self._phases = [_Phase(dice) for _ in range(3 if self._is_three_phase else 1)]
        self._ends = {r.function: max(x.at + x.count for x in registers if x.function == r.function) for r in registers}
        self._heard = b""
        self._heard_at = 0.0

    def tick(self, t: float) -> bytes:
        """A meter speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """Answers to the questions that are complete and meant for this address; silence to everything else."""
        if t - self._heard_at > _SILENCE_S:
            self._heard = b""
        self._heard_at = t
        heard, at, out = self._heard + data, 0, b""
        while len(heard) - at >= modbus.QUESTION_BYTES:
            writes = heard[at + 1] in (15, 16)
            size = 9 + heard[at + 6] if writes else modbus.QUESTION_BYTES
            if modbus.holds(heard[at : at + size]):
                out += self._reply(heard[at : at + size], t)
                at += size
            elif writes and len(heard) - at < size:
                break
            else:
                at += 1
        self._heard = heard[at:]
        return out

    def values(self, t: float) -> dict[str, float]:
        """What the meter measures at `t` seconds, by quantity."""
        t = t - INSTALLED_AT_S if t > INSTALLED_AT_S else t
        phases = [phase.values(t) for phase in self._phases]
        out = dict(phases[0]) if not self._is_three_phase else {}
        out["frequency"] = 50 + 0.03 * sin(2 * pi * t / 333)
        if not self._is_three_phase:
            return out
        for number, phase in enumerate(phases, 1):
            out |= {f"{name}_l{number}": value for name, value in phase.items()}
            following = phases[number % 3]
            a, b = phase["voltage"], following["voltage"]
            out[f"voltage_l{number}{number % 3 + 1}"] = sqrt(a * a + b * b + a * b)
        for name in phases[0]:
            if "power" in name or "energy" in name:
                out[name] = sum(phase[name] for phase in phases)
        out["power_factor"] = out["active_power"] / out["apparent_power"]
        out["phase_angle"] = degrees(acos(out["power_factor"]))
        out["voltage_avg"] = sum(phase["voltage"] for phase in phases) / 3
        out["voltage_ll_avg"] = (out["voltage_l12"] + out["voltage_l23"] + out["voltage_l31"]) / 3
        out["current_sum"] = sum(phase["current"] for phase in phases)
        out["current_avg"] = out["current_sum"] / 3
        return out

    def _reply(self, asked: bytes, t: float) -> bytes:
        unit, function = asked[0], asked[1]
        if unit != self._address:
            return b""
        if function not in self._ends:
            return self._exception(function, 1)
        start, count = int.from_bytes(asked[2:4], "big"), int.from_bytes(asked[4:6], "big")
        if not 1 <= count <= self._limit:
            return self._exception(function, 3)
        if start + count > self._ends[function] or (self._even and (start % 2 or count % 2)):
            return self._exception(function, 2)
        data = bytearray(count * 2)
        values = self.values(t)
        for register in self._registers:
            at, size = (register.at - start) * 2, register.count * 2
            if register.function == function and 0 <= at <= len(data) - size:
                data[at : at + size] = register.encode(values.get(register.quantity, 0.0))
        return modbus.closed(bytes((unit, function, len(data))) + data)

    def _exception(self, function: int, code: int) -> bytes:
        return modbus.closed(bytes((self._address, function | 0x80, code)))
