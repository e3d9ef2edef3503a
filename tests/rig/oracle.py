"""The oracle: what was owed against what the database holds, counted from the database itself."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.rig.database import VictoriaMetrics
from tests.rig.instrument import FIELDS, MASSES, Instrument, Name, everything_sent, is_unaltered, name_of, owed

MISTIMED_MS = 1000.0
"""A reading further than this from its frame is counted as mis-timed."""


class Row(NamedTuple):
    """A stored reading: its values by quantity, and the time it is stored under (ns)."""

    values: Mapping[str, float]
    at: int
    spool: int
    seq: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What the oracle found. `arrived` counts names, not rows; `errors_ms` is |stored time - real time| of each."""

    owed: int = 0
    arrived: int = 0
    lost: tuple[Name, ...] = ()
    duplicated: int = 0
    altered: int = 0
    strange: int = 0
    """Stored and never said."""
    mistimed: int = 0
    errors_ms: tuple[float, ...] = field(default=(), repr=False)

    @property
    def is_clean(self) -> bool:
        """Nothing lost, doubled, altered or made up."""
        return not (self.lost or self.duplicated or self.altered or self.strange)

    def p99_ms(self) -> float:
        """99th percentile of the timestamp errors; 0 without any."""
        return percentile(self.errors_ms, 0.99)

    def __str__(self) -> str:
        parts = [f"owed {self.owed}", f"arrived {self.arrived}", f"lost {len(self.lost)}"]
        others = {name: getattr(self, name) for name in ("duplicated", "altered", "strange", "mistimed")}
        parts += [f"{name} {count}" for name, count in others.items() if count]
        return ", ".join(parts)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that is not exceeded by `share` of all; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def judge(instruments: Iterable[Instrument], rows: Iterable[Row], grace_s: float = 1.0) -> Counts:
    """Compare what was said with what is stored. Rows of devices that are not ours must not be among them."""
    instruments = list(instruments)
    due = owed(instruments, grace_s)
    said = {sent.name: sent for sent in everything_sent(instruments)}
    found: Counter[Name] = Counter()
    altered = strange = 0
    errors: list[float] = []
    for row in rows:
        try:
            name = name_of(row.values)
        except KeyError:
            altered += 1
            continue
        found[name] += 1
        altered += not is_unaltered(row.values)
        if name not in said:
            strange += 1
        elif row.at:
            sent = said[name]
            errors.append(max(0, sent.began_at - row.at, row.at - sent.at) / 1e6)
    return Counts(
        len(due),
        len(found),
        tuple(sorted(due - set(found))),
        sum(found.values()) - len(found),
        altered,
        strange,
        sum(error > MISTIMED_MS for error in errors),
        tuple(errors),
    )


def rows_of_sqlite(database: Path) -> list[Row]:
    """All readings of the rig's instruments in the SQLite sink, read with sqlite3 alone."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            found = connection.execute("SELECT v, at, spool, seq FROM reading WHERE device LIKE 'pms-%'").fetchall()
        except sqlite3.OperationalError:  # the file is there, its tables not yet
            return []
    return [Row(json.loads(v), at, spool, seq) for v, at, spool, seq in found]


def count_of_sqlite(database: Path) -> int:
    """How many readings the SQLite sink holds."""
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            (count,) = connection.execute("SELECT count(*) FROM reading").fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(count)


def rows_of_victoria(database: VictoriaMetrics, node: str = "node-1", measurement: str = "air") -> list[Row]:
    """All readings of a node in VictoriaMetrics, put together again from its series by device and time."""
    wanted = (*FIELDS, *MASSES, "spool", "seq")
    together: dict[tuple[str, str, int], dict[str, float]] = {}
    for series in database.export(f'{{__name__=~"{measurement}_.*",node="{node}",device=~"pms-.*"}}'):
        quantity = series.labels["__name__"].removeprefix(f"{measurement}_")
        if quantity not in wanted:
            continue
        key = (series.labels.get("node", ""), series.labels.get("device", ""))
        for at_ms, value in zip(series.times_ms, series.values, strict=True):
            if value is not None:
                together.setdefault((*key, at_ms), {})[quantity] = value
    return [
        Row(values, at_ms * 1_000_000, int(values.pop("spool", 0)), int(values.pop("seq", 0)))
        for (_, _, at_ms), values in together.items()
    ]
