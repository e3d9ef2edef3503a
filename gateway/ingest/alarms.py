"""What stops the backbone, said where operators look: one retained message a cause, gone when the cause is.

    <root>/ingest/alarm/parked   the parked store is full, or its disk fails
    <root>/ingest/alarm/sink     the database refuses or does not answer
    <root>/ingest/alarm/ledger   the ledger's disk

    {"state":"raised","level":"critical","since":"2026-03-20T09:46:40.120Z","why":"refused: … 401: unauthorized"}

The topics lie beside the lock of the confirming ingest, which alone says them; no node's topic looks like that.
"""

from __future__ import annotations

import json
import time

from gateway.ingest.presence import lock_topic
from gateway.mqtt.link import Connection, Message
from gateway.wire.times import format_time

PARTS = ("parked", "sink", "ledger")
"""Those whose trouble stops acknowledgements; what becomes of the broker cannot be told through it."""


class Alarms:
    """Keeps what is raised, and says it over the connection of now. Nothing here waits."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._raised: dict[str, dict[str, str]] = {}
        self._connection: Connection | None = None

    def connected(self, connection: Connection) -> None:
        """A new connection: all of it is said again, also what is no alarm any more."""
        self._connection = connection
        for part in PARTS:
            self._say(part)

    def changed(self, part: str, state: str, why: str) -> None:
        """A part's state is another one; "up" is no alarm."""
        if part not in PARTS:
            return
        if state == "up":
            if self._raised.pop(part, None) is None:
                return
        else:
            since = self._raised[part]["since"] if part in self._raised else format_time(time.time_ns())
            # A database that is away may come back by itself; everything else waits for a person.
            level = "warning" if part == "sink" and state != "refused" else "critical"
            self._raised[part] = {"state": "raised", "level": level, "since": since, "why": f"{state}: {why}"}
        self._say(part)

    def _say(self, part: str) -> None:
        if self._connection is None or self._connection.why_lost is not None:
            return
        raised = self._raised.get(part)
        text = b"" if raised is None else json.dumps(raised, ensure_ascii=False, separators=(",", ":")).encode()
        said = self._connection.publish(Message(f"{lock_topic(self._root)}/alarm/{part}", text, 1, retain=True))
        # A broker that refuses it, or that is gone: the log has it, and the next connection says it again.
        said.add_done_callback(lambda future: future.cancelled() or future.exception())
