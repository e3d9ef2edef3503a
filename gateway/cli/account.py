"""The demo's account: what the instruments said, what the node owed for it, and what the database gives back."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """One device: readings put on the line whole, readings heard by the node, readings and events numbered, stored.

    Of a real one nobody knows what it said.
    """

    said: int | None
    heard: int
    owed: int
    stored: int


@dataclass(frozen=True, slots=True)
class Account:
    """`owed`: numbers that the node's spool gave, and what instruments said that never became part of one."""

    owed: int
    stored: int
    lost: int
    duplicated: int
    parked: int
    rejected: int
    seconds: float
    devices: dict[str, DeviceAccount]

    @property
    def is_clean(self) -> bool:
        """True when nothing is lost and nothing stands twice in the database."""
        return self.lost == 0 and self.duplicated == 0

    @property
    def headline(self) -> dict[str, str]:
        """The figures of the first line, for people."""
        return {
            "owed": str(self.owed),
            "stored": str(self.stored),
            "lost": str(self.lost),
            "duplicated": str(self.duplicated),
            "seconds": f"{self.seconds:.0f}",
        }


def numbers_stored(database: Path) -> tuple[dict[str, int], int]:
    """Numbers (readings and events) in the database by device, and how many rows say what another one says.

    Reads the file with nothing of ours. A row is a duplicate when another has its identity, or its device and time.
    """
    stored: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = 0
        for table in ("reading", "note"):
            for device, count, distinct in db.execute(
                f"SELECT device, count(*), count(DISTINCT spool || '/' || seq) FROM {table} "
                "WHERE seq > 0 GROUP BY node, device"
            ):
                stored[device] = stored.get(device, 0) + distinct
                rows += count - distinct
        (same_time,) = db.execute("SELECT count(*) - count(DISTINCT node || '/' || device || '/' || at) FROM reading")
    return stored, rows + same_time[0]


def account(
    database: Path,
    *,
    said: dict[str, int],
    heard: dict[str, int],
    owed: dict[str, int],
    rejected: int,
    parked: int,
    seconds: float,
) -> Account:
    """The account of a run that has ended."""
    stored, duplicated = numbers_stored(database)
    devices = {
        name: DeviceAccount(said.get(name), heard.get(name, 0), owed.get(name, 0), stored.get(name, 0))
        for name in {**said, **heard}
    }
    unheard = sum(max(0, one.said - one.heard) for one in devices.values() if one.said is not None)
    total = sum(owed.values())  # the node's own events too, which are no device's
    kept = sum(min(count, stored.get(name, 0)) for name, count in owed.items())
    return Account(
        owed=total + unheard,
        stored=sum(stored.values()),
        lost=total - kept + unheard,
        duplicated=duplicated,
        parked=parked,
        rejected=rejected,
        seconds=round(seconds, 3),
        devices=devices,
    )
