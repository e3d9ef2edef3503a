"""Where a SunSpec meter's values stand, counted from its model's first register."""

from __future__ import annotations

BASES = (40000, 50000, 0)
"""Where `SunS` may stand."""

METERS = (201, 202, 203, 204)
LENGTH = 105
"""Registers of a meter's model behind its head of two."""

SCALES = {
    "current": 6,
    "voltage": 15,
    "frequency": 17,
    "active_power": 22,
    "apparent_power": 27,
    "reactive_power": 32,
    "power_factor": 37,
    "energy": 54,
}
"""Where the powers of ten stand."""

_AT = {
    "current": {"current_sum": 2, "current_l1": 3, "current_l2": 4, "current_l3": 5},
    "voltage": {
        **{"voltage_avg": 7, "voltage_l1": 8, "voltage_l2": 9, "voltage_l3": 10},
        **{"voltage_ll_avg": 11, "voltage_l12": 12, "voltage_l23": 13, "voltage_l31": 14},
    },
    "frequency": {"frequency": 16},
    "active_power": {"active_power": 18, "active_power_l1": 19, "active_power_l2": 20, "active_power_l3": 21},
    "apparent_power": {"apparent_power": 23},
    "reactive_power": {"reactive_power": 28},
    "power_factor": {"power_factor": 33},
}
POINTS = {name: (at, SCALES[group]) for group, places in _AT.items() for name, at in places.items()}
"""Quantity: its register, and that of its power of ten."""

ENERGIES = {"energy_export": 38, "energy_import": 46}
"""Two registers each, in Wh."""
