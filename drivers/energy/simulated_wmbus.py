"""wmbusmeters that is not there: the lines it would write for one electricity meter."""

from __future__ import annotations

import json

from drivers.energy.simulated_meter import load_model

QUANTITIES = ("energy_import", "energy_export", "active_power")


class SimulatedWmbus:
    """It writes a line a telegram."""

    def __init__(self, seed: int, address: int) -> None:
        self._values = load_model(("voltage_l1",), seed, address)

    def tick(self, t: float) -> bytes:
        """The line of the moment `t`."""
        now = self._values(t)
        told = {
            **{"_": "telegram", "media": "electricity", "meter": "omnipower", "name": "simulated", "id": "32666857"},
            "total_energy_consumption_kwh": round(now["energy_import"], 2),
            "total_energy_production_kwh": round(now["energy_export"], 2),
            "current_power_consumption_kw": round(now["active_power"] / 1000, 3),
            "current_power_production_kw": 0,
            "status": "OK",
        }
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"

    def answer(self, data: bytes, t: float) -> bytes:
        """A pipe goes one way."""
        return b""
