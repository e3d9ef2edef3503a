"""What an ingest has done since it started; plain numbers, for health and metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """`points` were stored, `readings` of them have a number (events too); `parked` is by reason.

    `notes_refused` were refused by the sink and have no number to keep them by.

    `retries` are failed writes, `unconfirmed` numbers whose batch did not survive in the database, `stale_acks`
    acknowledgements that came after their connection's end (the broker sends those messages again).
    """

    messages: int = 0
    points: int = 0
    readings: int = 0
    notes_refused: int = 0
    batches: int = 0
    retries: int = 0
    acknowledged: int = 0
    stale_acks: int = 0
    settled: int = 0
    unconfirmed: int = 0
    declared_lost: int = 0
    stored_published: int = 0
    stored_refused: int = 0
    ledger_failures: int = 0
    parked: Counter[str] = field(default_factory=Counter)
