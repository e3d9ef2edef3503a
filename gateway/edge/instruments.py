"""Instruments that took another's place: the record of a node, beside its spool. Name, topics and totals go on.

    <spool>/instruments.json
    {device: [{"serial", "old", "at", "author", "note", "calibration": [[quantity, gain, offset]]}]}

A command adds to it; the running node looks every second. What it has taken up is told by events in the spool.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gateway.meaning.chain import Chain

FILE = "instruments.json"
REPLACED = "replaced"
"""The event that tells one."""
MOST = 1000
"""Of one device; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Which took over when (ns), and how it is calibrated: quantity, gain, offset."""

    serial: str
    at: int
    old: str = ""
    author: str = ""
    note: str = ""
    calibration: tuple[tuple[str, float, float], ...] = field(default=())


def read_instruments(path: Path) -> dict[str, list[Instrument]]:
    """The record by device, oldest first; none where the file is missing or damaged."""
    try:
        said = json.loads(path.read_text("utf-8"))
        return {
            str(device): [
                Instrument(
                    str(one["serial"]),
                    int(one["at"]),
                    str(one["old"]),
                    str(one["author"]),
                    str(one["note"]),
                    tuple((str(name), float(gain), float(offset)) for name, gain, offset in one["calibration"]),
                )
                for one in ones
            ]
            for device, ones in said.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def add_instrument(path: Path, device: str, instrument: Instrument) -> None:
    """Add one and replace the file as a whole. Raises OSError."""
    known = read_instruments(path)
    known[device] = [*known.get(device, []), instrument][-MOST:]
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({name: [asdict(one) for one in ones] for name, ones in known.items()}, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def recalibrate(chain: Chain, instrument: Instrument) -> None:
    """Let an instrument's calibrations hold from its moment on. Raises ValueError where others begin at that time."""
    from gateway.meaning.calibration import Linear  # most nodes have none
    from gateway.meaning.history import Entry

    for name, gain, offset in instrument.calibration:
        note = f"serial {instrument.serial}"
        chain.recalibrate(name, Entry(Linear(gain, offset), instrument.at, None, instrument.author, note))


class Instruments:
    """The record as a running node sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self.known: Mapping[str, list[Instrument]] = {}
        self.look()

    def look(self) -> bool:
        """Read the record if its file is another one than before; True then."""
        try:
            facts = self._path.stat()
            seen = facts.st_mtime_ns, facts.st_ino
        except OSError:
            seen = None
        if seen == self._seen:
            return False
        self._seen, self.known = seen, read_instruments(self._path)
        return True

    def newer(self, device: str, taken_up: int) -> Iterable[tuple[int, Instrument]]:
        """Those of a device after the moment (ns) of the last that was taken up, with their moments."""
        return [(one.at, one) for one in self.known.get(device, ()) if one.at > taken_up]
