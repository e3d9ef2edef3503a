"""How long instruments with a laser or fan have run: kept over restarts, until the instrument is another one."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from gateway.edge.life import RunTime

FILE = "hours.json"
_SAVE_EVERY_S = 600.0
"""A crash costs at most so much of the count."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What is known of one instrument: its driver, its running time, and an id that changes with the instrument."""

    driver: str
    seconds: float
    life: str


def read_hours(path: Path) -> dict[str, Ran]:
    """The file's instruments by device; none where it is missing or damaged."""
    try:
        read = json.loads(path.read_text("utf-8"))
        return {
            str(device): Ran(str(said["driver"]), max(0.0, float(said["seconds"])), str(said["life"]))
            for device, said in read.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_hours(path: Path, known: dict[str, Ran]) -> None:
    """Replace the file as a whole. Raises OSError."""
    temporary = path.with_suffix(".new")
    told = {
        name: {"driver": ran.driver, "seconds": round(ran.seconds, 1), "life": ran.life} for name, ran in known.items()
    }
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(told, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def renew(path: Path, device: str) -> None:
    """The instrument was replaced: it begins at 0, in the running node too. Raises KeyError, OSError."""
    known = read_hours(path)
    write_hours(path, known | {device: Ran(known[device].driver, 0.0, _new_life())})


class Hours:
    """The running times that stations count on, and the file that keeps them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = read_hours(path)
        self._counting: dict[str, tuple[Ran, RunTime]] = {}

    def of(self, device: str, driver: str) -> RunTime:
        """Where to go on counting for a device. Another driver is another instrument."""
        ran = self._known.get(device)
        if ran is None or ran.driver != driver:
            ran = Ran(driver, 0.0, _new_life())
        counting = RunTime(ran.seconds)
        self._counting[device] = (ran, counting)
        return counting

    def save(self) -> None:
        """Write what was counted; what was renewed meanwhile is taken over. Raises OSError."""
        if not self._counting:
            return
        known = read_hours(self._path)
        for device, (ran, counting) in self._counting.items():
            kept = known.get(device)
            if kept is not None and kept.driver == ran.driver and kept.life != ran.life:
                counting.seconds = kept.seconds
                self._counting[device] = (kept, counting)
            known[device] = Ran(ran.driver, counting.seconds, self._counting[device][0].life)
        write_hours(self._path, known)

    async def keep(self) -> None:
        """Save now and then, until cancelled, and then once more. A disk that cannot is tried again."""
        try:
            while True:
                await asyncio.sleep(_SAVE_EVERY_S)
                await asyncio.to_thread(self._try)
        finally:
            self._try()

    def _try(self) -> None:
        try:
            self.save()
        except OSError:  # the spool says what is wrong with the disk
            return


def _new_life() -> str:
    return uuid.uuid4().hex[:8]
