"""Readings as they come from the broker: taken apart, filtered, made into rows or JSON. Safe for any payload."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from drivers.core.quantities import UnknownQuantity, quantity
from gateway.cli.table import Cell, Column, Style
from gateway.ops.texts import say
from gateway.wire.payload import MISSING, Backlog, DeviceAbout, Reading, decode
from gateway.wire.times import SECOND, format_time, parse_time
from gateway.wire.topics import parse

MAX_DEVICES = 10_000
"""Devices whose retained `about` is remembered for its units."""
MAX_QUANTITIES = 200
"""Values of one reading that are shown."""
_STYLES: dict[int, Style] = {1: "good", 2: "", 3: "suspect", 4: "fail", MISSING: "fail"}
_SIGNS = {
    "ug/m3": "µg/m³",
    "Cel": "°C",
    "deg": "°",
    "1": "",
    "W/m2": "W/m²",
    "m3/s": "m³/s",
    "m3": "m³",
    "/cm3": "/cm³",
}


def sign(unit: str) -> str:
    """A unit as people write it."""
    return _SIGNS.get(unit, unit)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown; an empty collection means all."""

    nodes: Collection[str] = ()
    classes: Collection[str] = ()
    devices: Collection[str] = ()
    quantities: Collection[str] = ()
    late: bool = False

    def filters(self, root: str) -> list[str]:
        """Topic filters that bring at least what is wished."""
        node, kind, device = _only(self.nodes), _only(self.classes), _only(self.devices)
        topics = [f"{root}/{node}/{kind}/{device}/about", f"{root}/{node}/{kind}/{device}/reading"]
        return [*topics, f"{root}/{node}/{kind}/backlog"] if self.late else topics


def _only(names: Collection[str]) -> str:
    return next(iter(names)) if len(names) == 1 else "+"


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading with where it comes from; `at` (ns) is None where it is undated."""

    node: str
    device_class: str
    device: str
    spool: str
    seq: int
    t: str | None
    at: int | None
    late: bool
    values: dict[str, float]
    failed: dict[str, float]
    flags: dict[str, int]

    def flag(self, name: str) -> int:
        """The QARTOD flag of a value."""
        return self.flags.get(name, self.flags.get("*", 1))


class Reader:
    """Turns messages into readings. `unreadable` counts payloads that are none."""

    def __init__(self, root: str, wish: Wish) -> None:
        self.root = root
        self.wish = wish
        self.unreadable = 0
        self._units: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()

    def take(self, topic: str, payload: bytes) -> list[Seen]:
        """The readings in one message that are wished for."""
        address = parse(self.root, topic)
        if address is None:
            return []
        try:
            if address.kind == "about" and address.device:
                self._remember((address.node, address.device), decode(DeviceAbout, payload).units)
                return []
            if address.kind == "reading":
                reading = decode(Reading, payload)
                found = [_seen(address.node, address.device_class, address.device, reading.spool, reading, late=False)]
            elif address.kind == "backlog":
                backlog = decode(Backlog, payload)
                found = [
                    _seen(address.node, address.device_class, entry.device, backlog.spool, entry, late=True)
                    for entry in backlog.readings
                    if entry.v is not None
                ]
            else:
                return []
        except ValueError:
            self.unreadable += 1
            return []
        return [seen for seen in map(self._narrowed, found) if seen is not None]

    def unit(self, seen: Seen, name: str) -> str:
        """The unit of a value, from the vocabulary, else from the device's own `about`."""
        try:
            known = quantity(name).unit
        except UnknownQuantity:
            known = ""
        return known or self._units.get((seen.node, seen.device), {}).get(name, "")

    def _remember(self, device: tuple[str, str], units: dict[str, str]) -> None:
        self._units[device] = units
        self._units.move_to_end(device)
        if len(self._units) > MAX_DEVICES:
            self._units.popitem(last=False)

    def _narrowed(self, seen: Seen) -> Seen | None:
        wish = self.wish
        if (
            (wish.nodes and seen.node not in wish.nodes)
            or (wish.classes and seen.device_class not in wish.classes)
            or (wish.devices and seen.device not in wish.devices)
        ):
            return None
        if not wish.quantities:
            return seen
        names = {name for name in (*seen.values, *seen.failed, *seen.flags) if name in wish.quantities}
        if not names:
            return None
        return replace(
            seen,
            values={name: value for name, value in seen.values.items() if name in names},
            failed={name: value for name, value in seen.failed.items() if name in names},
            flags={name: flag for name, flag in seen.flags.items() if name in names or name == "*"},
        )


def _seen(node: str, device_class: str, device: str, spool: str, reading: Any, *, late: bool) -> Seen:
    at = parse_time(reading.t) if reading.t is not None else None
    return Seen(
        node=node,
        device_class=device_class,
        device=device,
        spool=spool,
        seq=reading.seq,
        t=reading.t,
        at=at,
        late=late,
        values=dict(reading.v),
        failed=dict(reading.failed),
        flags=dict(reading.q),
    )


def as_json(seen: Seen, reader: Reader) -> str:
    """One line of JSON, the keys always the same; nothing in it that moves a terminal."""
    names = (*seen.values, *seen.failed)
    row = {
        "node": seen.node,
        "class": seen.device_class,
        "device": seen.device,
        "t": seen.t,
        "spool": seen.spool,
        "seq": seen.seq,
        "late": seen.late,
        "v": seen.values,
        "failed": seen.failed,
        "q": seen.flags,
        "units": {name: unit for name in names if (unit := reader.unit(seen, name))},
    }
    return json.dumps(row, separators=(",", ":"))  # ASCII: everything else is escaped


def columns() -> list[Column]:
    """The columns of `rows`."""
    return [
        Column(say("tail.time"), 8, 19),
        Column(say("tail.node"), 8, 32),
        Column(say("tail.device"), 10, 32),
        Column(say("tail.quantity"), 12, 32),
        Column(say("tail.value"), 10, 20, "right"),
        Column(say("tail.unit"), 6, 12),
        Column(say("tail.age"), 7, 12, "right"),
        Column(say("tail.quality"), 4, 24),
    ]


def rows(seen: Seen, reader: Reader, now: int) -> Iterator[Sequence[Cell | str]]:
    """A row for each value: the good, the failed, the missing. `now` is ns since the epoch."""
    shown: list[tuple[str, float | None]] = [*seen.values.items(), *seen.failed.items()]
    shown += [(name, None) for name, flag in seen.flags.items() if flag == MISSING and name != "*"]
    time = clock(seen.at, now) if seen.at is not None else say("tail.undated")
    age = format_age((now - seen.at) / SECOND) if seen.at is not None else ""
    for name, value in shown[:MAX_QUANTITIES]:
        flag = 4 if name in seen.failed else seen.flag(name)
        unit = reader.unit(seen, name)
        yield (
            Cell(time, "dim"),
            seen.node,
            seen.device,
            name,
            Cell(format_value(value) if value is not None else "–", _STYLES.get(flag, "suspect") if flag > 2 else ""),
            sign(unit),
            Cell(age, "dim"),
            Cell(quality(flag, late=seen.late), _STYLES.get(flag, "suspect")),
        )


def quality(flag: int, *, late: bool) -> str:
    """The word for a QARTOD flag."""
    word = say(f"quality.{flag}") if flag in _STYLES else str(flag)[:8]
    return f"{word}, {say('tail.late')}" if late else word


def clock(at: int, now: int) -> str:
    """Local time of an instant, with its day where that is not today's."""
    try:
        then, today = (datetime.fromtimestamp(ns / SECOND, UTC).astimezone() for ns in (at, now))
    except (ValueError, OverflowError, OSError):  # the first and last day of the calendar, seen from another zone
        return format_time(at)
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M:%S}"


def format_age(seconds: float) -> str:
    """`0.3 s`, `12 s`, `5 min`, `3 h`, `12 d`; a minus for what lies in the future."""
    sign, seconds = ("-", -seconds) if seconds < -0.05 else ("", abs(seconds))
    for limit, length, unit in ((9.95, 1, "s"), (99.5, 1, "s"), (5970, 60, "min"), (172_000, 3600, "h")):
        if seconds < limit:
            return f"{sign}{seconds / length:.{1 if limit < 10 else 0}f} {unit}"
    return f"{sign}{seconds / 86400:.0f} d"


def format_value(value: float) -> str:
    """A number for reading: no exponent where none is needed, no digits that no instrument gives."""
    if value == 0 or 1e-3 <= abs(value) < 1e12:
        text = f"{value:.3f}"
        return text.rstrip("0").rstrip(".")
    return f"{value:.4g}"
