"""What a fault scenario is, what it finds, and the list of all of them."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tests.rig.oracle import Counts

ENOUGH_TIMED = 200
"""Of fewer readings a 99th percentile says nothing."""
SHORT_SLACK = 4.0
MOST_ERROR_MS = 50.0
VIRTUAL = ("L1", "T2", "T3", "K1")
"""In these no load of the machine makes anything late."""
Verdict = Literal["met", "missed", "broken", "not run"]


@dataclass(frozen=True, slots=True)
class Form:
    """How a scenario shall run: short or long, from which seed, with its files where."""

    is_long: bool
    seed: int
    folder: Path

    @contextmanager
    def in_memory(self) -> Iterator[Path]:
        """A folder on a file system in memory, where there is one: for what is not about disks."""
        place = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(prefix="faults-", dir=place) as folder:
            yield Path(folder)

    @property
    def slack(self) -> float:
        """How much more time than the table says may pass: the short form shares its machine with other tests."""
        return 1.0 if self.is_long else SHORT_SLACK

    def pick(self, short: float, long: float) -> float:
        """The value for this form."""
        return long if self.is_long else short

    def count(self, short: int, long: int) -> int:
        """The count for this form."""
        return long if self.is_long else short


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen: the figure for the table, whether it is what must be shown, and the oracle's counts if any."""

    figure: str
    is_met: bool
    counts: Counts | Tally | None = None
    details: dict[str, object] = field(default_factory=dict)


class CannotRun(Exception):
    """Something the scenario needs is not on this machine; the message says what."""


class Scenario(Protocol):
    """One row of the table."""

    id: str
    fault: str
    must: str

    def run(self, form: Form) -> Finding:
        """Do it. An exception counts as broken."""
        ...


@dataclass(frozen=True, slots=True)
class _Function:
    id: str
    fault: str
    must: str
    run: Callable[[Form], Finding]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the rows over all scenarios need of one; of several plays the worst 99th percentile."""

    arrived: int
    duplicated: int
    timed: int
    p99_ms: float

    def with_counts(self, counts: Counts) -> Tally:
        """This and another play."""
        return Tally(
            self.arrived + counts.arrived,
            self.duplicated + counts.duplicated,
            self.timed + len(counts.errors_ms),
            max(self.p99_ms, round(counts.p99_ms(), 2)),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the printed table."""

    id: str
    fault: str
    must: str
    figure: str
    seed: int
    verdict: Verdict
    seconds: float
    tally: Tally | None = None
    details: dict[str, object] = field(default_factory=dict)
    is_long: bool = False


_ALL: dict[str, Scenario] = {}


def scenario(id: str, fault: str, must: str) -> Callable[[Callable[[Form], Finding]], Callable[[Form], Finding]]:
    """Registers a function as the scenario of that row."""

    def register(run: Callable[[Form], Finding]) -> Callable[[Form], Finding]:
        assert id not in _ALL, id
        _ALL[id] = _Function(id, fault, must, run)
        return run

    return register


def all_scenarios() -> dict[str, Scenario]:
    """By id, in the table's order."""
    from tests.faults import groups

    groups.load()
    order = [*"LDTCRMK"]
    return dict(sorted(_ALL.items(), key=lambda item: (order.index(item[0][0]), int(item[0][1:]))))


def play(scenario: Scenario, *, is_long: bool, seed: int) -> Result:
    """Run one scenario in a folder of its own, which is removed afterwards. Raises nothing of the scenario's."""
    started = time.monotonic()
    verdict: Verdict
    tally: Tally | None = None
    details: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix=f"faults-{scenario.id}-", ignore_cleanup_errors=True) as folder:
        try:
            finding = scenario.run(Form(is_long, seed, Path(folder)))
        except CannotRun as error:
            figure, verdict = str(error), "not run"
        except Exception as error:
            figure, verdict = f"{type(error).__name__}: {str(error)[:200]}", "broken"
            details["traceback"] = traceback.format_exc()
        else:
            figure, verdict = finding.figure, _verdict(finding.is_met)
            counts, details = finding.counts, dict(finding.details)
            if isinstance(counts, Tally):
                tally = counts
            elif counts is not None:
                tally = Tally(0, 0, 0, 0.0).with_counts(counts)
                details["lost"] = [str(tuple(each)) for each in counts.lost[:10]]
    seconds = round(time.monotonic() - started, 1)
    return Result(scenario.id, scenario.fault, scenario.must, figure, seed, verdict, seconds, tally, details, is_long)


def over_all(results: list[Result], seed: int, slack: float) -> Iterator[Result]:
    """The rows that look back over all others: duplicates, and timestamp errors."""
    seen = [(result, result.tally) for result in results if result.tally is not None]
    if not seen:
        return
    doubles = sum(tally.duplicated for _, tally in seen)
    figure = f"{doubles} in {sum(tally.arrived for _, tally in seen)} readings of {len(seen)} scenarios"
    yield Result("D1", "all of the above", "duplicates in the database 0", figure, seed, _verdict(doubles == 0), 0.0)
    timed = [(result, tally) for result, tally in seen if tally.timed >= ENOUGH_TIMED]
    if not timed:
        return
    worst, tally = max(timed, key=lambda one: one[1].p99_ms / _most_error_ms(one[0].id, slack))
    figure = f"p99 {tally.p99_ms:.1f} ms in {worst.id}, the worst of {len(timed)} scenarios"
    is_met = tally.p99_ms <= _most_error_ms(worst.id, slack)
    yield Result("T1", "timestamp error after any outage", "p99 ≤ 50 ms", figure, seed, _verdict(is_met), 0.0)


def _most_error_ms(id: str, slack: float) -> float:
    """In the short form several scenarios share the machine with other tests: much of an error is waiting for it."""
    return MOST_ERROR_MS if id in VIRTUAL else MOST_ERROR_MS * slack**2


def _verdict(is_met: bool) -> Verdict:
    return "met" if is_met else "missed"
