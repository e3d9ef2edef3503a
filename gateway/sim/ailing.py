"""What goes wrong inside an instrument: its value stands still, or it says itself that it has none."""

from __future__ import annotations

import random
from typing import Protocol, runtime_checkable

from gateway.sim.faults import Faults


@runtime_checkable
class CanFail(Protocol):
    """An instrument that has an error code of its own, and says it while this is set."""

    is_faulty: bool


class Ailing:
    """The state of one instrument's health, decided anew before each thing that it says."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._stuck, self._error = faults.stuck, faults.error
        self._dice = random.Random(f"ailing {seed}")
        self._stood_at: float | None = None
        self.stuck = self.errors = 0
        """How often it said an old value, and its error code."""

    def time(self, t: float) -> float:
        """The moment whose value it says now: the one before, where it is stuck."""
        if self._stuck > 0 and self._stood_at is not None and self._dice.random() < self._stuck:
            self.stuck += 1
            return self._stood_at
        self._stood_at = t
        return t

    def touch(self, instrument: object) -> None:
        """Let it have its error, or not."""
        if self._error > 0 and isinstance(instrument, CanFail):
            instrument.is_faulty = self._dice.random() < self._error
            self.errors += instrument.is_faulty
