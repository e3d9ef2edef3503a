"""What chains remember, kept over restarts: a snapshot beside the spool, and the spool's entries after it.

    <spool>/meaning.json   {"spool": id, "seq": N, "meaning": state after entry N, "alarms": retained topics that stand}

A snapshot is written only when entry N is durable, by replacing the file as a whole, and the spool keeps the entries
after N until the next one is written. So what the chains know is as durable as the readings: at a start the entries
after N run through the chains again, and an event that was cut off between a reading and its commit is made good.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.edge.meaning import Meaning
from gateway.meaning.state import StateError
from gateway.meaning.steps import Event
from gateway.spool.errors import SpoolError
from gateway.spool.segments import OPEN_END
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, unpack
from gateway.wire.times import MS

log = logging.getLogger(__name__)

MOST_AGAIN = 20_000
"""Entries run through again at a start; more are there only where no snapshot could be written for hours."""
MOST_BYTES = 64 << 20
_NAMES = ("quantity", "rule", "state", "test")
"""What tells one event of a kind from another."""
Rule = tuple[str, str, str]
"""Class, device and rule of an alarm whose retained message stands on the broker."""


@dataclass(slots=True)
class Found:
    """What a start found. `made_good` are events of the last readings that were not recorded, by device."""

    entries: int = 0
    fresh: list[str] = field(default_factory=list)
    made_good: list[tuple[str, Event, Entry]] = field(default_factory=list)
    rules: set[Rule] = field(default_factory=set)


class Memory:
    """The snapshot file of one node's chains."""

    def __init__(self, path: Path, spool: Spool, meaning: Meaning) -> None:
        self._path, self._spool, self._meaning = path, spool, meaning
        self._saved_taken = -1
        self.rules: set[Rule] = set()
        """Alarms whose retained message stands or may stand on the broker."""

    def recall(self) -> Found:
        """Take over the snapshot and run what came after it through the chains again. Blocking; before the start."""
        found = Found()
        spool, since, is_other = self._spool, 0, False
        said = self._read()
        if said is not None:
            try:
                found.fresh = self._meaning.restore(said["meaning"])
                # Another spool's numbers say nothing: what is held here and later than the memory comes after it.
                is_other = said["spool"] != spool.id
                since = 0 if is_other else int(said["seq"])
                self.rules = {(str(a), str(b), str(c)) for a, b, c in said["alarms"]}
            except (StateError, KeyError, TypeError, ValueError) as error:
                log.warning("what was remembered of readings cannot be used: %s", error)
        found.rules = set(self.rules)
        if self._meaning.has_memory:
            self._again(found, since, is_other=is_other)
        self._hold(min(since, spool.committed) + 1 if self._meaning.has_memory else OPEN_END)
        return found

    def _hold(self, first: int) -> None:
        try:
            self._spool.hold(first)
        except SpoolError as error:
            log.warning("the spool cannot keep what is to be remembered: %s", error)

    def _again(self, found: Found, since: int, *, is_other: bool) -> None:
        spool = self._spool
        first = max(since + 1, spool.first, spool.committed - MOST_AGAIN + 1)
        expected: dict[str, list[tuple[Event, Entry]]] = {}
        while first <= spool.committed and (read := spool.read(first, spool.committed)):
            for seq, data in read:
                try:
                    entry = unpack(data)
                except ValueError:
                    continue
                found.entries += 1
                life = self._meaning.lives.get(entry.device)
                if life is None or entry.event:
                    _strike(expected.get(entry.device, []), entry)
                if is_other and life is not None and entry.at_ms * MS <= life.time.at:
                    continue  # of another spool: the memory is of that time or later
                for event in self._meaning.again(entry, seq):
                    if not entry.event:
                        expected.setdefault(entry.device, []).append((event, entry))
            first = read[-1][0] + 1
        found.made_good = [(device, *rest) for device, left in expected.items() for rest in left]

    def _read(self) -> dict[str, Any] | None:
        try:
            with self._path.open("rb") as file:
                said = json.loads(file.read(MOST_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("what was remembered of readings cannot be read: %s", error)
            return None
        return said if isinstance(said, dict) else None

    def capture(self) -> tuple[int, dict[str, Any]] | None:
        """The state after everything appended so far, and its number; None where nothing has happened since."""
        if not self._meaning.has_memory or self._meaning.taken == self._saved_taken:
            return None
        seq = self._spool.next - 1
        self._saved_taken = self._meaning.taken
        alarms = sorted(self.rules)
        return seq, {"spool": self._spool.id, "seq": seq, "meaning": self._meaning.state(), "alarms": alarms}

    async def durable(self, seq: int) -> None:
        """Wait until that number is durable. Raises SpoolError."""
        if self._spool.committed < seq:
            await self._spool.flush()

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the file. Blocking. Raises OSError; the old one is then as it was."""
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(state, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def written(self, seq: int) -> None:
        """The snapshot of that number is durable: what is before it may go."""
        self._hold(seq + 1)

    def failed(self) -> None:
        """It could not be written: the next time there is something to write."""
        self._saved_taken = -1


def _strike(expected: list[tuple[Event, Entry]], entry: Entry) -> None:
    """An event that was recorded need not be made good."""
    for place, (event, _) in enumerate(expected):
        if event.kind == entry.event and all(entry.data.get(key) == event.data.get(key) for key in _NAMES):
            del expected[place]
            return
