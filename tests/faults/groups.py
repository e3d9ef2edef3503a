"""Where the scenarios are. Imported only to be registered."""

from __future__ import annotations

import importlib

MODULES = ("broker_faults", "cards", "clock", "database_faults", "disk", "drain", "edge_kills", "power", "soak")


def load() -> None:
    """Import all groups."""
    for module in MODULES:
        importlib.import_module(f"tests.faults.{module}")
