"""Alarms: thresholds with hysteresis, hold times and a quality gate, and the alarm of a device that is silent.

Late readings raise and clear nothing, and a value that the gate refuses is no evidence for either. A flood rule names
the tests whose verdict must not silence it (`despite`, `RECORDS`): a record flood leaves the usual range, the season's
window and the usual rate, and is real. Give such a rule the number even where range control failed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, NamedTuple

from gateway.meaning.flags import GOOD, NOT_EVALUATED, SUSPECT, verdict
from gateway.meaning.state import SECOND, State, boolean, integer, items, number, opened, usable

RECORDS = frozenset({"gross-range", "climatology", "rate-of-change", "spike"})
"""Tests that a real record fails."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Raised at or over (`is_above`), at or under `threshold`; cleared when back beyond it by more than `hysteresis`.

    Raised once the condition held from one reading to another for `hold_s` and over `readings` readings in a row, or,
    with `patience_s`, when a reading met it that long ago and none came to contradict. Cleared after `clear_hold_s`.
    """

    id: str
    quantity: str
    threshold: float
    is_above: bool = True
    level: Literal["info", "warning", "critical"] = "warning"
    hysteresis: float = 0.0
    hold_s: float = 0.0
    readings: int = 1
    patience_s: float | None = None
    clear_hold_s: float = 0.0
    gate: frozenset[int] = frozenset({GOOD, NOT_EVALUATED, SUSPECT})
    despite: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        times = (self.hold_s, self.clear_hold_s, self.patience_s or 0.0)
        if not isfinite(self.threshold) or not self.hysteresis >= 0 or not 1 <= self.readings <= 1000:
            raise ValueError(f"rule {self.id}: expected a threshold, a hysteresis from 0, 1 to 1000 readings")
        if not all(0 <= time <= 366 * 86400 for time in times):
            raise ValueError(f"rule {self.id}: times run from 0 to 366 days")

    def accepts(self, flag: int, results: Mapping[str, int] | None = None) -> bool:
        """Whether a value of this flag may raise and clear; `results` (test → flag) let `despite` be looked through."""
        if flag in self.gate:
            return True
        if results is None or not self.despite:
            return False
        rest = {test: own for test, own in results.items() if test.partition(":")[0] not in self.despite}
        return len(rest) < len(results) and verdict(rest) in self.gate


class Change(NamedTuple):
    """An alarm was raised or cleared at `at`; its condition began at `since_at`, times in ns."""

    state: Literal["raised", "cleared"]
    at: int
    since_at: int
    value: float
    threshold: float


class ThresholdAlarm:
    """The life of one rule on one device."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.is_raised = False
        self.since_at: int | None = None
        """When the condition of the raised alarm began."""
        self.refused = 0
        """Readings that were late, repeated, or refused by the gate."""
        self._begun: tuple[int, int, float] | None = None
        """The opposite condition: first seen, readings in a row, newest value."""
        self._newest_at = -1

    def add(
        self,
        at: int,
        value: float | None,
        flag: int = GOOD,
        results: Mapping[str, int] | None = None,
        *,
        is_late: bool = False,
    ) -> Change | None:
        """Take a reading's value (None: missing, no evidence) and its quality; tells a change."""
        value = usable(value)
        if value is None:
            return self.tick(at)
        if is_late or at == self._newest_at or not self.rule.accepts(flag, results):
            self.refused += 1
            return None
        if at < self._newest_at:
            self._begun = None  # The clock was put back: the reading is live, the time of what came before is not.
        self._newest_at = at
        if not self._speaks_for_change(value):
            self._begun = None
            return None
        first_at, count, _ = self._begun or (at, 0, value)
        self._begun = (first_at, count + 1, value)
        rule = self.rule
        if self.is_raised:
            is_due = at - first_at >= rule.clear_hold_s * SECOND
        else:
            is_due = at - first_at >= rule.hold_s * SECOND and count + 1 >= rule.readings
        return self._change(at) if is_due else self.tick(at)

    def is_quiet_at(self, value: float) -> bool:
        """True where nothing has begun and such a value begins nothing, whatever its quality."""
        return self._begun is None and not self._speaks_for_change(value) and value == value

    def pass_by(self, at: int) -> None:
        """Note the time of a reading that changes nothing."""
        self._newest_at = at

    def tick(self, at: int) -> Change | None:
        """Time passed without a reading: an alarm may have waited long enough for a second one."""
        patience_s = self.rule.patience_s
        if self.is_raised or self._begun is None or patience_s is None or at - self._begun[0] < patience_s * SECOND:
            return None
        return self._change(at)

    def shift(self, by_ns: int) -> None:
        """The clock was set by so much: what began did not begin earlier or later by that."""
        if self._begun is not None:
            first_at, count, value = self._begun
            self._begun = (max(0, first_at + by_ns), count, value)
        self._newest_at = max(-1, self._newest_at + by_ns) if self._newest_at >= 0 else -1

    def _speaks_for_change(self, value: float) -> bool:
        rule = self.rule
        excess = value - rule.threshold if rule.is_above else rule.threshold - value
        return excess < -rule.hysteresis if self.is_raised else excess >= 0

    def _change(self, at: int) -> Change:
        first_at, _, value = self._begun or (at, 0, 0.0)
        self._begun = None
        self.is_raised = not self.is_raised
        self.since_at = first_at if self.is_raised else None
        return Change("raised" if self.is_raised else "cleared", at, first_at, value, self.rule.threshold)

    def state(self) -> State:
        return {
            "kind": f"alarm/1 {self.rule.id}",
            "is_raised": self.is_raised,
            "since_at": self.since_at,
            "begun": None if self._begun is None else list(self._begun),
            "newest_at": self._newest_at,
            "refused": self.refused,
        }

    def restore(self, state: object) -> None:
        saved = opened(state, f"alarm/1 {self.rule.id}", "is_raised", "since_at", "begun", "newest_at", "refused")
        is_raised = boolean(saved["is_raised"], "is_raised")
        since_at = None if saved["since_at"] is None else integer(saved["since_at"], "since_at")
        begun = None
        if saved["begun"] is not None:
            first_at, count, value = items(saved["begun"], "begun", 3, 3)
            begun = (integer(first_at, "begun"), integer(count, "begun", 1), number(value, "begun"))
        newest_at, refused = integer(saved["newest_at"], "newest_at", -1), integer(saved["refused"], "refused")
        self.is_raised, self.since_at, self._begun = is_raised, since_at, begun
        self._newest_at, self.refused = newest_at, refused


class SilenceAlarm:
    """Raised when no live reading came for `limit_s`, cleared by the next one. Time must be given by `tick`."""

    def __init__(self, id: str, limit_s: float) -> None:
        if not 0 < limit_s <= 366 * 86400:
            raise ValueError(f"rule {id}: silence lasts more than 0 and up to 366 days")
        self.id = id
        self._limit_s = limit_s
        self.is_raised = False
        self._heard_at: int | None = None

    def add(self, at: int, *, is_late: bool = False) -> Change | None:
        """A reading came. A late one proves nothing about now."""
        if is_late:
            return self.tick(at)
        heard_at, self._heard_at = self._heard_at, at
        if not self.is_raised:
            return None
        self.is_raised = False
        return self._change("cleared", at, at if heard_at is None else heard_at)

    def tick(self, at: int) -> Change | None:
        """Time passed. The first call begins the wait for a device that never spoke."""
        if self._heard_at is None or at < self._heard_at:
            self._heard_at = at
        if self.is_raised or at - self._heard_at < self._limit_s * SECOND:
            return None
        self.is_raised = True
        return self._change("raised", at, self._heard_at)

    def shift(self, by_ns: int) -> None:
        """The clock was set by so much: that is no silence."""
        if self._heard_at is not None:
            self._heard_at = max(0, self._heard_at + by_ns)

    def _change(self, state: Literal["raised", "cleared"], at: int, since_at: int) -> Change:
        return Change(state, at, since_at, max(0, at - since_at) / SECOND, self._limit_s)

    def state(self) -> State:
        return {"kind": f"silence/1 {self.id}", "is_raised": self.is_raised, "heard_at": self._heard_at}

    def restore(self, state: object) -> None:
        saved = opened(state, f"silence/1 {self.id}", "is_raised", "heard_at")
        heard_at = None if saved["heard_at"] is None else integer(saved["heard_at"], "heard_at")
        self.is_raised = boolean(saved["is_raised"], "is_raised")
        self._heard_at = heard_at
