"""What is stored beside readings: events, which are accounted for like them, and states, health and descriptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from gateway.ingest.points import MAX_SEQ, Intake, Note, Origin, Reason, is_quantity
from gateway.wire import payload
from gateway.wire.times import SECOND

STATES = {"ok": 0, "silent": 1, "faulty": 2, "absent": 3}
"""The numbers under which device states are stored."""

_EVENT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NO_NAME = re.compile(r"[^a-z0-9]+")
_MEMBERS_BOUND = 32
_TEXT_BOUND = 256


def event_note(
    origin: Origin, spool: int, seq: int, at: int, is_dated: bool, name: str, data: Mapping[str, object]
) -> Note | Reason:
    """An event: finite numbers of its data become fields, the quantity it is about a tag, the rest stays text.

    A device's change of state has the states as numbers too: `state`, and `before` unless the node has just started.
    """
    if not _EVENT.fullmatch(name):
        return Reason.EVENT
    if not 1 <= seq < MAX_SEQ:
        return Reason.SEQ
    if len(data) > _MEMBERS_BOUND:
        return Reason.TOO_MANY
    fields: dict[str, float | int] = {}
    tags, text = {"event": name}, {}
    for key, value in data.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and is_quantity(key) and _fits(value):
            fields[key] = float(value)
        elif key == "quantity" and isinstance(value, str) and is_quantity(value):
            tags["quantity"] = value
        else:
            text[key] = value
    if name == "state":
        # Some databases keep no words, and the audit needs to know when a device was silent.
        words = (("state", data.get("to")), ("before", data.get("from")))
        fields |= {key: float(STATES[word]) for key, word in words if isinstance(word, str) and word in STATES}
    return Note("event", origin, at, fields, tags, text, seq, spool, is_dated)


def _fits(value: float) -> bool:
    try:
        return isfinite(float(value))
    except OverflowError:
        return False


def node_status_note(origin: Origin, status: payload.NodeStatus, now_at: int) -> Note:
    """Whether a node is online, at the moment it is learnt."""
    return Note("node_health", origin, now_at, {"online": int(status.state == "online")}, text={"site": status.site})


def health_notes(node: str, health: payload.Health, intake: Intake, now_at: int) -> list[Note]:
    """A node's own figures, and those of each of its devices: every number of its health, counts by reason, too."""
    at = _when(health.t, intake, now_at)
    fields = payload.figures(health) | _counts("refused", health.refused) | _reasons("lost", health.losses)
    text: dict[str, object] = {"losses": health.losses, "clock_doubt": health.clock_doubt, "link": health.link}
    notes = [Note("node_health", Origin(node, "", ""), at, fields, text=text)]
    for device, said in health.devices.items():
        counters = payload.figures(said) | _counts("rejected", said.rejected)
        notes.append(Note("node_health", Origin(node, "", device), at, counters, text={"rejected": said.rejected}))
    return notes


def _counts(name: str, counts: Mapping[str, int]) -> dict[str, float]:
    """All of them together, and each by its reason."""
    total = sum(counts.values())
    return ({name: float(total)} if _fits(total) else {}) | _reasons(name, counts)


def _reasons(name: str, counts: Mapping[str, int]) -> dict[str, float]:
    """`rejected_integrity`, `lost_spool_bound`: the first 32 reasons as fields."""
    slugs = ((_NO_NAME.sub("_", reason.lower()).strip("_"), count) for reason, count in counts.items())
    named = [(f"{name}_{slug}"[:64], float(count)) for slug, count in slugs if slug and _fits(count)]
    return {field: count for field, count in named[:_MEMBERS_BOUND] if is_quantity(field)}


def device_status_note(origin: Origin, status: payload.DeviceStatus, intake: Intake, now_at: int) -> Note:
    """A device's state as a number, since when it holds."""
    at = _when(status.since, intake, now_at)
    return Note("device_status", origin, at, {"state": STATES[status.state]}, text={"why": status.why[:_TEXT_BOUND]})


def about_note(origin: Origin, about: payload.NodeAbout | payload.DeviceAbout, intake: Intake, now_at: int) -> Note:
    """What a node or device is now: its numbers and its position as fields, the words as tags, all else as text."""
    fields: dict[str, float | int] = {"rev": about.rev}
    fields |= {key: value for key, value in about.position.items() if is_quantity(key) and isfinite(value)}
    text: dict[str, object] = {"name": about.name, "since": about.since}
    if isinstance(about, payload.NodeAbout):
        words = {"site": about.site, "version": about.version}
        text |= {"devices": about.devices}
    else:
        words = {"driver": about.driver, "model": about.model, "serial": about.serial, "method": about.method}
        words |= {"trust": about.trust}
        fields["period_s"] = about.period_s
        fields |= {f"duty_{key}": value for key, value in about.duty.items() if is_quantity(key) and isfinite(value)}
        text |= {"units": about.units, "steps": about.steps}
    since_at = None if about.since is None else intake.time(about.since)
    if isinstance(since_at, int):
        fields["since_s"] = since_at / SECOND
    tags = {key: word[:_TEXT_BOUND] for key, word in words.items() if word}
    return Note("about", origin, now_at, fields, tags, text)


def _when(t: str | None, intake: Intake, now_at: int) -> int:
    """The time a message gives itself, where it can be stored under it; else now."""
    at = now_at if t is None else intake.time(t)
    return now_at if isinstance(at, Reason) else at
