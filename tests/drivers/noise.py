"""Drown listening drivers in random bytes: `python -m tests.drivers.noise 20` takes 20 MB for each of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from drivers.core.contract import Driver, Listening
from drivers.core.listening import Listener
from drivers.core.registry import built_in

CHUNK = 1 << 14


@dataclass(frozen=True)
class Drowned:
    """What came of the noise."""

    frames: int
    readings: int
    rejected: int
    held: int


def drown(driver: Driver, options: Mapping[str, Any], size: int, seed: int) -> Drowned:
    """Feed `size` random bytes in chunks of uneven sizes."""
    listener, dice, held = Listener(driver, options), Random(seed), 0
    while size > 0:
        chunk = dice.randbytes(min(size, dice.randint(1, CHUNK)))
        size -= len(chunk)
        listener.feed(chunk)
        held = max(held, listener.held)
    listener.finish()
    return Drowned(listener.frames, listener.readings, sum(listener.rejected.values()), held)


def holds(driver: Driver, listener: Listener) -> bool:
    """Whether the listener's counters agree with each other."""
    return listener.frames >= listener.readings and listener.held == 0


def main(megabytes: float) -> int:
    """Print what each driver made of the noise; 1 where one believed any of it."""
    worst = 0
    for driver in built_in().values():
        if isinstance(driver.kind, Listening):
            drowned = drown(driver, {}, int(megabytes * 1e6), seed=1)
            print(f"{driver.name}: {drowned}", flush=True)
            worst = max(worst, drowned.readings)
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
