"""Ingest itself, from the link to the ledger, before a database that may forget what it said yes to.

Every step that is durable, or that others learn of, may be the last one of its process: see Fuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.ingest.ledger import SqliteLedger
from gateway.ingest.parked import ParkedStore
from gateway.ingest.pipeline import Ingest, IngestSettings
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Rejection
from gateway.mqtt.broker import Broker
from gateway.spool.intervals import Intervals
from gateway.wire.payload import Backlog, decode
from tests.model.broker import ROOT
from tests.model.node import NODE
from tests.rig.model_database import ModelDatabase
from tests.rig.sim_time import SimLoop

BROKER = Broker("mqtt://127.0.0.1:1883", "lanna-ingest", session_expiry_s=86_400)
GRACE_S = 60.0
Identity = tuple[str, int]


class Killed(BaseException):
    """The process ends here; no handler of its own may catch it."""


class Fuse:
    """Counts steps; once it has burnt down every further step kills."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.on_end: Callable[[], object] = lambda: None

    def step(self) -> None:
        """Before and after whatever is durable."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.on_end()
                raise Killed

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function with a step on either side."""

        def stepped(*arguments: Any) -> Any:
            self.step()
            result = function(*arguments)
            self.step()
            return result

        return stepped


class Database(ModelDatabase):
    """Keeps readings by content; refuses one in seven."""

    def __init__(self, loop: SimLoop, fuse: Fuse, *, flush_s: float) -> None:
        super().__init__(loop.time, flush_s=flush_s)
        self.refuses = lambda point: bool(point.seq) and content_of(point) % 7 == 0
        self._fuse = fuse

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        """See ModelDatabase."""
        self._fuse.step()
        rejections = super().write(points)
        self._fuse.step()
        return rejections

    def contents(self) -> dict[Identity, int]:
        """The content of every number that it holds now."""
        return {(f"{each.spool:08x}", each.seq): content_of(each) for each in self.points() if each.seq}


def content_of(point: Point | Note) -> int:
    """What a reading or event was recorded with."""
    return round(point.values[0] if isinstance(point, Point) else point.fields["x"])


class Backbone:
    """One life of ingest's process. It lives while `task` does."""

    def __init__(self, folder: Path, loop: SimLoop, database: Database, fuse: Fuse) -> None:
        fuse.left = None
        self.ledger = SqliteLedger(folder / "ledger.sqlite")
        self.parked = ParkedStore(folder / "parked.sqlite", max_bytes=1 << 24)
        for store in (self.ledger, self.parked):
            store._db.execute("PRAGMA synchronous=OFF")  # the power of this end is never cut here
        self.ledger.commit = fuse.around(self.ledger.commit)  # type: ignore[method-assign]
        self.parked.add = fuse.around(self.parked.add)  # type: ignore[method-assign]
        settings = IngestSettings(ROOT, confirms=True, grace_s=GRACE_S)
        self._ingest = Ingest(settings, database, self.ledger, self.parked, BROKER, lambda part, state, why: None)
        self.task = task = loop.create_task(self._run(), name="ingest")
        fuse.on_end = lambda: loop.call_soon(task.cancel)

    async def _run(self) -> None:
        try:
            await self._ingest.run()
        finally:
            self.ledger.close()
            self.parked.close()

    # What the ledger and the parked store say.

    def spools(self) -> list[str]:
        """Every spool the ledger ever heard of."""
        return self.ledger.spools(NODE)

    def open(self) -> dict[str, str]:
        """Spools of which something is not settled, and what, in words."""
        records = [(spool, self.ledger._spools[NODE, spool]) for spool in self.spools()]
        return {
            spool: f"{spool}: settled {record.settled.ranges()} of {record.horizon}"
            for spool, record in records
            if record.settled.upto() < record.horizon
        }

    def settled(self, spool: str) -> Intervals:
        """All numbers that are."""
        return self.ledger._spools[NODE, spool].settled

    def given_up(self, spool: str) -> set[int]:
        """Numbers that are settled and neither stored nor parked."""
        return {
            number
            for (state, _), ranges in self.ledger.exceptions(NODE, spool).items()
            if state != "parked"
            for first, last in ranges
            for number in range(first, last + 1)
        }

    def parked_contents(self) -> dict[Identity, int]:
        """The content of every number that is parked; a parked one is a backlog message of one entry."""
        rows = self.parked._db.execute("SELECT spool, seq, payload FROM parked WHERE seq > 0")
        found = {}
        for spool, seq, data in rows:
            (entry,) = decode(Backlog, bytes(data)).readings
            found[spool, seq] = round((entry.data if entry.v is None else entry.v)["x"])
        return found
