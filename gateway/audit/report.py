"""The audit's answer: every node's accounts and devices, and the one question whether anything is unaccounted.

As JSON (format 1; members may be added, none will change its meaning; times are RFC 3339 in UTC, ranges inclusive):

    {"format": 1, "from": t, "to": t, "asked": t, "timezone": "Asia/Bangkok", "ledger": id, "database": "sqlite",
     "kept_from": t or null,                 readings before it were removed on purpose; the window begins there
     "is_accounted": true, "unaccounted": 0, "duplicated": 0,
     "nodes": [
      {"node": id, "heard": t or null,        when it was last heard of
       "numbers": {"stored": n, "parked": n, "lost": n, "missing": n, "not_yet_due": n},
       "completeness_percent": 99.9 or null,  stored of all but what is not yet due
       "duplicated": n,
       "spools": [
        {"spool": id, "numbers": {as above},
         "ranges": [{"state": "missing", "reason": "not-in-database", "first": n, "last": n, "count": n,
                     "from": t or null, "to": t or null}, …]}],
       "devices": [
        {"device": id, "class": "air", "period_s": 60 or null, "lost_in_air": n, "total": DAY,
         "days": [{"day": "2026-03-20", DAY}, …]}]}]}

A DAY is {"possible", "expected", "stored", "silent", "off", "late", "lost", "parked", "unexplained",
"completeness_percent"}: readings that the period allows; those of them that the gateway owed (not while the device was
silent or its node off); those in the database; why the others are absent; stored of possible. All but `stored` are null
or 0 for a device without a period. `reason` of a number not yet due: "undated" (its node's clock is not trusted yet) or
none; of a missing one: "not-arrived", "not-in-database" (the ledger says stored), "not-in-parked-store". `lost_in_air`:
radio uplinks that no receiver heard, by the device's own counter; the gateway never had them and owes nothing for them.
`unaccounted` counts the missing ones; with `duplicated` 0 it makes `is_accounted`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.audit.account import STATES, Range, SpoolAccount, State
from gateway.audit.coverage import CAUSES, Cause, Coverage, Day, Hole, cover
from gateway.audit.facts import DeviceFacts
from gateway.audit.gather import NodeFacts, Window
from gateway.wire.times import format_time

FORMAT = 1
_CAUSES: Mapping[State, Cause] = {"missing": "late", "not-yet-due": "late", "lost": "lost", "parked": "parked"}


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device by day, and all together."""

    facts: DeviceFacts
    days: Mapping[str, Coverage]
    total: Coverage

    @property
    def period_s(self) -> float | None:
        """The last period said; None where it reports in no fixed rhythm."""
        return (self.facts.periods[-1][1] or None) if self.facts.periods else None


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node: its spools and its devices."""

    node: str
    heard_at: int | None
    spools: Sequence[SpoolAccount]
    devices: Sequence[DeviceReport]

    def count(self, state: State) -> int:
        """How many numbers are in that state."""
        return sum(spool.count(state) for spool in self.spools)

    @property
    def duplicated(self) -> int:
        """How many numbers stand in the database more than once."""
        return sum(spool.duplicated for spool in self.spools)

    @property
    def completeness(self) -> float | None:
        """Stored of all numbers but those not yet due, in percent."""
        due = sum(self.count(state) for state in STATES if state != "not-yet-due")
        return 100 * self.count("stored") / due if due else None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer; see the module."""

    window: Window
    timezone: str
    ledger: str
    database: str
    kept_from: int
    nodes: Sequence[NodeReport]

    @property
    def unaccounted(self) -> int:
        """How many numbers are nowhere."""
        return sum(node.count("missing") for node in self.nodes)

    @property
    def duplicated(self) -> int:
        """How many numbers stand in the database more than once."""
        return sum(node.duplicated for node in self.nodes)

    @property
    def is_accounted(self) -> bool:
        """True where every number is somewhere, and in the database only once."""
        return not self.unaccounted and not self.duplicated


def node_report(facts: NodeFacts, window: Window, days: Sequence[Day]) -> NodeReport:
    """What the facts of a node come to."""
    holes = [
        Hole(
            each.from_at if each.from_at is not None else window.from_at,
            each.to_at if each.to_at is not None else window.to_at,
            each.count,
            _CAUSES[each.state],
        )
        for spool in facts.accounts
        for each in spool.ranges
        if each.state != "stored"
    ]
    devices = []
    for _, device in sorted(facts.devices.items()):
        by_day = cover(device, days, window.due_at, holes, facts.heard_until)
        total = Coverage()
        for each in by_day.values():
            total.add(each)
        devices.append(DeviceReport(device, by_day, total))
    return NodeReport(facts.node, facts.heard_until or None, facts.accounts, devices)


def as_json(report: Report) -> dict[str, Any]:
    """See the module."""
    window = report.window
    return {
        "format": FORMAT,
        "from": format_time(window.from_at),
        "to": format_time(window.to_at),
        "asked": format_time(window.now_at),
        "timezone": report.timezone,
        "ledger": report.ledger or None,
        "database": report.database,
        "kept_from": _time(report.kept_from or None),
        "is_accounted": report.is_accounted,
        "unaccounted": report.unaccounted,
        "duplicated": report.duplicated,
        "nodes": [_node(node) for node in report.nodes],
    }


def _node(node: NodeReport) -> dict[str, Any]:
    return {
        "node": node.node,
        "heard": _time(node.heard_at),
        "numbers": {_key(state): node.count(state) for state in STATES},
        "completeness_percent": _percent(node.completeness),
        "duplicated": node.duplicated,
        "spools": [
            {
                "spool": spool.spool,
                "numbers": {_key(state): count for state, count in spool.counts().items()},
                "ranges": [_range(each) for each in spool.ranges],
            }
            for spool in node.spools
        ],
        "devices": [
            {
                "device": device.facts.device,
                "class": device.facts.device_class or None,
                "period_s": device.period_s,
                "lost_in_air": device.facts.lost_in_air,
                "total": _coverage(device.total),
                "days": [{"day": name, **_coverage(each)} for name, each in device.days.items()],
            }
            for device in node.devices
        ],
    }


def _range(each: Range) -> dict[str, Any]:
    said = {"state": _key(each.state), "reason": each.reason or None, "first": each.first, "last": each.last}
    return {**said, "count": each.count, "from": _time(each.from_at), "to": _time(each.to_at)}


def _coverage(each: Coverage) -> dict[str, Any]:
    absent: dict[str, int] = {cause: each.absent[cause] for cause in CAUSES}
    return {
        "possible": each.possible,
        "expected": each.expected,
        "stored": each.stored,
        **absent,
        "completeness_percent": _percent(each.completeness),
    }


def _key(state: State) -> str:
    return state.replace("-", "_")


def _percent(value: float | None) -> float | None:
    # Cut, not rounded: 100 means that nothing is absent.
    return None if value is None else int(value * 1000 + 1e-6) / 1000


def _time(at: int | None) -> str | None:
    return format_time(at) if at is not None else None
