"""Payloads as types, JSON outside. Decoding checks shape and types; meaning is checked by who uses them.

Every struct refuses what it does not know how to read and ignores members it does not know, so that a newer node
can talk to an older backbone.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

NodeState = Literal["online", "offline"]
DeviceState = Literal["ok", "silent", "faulty", "absent"]

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
"""QARTOD flags, the quality of a value."""


class Reading(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one device reported at one instant. `t` is None where the clock could never be trusted."""

    t: str | None
    spool: str
    seq: int
    v: dict[str, float]
    q: dict[str, int] = {}
    failed: dict[str, float] = {}
    via: list[str] = []
    """The receivers that heard it by radio, the best first."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened to a device, with a number of its own in the spool."""

    t: str | None
    spool: str
    seq: int
    event: str
    data: dict[str, Any] = {}


class LateEntry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One reading or event inside a backlog batch; exactly one of `v` and `event` says which."""

    device: str
    t: str | None
    seq: int
    v: dict[str, float] | None = None
    q: dict[str, int] = {}
    failed: dict[str, float] = {}
    event: str | None = None
    data: dict[str, Any] = {}
    via: list[str] = []


class Backlog(msgspec.Struct, frozen=True):
    """Late readings and events of one node, class and spool."""

    spool: str
    readings: list[LateEntry]


class SpoolRange(msgspec.Struct, frozen=True):
    """The numbers a node still holds of one spool: from `first` up to but not including `next`."""

    first: int
    next: int


class NodeStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Birth and will of a node."""

    state: NodeState
    at: str | None = None
    site: str = ""
    version: str = ""
    spools: dict[str, SpoolRange] = {}


class NodeAbout(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node is; retained, with a revision that rises on every change."""

    rev: int
    since: str | None
    site: str
    name: dict[str, str] = {}
    position: dict[str, float] = {}
    devices: list[str] = []
    version: str = ""


class DeviceAbout(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device is and what its numbers mean; retained."""

    rev: int
    since: str | None
    driver: str
    units: dict[str, str] = {}
    period_s: float = 0
    method: str = "last"
    model: str = ""
    serial: str = ""
    name: dict[str, str] = {}
    steps: list[str] = []
    position: dict[str, float] = {}
    duty: dict[str, float] = {}
    """`every_s`, `on_s` and `warm_up_s` of one that sleeps between its readings."""
    trust: str = ""
    """How a radio device proves who it is: `keys` (LoRaWAN, on the node), `network-server`, or `anyone-in-range`."""


class DeviceStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """State of a device; valid only while its node is online. `why` is for people, `reason` a word for programs."""

    state: DeviceState
    since: str | None
    why: str = ""
    reason: str = ""


class Alarm(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last change of one alarm of a device; retained. `since` is when its condition began, `t` when it changed."""

    state: Literal["raised", "cleared"]
    level: str
    since: str | None
    t: str | None
    quantity: str
    value: float
    threshold: float


class DeviceHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counters of one device since the node started; `running_h` since the instrument was new to it, `borrowed_s` while
    its port was lent to a command."""

    state: DeviceState
    readings: int = 0
    frames: int = 0
    rejected: dict[str, int] = {}
    discarded_bytes: int = 0
    overflowed_bytes: int = 0
    missed: int = 0
    reconnects: int = 0
    unbelieved: int = 0
    running_h: float = 0
    borrowed_s: float = 0
    lost_in_air: int = 0


class ReceiverHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counters of one radio receiver since the node started. `heard`: packets; `readings`: those that became one.

    `gateways`: how many seconds ago each concentrator that sends here was heard.
    """

    state: DeviceState
    why: str = ""
    heard: int = 0
    readings: int = 0
    copies: int = 0
    refused: dict[str, int] = {}
    resets: int = 0
    gateways: dict[str, int] = {}


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node about itself, every minute.

    `hours_left`: how long an outage may last before readings are lost, at the present rate. `ledger_silent`: 1 where
    published readings were not confirmed for 5 minutes. `resent`, `refused`, `never_dated` (given up, because nobody
    told the time) and `clock_steps` count since the node started. `undated` wait for their time now, `undated_numbers`
    says which (by spool, the oldest 64 ranges); `clock_doubt` says why the clock is not trusted: unset, buddhist-era,
    implausible, stepped, unsynchronized.
    """

    t: str | None
    spools: dict[str, SpoolRange] = {}
    spool_age_s: float = 0
    spool_bytes: int = 0
    hours_left: float | None = None
    loss_total: int = 0
    losses: dict[str, int] = {}
    clock_trusted: int = 0
    unsettled: int = 0
    unconfirmed: int = 0
    undated: int = 0
    undated_numbers: dict[str, list[tuple[int, int]]] = {}
    never_dated: int = 0
    clock_steps: int = 0
    clock_doubt: str = ""
    resent: int = 0
    refused: dict[str, int] = {}
    link: str = ""
    ledger_silent: int = 0
    devices: dict[str, DeviceHealth] = {}
    receivers: dict[str, ReceiverHealth] = {}


class SpoolSettled(msgspec.Struct, frozen=True, omit_defaults=True):
    """All numbers up to and including `upto` are settled; `missing` are holes above it that are overdue, inclusive.

    `next` is one above the highest number the ledger knows of; left out where that is `upto` + 1.
    """

    upto: int
    missing: list[tuple[int, int]] = []
    next: int = 0


class Stored(msgspec.Struct, frozen=True):
    """What the backbone's ledger has settled of one node; retained."""

    ledger: str
    spools: dict[str, SpoolSettled]


Lost = dict[str, list[tuple[int, int, str]]]
"""What a node can no longer send, by spool: first, last, reason. Retained until the ledger has passed it."""
SETTLED_BEFORE = "settled before"
"""The reason in `lost` for numbers that were settled under an earlier ledger and then removed from the node."""

A = TypeVar("A", NodeAbout, DeviceAbout)


def amended(about: DeviceAbout, serial: str, steps: list[str], units: dict[str, str]) -> DeviceAbout:
    """The same `about` of another instrument; `units` are those of quantities that its steps add."""
    return msgspec.structs.replace(about, serial=serial, steps=steps, units={**about.units, **units})


def revised(about: A, rev: int, since: str | None) -> A:
    """The same `about` with its revision."""
    return msgspec.structs.replace(about, rev=rev, since=since)


T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(message: msgspec.Struct) -> bytes:
    """JSON text of a payload. Callers keep NaN and infinities out: JSON has none, and they would become null."""
    return _encoder.encode(message)


def figures(message: msgspec.Struct) -> dict[str, float]:
    """The members of a payload that are plain numbers and fit into a float, by name."""
    values = ((name, getattr(message, name)) for name in message.__struct_fields__)
    return {name: float(value) for name, value in values if isinstance(value, int | float) and abs(value) < 1e300}


def encode_lost(declared: Lost) -> bytes:
    """JSON text of a `lost` message."""
    return _encoder.encode(declared)


def decode(kind: type[T], data: bytes) -> T:
    """A payload of the given type. Raises ValueError with the path of what does not fit."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(data)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
