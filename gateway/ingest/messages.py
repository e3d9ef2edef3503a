"""From a received message to a `Part`: what of it is to be stored, what is to be parked, what the ledger should hear.

Nothing a peer can send raises here. A batch in which one entry cannot be read keeps all its others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from gateway.ingest import notes
from gateway.ingest.parked import Refused
from gateway.ingest.points import MAX_SEQ, Intake, Note, Origin, Point, Reason, spool_number
from gateway.mqtt.link import AckToken
from gateway.wire import payload, topics

_CACHE_BOUND = 100_000
_WHY_BOUND = 300
_OVERSIZE_KEPT = 4096
_SPOOLS_BOUND = 64
_WAITING_BOUND = 64

_device = attrgetter("device")

Ranges = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Part:
    """What one message holds. `spool` is that of its numbered points, "" where there are none.

    `holds`: (first, next) by spool, as the node announces them; `waits`: numbers that have no time yet, by spool, None
    where nothing is said of that; `lost`: (spool, first, last, reason). `parked_id` is set when it came from the parked
    store.
    """

    topic: str
    node: str = ""
    token: AckToken | None = None
    spool: str = ""
    points: list[Point | Note] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    holds: Ranges = field(default_factory=dict)
    waits: dict[str, list[tuple[int, int]]] | None = None
    is_birth: bool = False
    lost: list[tuple[str, int, int, str]] = field(default_factory=list)
    has_undated: bool = False
    parked_id: int | None = None


class Unreadable(Exception):
    """A message that cannot be read as a whole; `reason` says how."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why


class Reader:
    """Reads the messages of one `root`; `retention_ns` and `max_payload_bytes` bound what it accepts."""

    def __init__(self, root: str, *, retention_ns: int, max_payload_bytes: int) -> None:
        self._root = root
        self._max_payload_bytes = max_payload_bytes
        self._intake = Intake(retention_ns)
        self._addresses: dict[str, topics.Address | None] = {}
        self._origins: dict[tuple[str, str, str], Origin] = {}
        self._spools: dict[str, int | None] = {}
        self._now_at = 0

    def now_at(self, at: int) -> None:
        """Set the present (ns since the epoch) for the messages that follow."""
        self._now_at = at
        self._intake.now_at(at)

    def read(self, topic: str, data: bytes, token: AckToken | None = None) -> Part:
        """The part of one message."""
        address = self._addresses.get(topic)
        if address is None:
            if len(self._addresses) >= _CACHE_BOUND:
                self._addresses.clear()
            address = self._addresses[topic] = topics.parse(self._root, topic)
        if address is None:
            return Part(topic, token=token, refused=[Refused(Reason.TOPIC, "no topic of ours", topic, _cut(data))])
        part = Part(topic, address.node, token)
        try:
            if len(data) > self._max_payload_bytes:
                raise Unreadable(Reason.OVERSIZE, f"{len(data)} bytes, {self._max_payload_bytes} are allowed")
            self._read(part, address, data)
        except Unreadable as error:
            kept = _cut(data) if error.reason is Reason.OVERSIZE else data
            part.refused.append(Refused(error.reason, error.why[:_WHY_BOUND], topic, kept, address.node))
        return part

    def _read(self, part: Part, address: topics.Address, data: bytes) -> None:
        if address.kind == "reading":
            self._reading(part, address, data)
        elif address.kind == "backlog":
            self._backlog(part, address, data)
        elif address.kind == "event":
            self._event(part, address, data)
        elif data:  # an empty one only says that a retained message is gone
            self._retained(part, address, data)

    def _reading(self, part: Part, address: topics.Address, data: bytes) -> None:
        try:
            reading = payload.decode(payload.Reading, data)
        except ValueError as error:
            part.refused.append(_nameless(part, data, str(error)))
            return
        spool = self._spool(reading.spool)
        origin = self._origin(address.node, address.device_class, address.device)
        point = self._intake.admit(origin, spool, reading.seq, reading.t, reading.v, reading.q, reading.failed)
        _take(part, point, reading.spool, reading.seq, data)

    def _event(self, part: Part, address: topics.Address, data: bytes) -> None:
        try:
            event = payload.decode(payload.Event, data)
        except ValueError as error:
            part.refused.append(_nameless(part, data, str(error)))
            return
        spool = self._spool(event.spool)
        origin = self._origin(address.node, address.device_class, address.device)
        _take(part, self._event_note(origin, spool, event, event.event), event.spool, event.seq, data)

    def _event_note(
        self, origin: Origin, spool: int, event: payload.Event | payload.LateEntry, name: str
    ) -> Note | Reason:
        at = 0 if event.t is None else self._intake.time(event.t)
        if isinstance(at, Reason):
            return at
        return notes.event_note(origin, spool, event.seq, at, event.t is not None, name, event.data)

    def _backlog(self, part: Part, address: topics.Address, data: bytes) -> None:
        try:
            backlog = payload.decode(payload.Backlog, data)
            entries: Iterable[payload.LateEntry] = backlog.readings
            spool_id = backlog.spool
        except ValueError as error:
            spool_id, entries = _salvage(part, data, str(error))
        spool = self._spool(spool_id)
        part.spool = spool_id
        for device, run in groupby(entries, _device):
            if topics.is_id(device):
                origin = self._origin(address.node, address.device_class, device)
                others: Iterable[payload.LateEntry] = self._intake.admit_all(origin, spool, run, part.points)
                for entry in others:
                    self._late(part, origin, spool, spool_id, entry)
            else:
                for entry in run:
                    _take(part, Reason.DEVICE, spool_id, entry.seq, _alone(spool_id, entry))

    def _late(self, part: Part, origin: Origin, spool: int, spool_id: str, entry: payload.LateEntry) -> None:
        """An entry of a batch that is not a plain reading."""
        point: Point | Note | Reason
        if entry.v is not None and entry.event is None:
            point = self._intake.admit(origin, spool, entry.seq, entry.t, entry.v, entry.q, entry.failed)
        elif entry.event is not None and entry.v is None:
            point = self._event_note(origin, spool, entry, entry.event)
        else:
            point = Reason.JSON
        _take(part, point, spool_id, entry.seq, _alone(spool_id, entry) if isinstance(point, Reason) else b"")

    def _retained(self, part: Part, address: topics.Address, data: bytes) -> None:
        now_at, intake = self._now_at, self._intake
        origin = Origin(address.node, address.device_class, address.device)
        try:
            match address.kind, bool(address.device):
                case "status", False:
                    status = payload.decode(payload.NodeStatus, data)
                    part.holds, part.is_birth = _holds(status.spools), status.state == "online"
                    part.points.append(notes.node_status_note(origin, status, now_at))
                case "status", True:
                    state = payload.decode(payload.DeviceStatus, data)
                    part.points.append(notes.device_status_note(origin, state, intake, now_at))
                case "about", False:
                    node_about = payload.decode(payload.NodeAbout, data)
                    part.points.append(notes.about_note(origin, node_about, intake, now_at))
                case "about", True:
                    about = payload.decode(payload.DeviceAbout, data)
                    part.points.append(notes.about_note(origin, about, intake, now_at))
                case "health", _:
                    health = payload.decode(payload.Health, data)
                    part.holds, part.waits = _holds(health.spools), _waits(health.undated_numbers)
                    part.points += notes.health_notes(address.node, health, intake, now_at)
                case "lost", _:
                    part.lost = _lost(payload.decode(payload.Lost, data))
        except ValueError as error:
            raise Unreadable(Reason.JSON, str(error)) from None

    def _origin(self, node: str, device_class: str, device: str) -> Origin:
        key = (node, device_class, device)
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= _CACHE_BOUND:
                self._origins.clear()
            origin = self._origins[key] = Origin(node, device_class, device)
        return origin

    def _spool(self, spool: str) -> int:
        number = self._spools.get(spool)
        if number is None:
            number = spool_number(spool)
            if number is None:
                raise Unreadable(Reason.SPOOL, f"no spool id: {spool[:40]!r}")
            if len(self._spools) >= _CACHE_BOUND:
                self._spools.clear()
            self._spools[spool] = number
        return number


def _take(part: Part, point: Point | Note | Reason, spool: str, seq: int, data: bytes) -> None:
    """Into the part it goes: to be stored, or, with `data` as the message it would be alone, to be parked."""
    part.spool = spool
    if not isinstance(point, Reason):
        part.points.append(point)
        part.has_undated |= not point.is_dated
    else:
        named = 1 <= seq < MAX_SEQ
        part.refused.append(
            Refused(point, "", part.topic, data, part.node, spool if named else "", seq if named else 0)
        )


def _alone(spool: str, entry: payload.LateEntry) -> bytes:
    """A backlog message of one entry."""
    return payload.encode(payload.Backlog(spool, [entry]))


def _nameless(part: Part, data: bytes, why: str) -> Refused:
    """A reading or event that cannot be read, with its number if that much can."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    return _refused_by_name(part, found, found.get("spool") if isinstance(found, dict) else None, data, why)


def _refused_by_name(part: Part, found: object, spool: object, data: bytes, why: str) -> Refused:
    seq = found.get("seq") if isinstance(found, dict) else None
    if type(seq) is not int or not 1 <= seq < MAX_SEQ or not isinstance(spool, str) or spool_number(spool) is None:
        return Refused(Reason.JSON, why[:_WHY_BOUND], part.topic, data, part.node)
    part.spool = spool
    return Refused(Reason.JSON, why[:_WHY_BOUND], part.topic, data, part.node, spool, seq)


def _salvage(part: Part, data: bytes, why: str) -> tuple[str, list[payload.LateEntry]]:
    """The entries of a batch that can be read one by one; the others are refused with their numbers."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable(Reason.JSON, why) from None
    spool, members = (found.get("spool"), found.get("readings")) if isinstance(found, dict) else (None, None)
    if not isinstance(spool, str) or not isinstance(members, list):
        raise Unreadable(Reason.JSON, why)
    good = []
    for member in members:
        text = json.dumps(member).encode()
        try:
            good.append(payload.decode(payload.LateEntry, text))
        except ValueError as error:
            alone = json.dumps({"spool": spool, "readings": [member]}).encode()
            part.refused.append(_refused_by_name(part, member, spool, alone, str(error)))
    return spool, good


def _holds(spools: dict[str, payload.SpoolRange]) -> Ranges:
    for spool, held in spools.items():
        if spool_number(spool) is None or not 1 <= held.first <= held.next <= MAX_SEQ or len(spools) > _SPOOLS_BOUND:
            raise ValueError(f"no spools of a node: {spool[:40]!r} {held.first}…{held.next}")
    return {spool: (held.first, held.next) for spool, held in spools.items()}


def _waits(said: dict[str, list[tuple[int, int]]]) -> dict[str, list[tuple[int, int]]]:
    """By spool, without what cannot be."""
    return {
        spool: [(first, last) for first, last in ranges[:_WAITING_BOUND] if 1 <= first <= last < MAX_SEQ]
        for spool, ranges in list(said.items())[:_SPOOLS_BOUND]
        if spool_number(spool) is not None
    }


def _lost(declared: dict[str, list[tuple[int, int, str]]]) -> list[tuple[str, int, int, str]]:
    rows = [(spool, *each) for spool, each_range in declared.items() for each in each_range]
    for spool, first, last, _ in rows:
        if spool_number(spool) is None or not 1 <= first <= last < MAX_SEQ:
            raise ValueError(f"no range of lost numbers: {spool[:40]!r} {first}…{last}")
    return [(spool, first, last, reason[:64]) for spool, first, last, reason in rows]


def _cut(data: bytes) -> bytes:
    return data[:_OVERSIZE_KEPT]
