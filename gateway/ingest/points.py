"""Readings as the sinks take them: checked once, in the one place that decides what may enter a database.

A lenient database swallows what it cannot keep (VictoriaMetrics stores 0 for `abc` and drops what is older than its
retention, both with 204), so everything is checked here: identity, time range, names, flags, finiteness. What fails has
one of the reasons below and is parked, never dropped.

The hot paths are `admit` and `admit_all`: 1 to 2 µs a reading, because readings of a device mostly share their shape
(which quantities, which flags) and a shape is checked and laid out once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from gateway.wire import payload
from gateway.wire.times import SECOND, parse_time

MAX_SEQ = 2**53
"""First number that is not exact as a double: VictoriaMetrics and JavaScript know no other numbers."""
MAX_QUANTITIES = 256
FUTURE_NS = 300 * SECOND
"""How far a clock may be ahead of ours before its readings are parked."""

_QUANTITY = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_SPOOL = re.compile(r"[0-9a-f]{8}")
_FLAGS = frozenset({payload.GOOD, payload.NOT_EVALUATED, payload.SUSPECT, payload.FAIL, payload.MISSING})
_RESERVED = frozenset({"q", "seq", "spool", "time"})
_SHAPES_BOUND = 4096


class Reason(StrEnum):
    """Why something was parked; a closed set, used in counters and in the parked store."""

    TOPIC = "topic"
    DEVICE = "device"
    OVERSIZE = "oversize"
    JSON = "json"
    SPOOL = "spool"
    SEQ = "seq"
    TIME = "time"
    TOO_OLD = "too-old"
    FUTURE = "future"
    QUANTITY = "quantity"
    VALUE = "value"
    FLAG = "flag"
    EMPTY = "empty"
    TOO_MANY = "too-many"
    EVENT = "event"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where readings come from. One object a device, so that it hashes by identity."""

    node: str
    device_class: str
    device: str
    prefix: str = field(init=False)
    undated_prefix: str = field(init=False)

    def __post_init__(self) -> None:
        # Ids are [a-z0-9-]{1,32}: nothing in them needs escaping. Tags are sorted by key.
        tags = f"device={self.device},node={self.node}"
        object.__setattr__(self, "prefix", f"{self.device_class},{tags} ")
        object.__setattr__(self, "undated_prefix", f"undated,class={self.device_class},{tags} ")


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What readings of one kind have in common: names, flags, and their layout as line-protocol fields.

    `template` takes the values (good ones first, then failed), then seq, spool as integer, and the timestamp in ns.
    `flags` has every quantity when the device has quality tests, and is empty when it has none.
    """

    quantities: tuple[str, ...]
    failed: tuple[str, ...]
    flags: Mapping[str, int]
    worst: int
    template: str


class Point(NamedTuple):
    """A reading that passed all checks. `at` is ns since the epoch.

    An undated one (`is_dated` false) has at first `at` 0, and then the time it was first seen here.
    """

    origin: Origin
    shape: Shape
    values: tuple[float, ...]
    at: int
    seq: int
    spool: int
    is_dated: bool = True

    @property
    def stamp(self) -> int:
        """The time it is stored under where the sink has ns: two readings of one device never share it."""
        return self.at + self.seq % 1_000_000


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else worth storing: events (which have spool and seq), states, health, descriptions. `at` in ns.

    `tags` come beside node and device; `fields` are numbers; `text` is for people and sinks that keep text.
    """

    measurement: str
    origin: Origin
    at: int
    fields: Mapping[str, float | int]
    tags: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, object] = field(default_factory=dict)
    seq: int = 0
    spool: int = 0
    is_dated: bool = True

    @property
    def stamp(self) -> int:
        """The time it is stored under where the sink has ns."""
        return self.at + self.seq % 1_000_000


def is_quantity(name: str) -> bool:
    """True for a name that may become a field: [a-z0-9_]{1,64}, none of our own fields, not ending like one of them."""
    return _QUANTITY.fullmatch(name) is not None and name not in _RESERVED and not name.endswith(("_q", "_failed"))


def spool_number(spool: str) -> int | None:
    """A spool's id (8 hex digits) as the integer that is stored; None where it is none."""
    return int(spool, 16) if _SPOOL.fullmatch(spool) else None


class Intake:
    """Checks readings against one retention; `now_at` sets what "now" means for the readings that follow."""

    def __init__(self, retention_ns: int) -> None:
        self._retention_ns = retention_ns
        self._oldest = 0
        self._newest = 0
        self._shapes: dict[object, Shape | Reason] = {}

    def now_at(self, at: int) -> None:
        """Set the present, ns since the epoch."""
        self._oldest = at - self._retention_ns
        self._newest = at + FUTURE_NS

    def time(self, t: str) -> int | Reason:
        """`t` as ns since the epoch, or why it cannot be stored."""
        try:
            at = parse_time(t)
        except ValueError:
            return Reason.TIME
        if at < self._oldest:
            return Reason.TOO_OLD
        return Reason.FUTURE if at > self._newest else at

    def admit(
        self,
        origin: Origin,
        spool: int,
        seq: int,
        t: str | None,
        v: dict[str, float],
        q: dict[str, int],
        failed: dict[str, float],
    ) -> Point | Reason:
        """The point of one reading, or why it is none."""
        if not 1 <= seq < MAX_SEQ:
            return Reason.SEQ
        # The key of a reading whose values are all good is cheap; names and flags are only looked at for a new key.
        key: object = tuple(v) if not q and not failed else (tuple(v), tuple(q.items()), tuple(failed))
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._learn(key, v, q, failed)
        if type(shape) is not Shape:
            return shape  # type: ignore[return-value]  # mypy does not narrow a union by `type() is not`
        values = (*v.values(), *failed.values()) if failed else tuple(v.values())
        # One test for all: a sum of finite numbers is finite unless it overflows, and then each is looked at.
        if not isfinite(sum(values)) and not all(map(isfinite, values)):
            return Reason.VALUE
        if t is None:
            return Point(origin, shape, values, 0, seq, spool, False)
        try:
            at = parse_time(t)
        except ValueError:
            return Reason.TIME
        if not self._oldest <= at <= self._newest:
            return Reason.TOO_OLD if at < self._oldest else Reason.FUTURE
        return Point(origin, shape, values, at, seq, spool)

    def admit_all(
        self, origin: Origin, spool: int, entries: Iterable[payload.LateEntry], points: list[Point | Note]
    ) -> list[payload.LateEntry]:
        """Adds the points of all plain readings of one device to `points`; the entries that are not plain are returned.

        Plain is: dated, admitted, nothing failed, no event. This is `admit` without a call a reading.
        """
        shapes, oldest, newest = self._shapes, self._oldest, self._newest
        others = []
        for entry in entries:
            v, q, t, seq = entry.v, entry.q, entry.t, entry.seq
            if v is None or t is None or entry.failed or entry.event is not None or not 1 <= seq < MAX_SEQ:
                others.append(entry)
                continue
            shape = shapes.get((tuple(v), tuple(q.items()), ()) if q else tuple(v))
            values = tuple(v.values())
            if type(shape) is Shape and isfinite(sum(values)):
                try:
                    at = parse_time(t)
                except ValueError:
                    at = -1
                if oldest <= at <= newest:
                    points.append(Point(origin, shape, values, at, seq, spool))
                    continue
            others.append(entry)
        return others

    def _learn(self, key: object, v: dict[str, float], q: dict[str, int], failed: dict[str, float]) -> Shape | Reason:
        if len(self._shapes) >= _SHAPES_BOUND:
            self._shapes.clear()
        shape = self._shapes[key] = make_shape(tuple(v), q, tuple(failed))
        return shape


def make_shape(quantities: tuple[str, ...], q: Mapping[str, int], failed: tuple[str, ...]) -> Shape | Reason:
    """The shape of readings with these quantities, flags and failed quantities, or what is wrong with them.

    `"*"` in `q` is the flag of all that are not named; alone and 2 it says that the device has no quality tests.
    """
    named = [name for name in q if name != "*"]
    if not quantities and not failed and not named:
        return Reason.EMPTY
    if len(quantities) + len(failed) + len(named) > MAX_QUANTITIES:
        return Reason.TOO_MANY
    if not all(map(is_quantity, (*quantities, *failed, *named))) or set(quantities) & set(failed):
        return Reason.QUANTITY
    if not _FLAGS.issuperset(q.values()):
        return Reason.FLAG
    rest = q.get("*", payload.GOOD)
    flags = dict.fromkeys(quantities, rest) | dict.fromkeys(failed, payload.FAIL) | {name: q[name] for name in named}
    # What failed stands in `failed` and nowhere else, what is missing has no number, everything else has one in `v`.
    if any(
        (flag == payload.FAIL) != (name in failed) or (flag == payload.MISSING) != (name not in (*quantities, *failed))
        for name, flag in flags.items()
    ):
        return Reason.FLAG
    worst = max(flags.values())
    if not named and not failed and q == {"*": payload.NOT_EVALUATED}:
        flags = {}
    parts = [f"{name}=%r" for name in quantities]
    parts += [f"{name}_failed=%r" for name in failed]
    parts += [f"{name}_q={flag}i" for name, flag in flags.items()]
    parts += [f"q={worst}i", "seq=%di", "spool=%di"]
    return Shape(quantities, failed, flags, worst, ",".join(parts) + " %d")
