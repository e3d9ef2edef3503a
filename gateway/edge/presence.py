"""Presence: birth and will of the node, what it and its devices are, and the state of each device. All retained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import gateway.wire.payload as wire
from gateway.edge.revisions import Revisions
from gateway.mqtt.link import Message
from gateway.wire.topics import alarm_topic, device_topic, node_topic


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the configuration says about the node."""

    id: str
    site: str
    version: str
    name: Mapping[str, str]
    position: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the configuration and the driver say about one device; `about` has no revision yet."""

    id: str
    device_class: str
    about: wire.DeviceAbout


class Presence:
    """Builds the retained messages; sending them is the caller's. `spools` gives first and next of each spool held.

    `now` is the present, None while nobody knows it.
    """

    def __init__(
        self,
        root: str,
        node: NodeFacts,
        devices: Iterable[DeviceFacts],
        *,
        revisions: Revisions,
        now: Callable[[], str | None],
        spools: Callable[[], dict[str, wire.SpoolRange]],
    ) -> None:
        self._root, self._node, self._now, self.spools = root, node, now, spools
        self._devices = {device.id: device for device in devices}
        self._states: dict[str, wire.DeviceStatus] = {}
        self._alarms: dict[str, Message] = {}
        self._revisions = revisions
        self._abouts = self._revise()

    def _status(self, state: wire.NodeState) -> Message:
        node = self._node
        status = wire.NodeStatus(state, self._now(), node.site, node.version, self.spools())
        return Message(node_topic(self._root, node.id, "status"), wire.encode(status), 1, True)

    def _revise(self) -> list[Message]:
        """`about` of the node and of every device, with the revision that its content has."""
        node, now, revisions = self._node, self._now(), self._revisions
        self._has_begun = now is not None
        bare = wire.NodeAbout(
            0, None, node.site, dict(node.name), dict(node.position), sorted(self._devices), node.version
        )
        rev, since = revisions.revise("node", wire.encode(bare).decode(), now)
        topic = node_topic(self._root, node.id, "about")
        abouts = [Message(topic, wire.encode(wire.revised(bare, rev, since)), 1, True)]
        for device in self._devices.values():
            rev, since = revisions.revise(f"device {device.id}", wire.encode(device.about).decode(), now)
            about = wire.revised(device.about, rev, since)
            topic = device_topic(self._root, node.id, device.device_class, device.id, "about")
            abouts.append(Message(topic, wire.encode(about), 1, True))
        return abouts

    def will(self) -> Message:
        """What the broker says when this node is gone without a word. Its `next` is a lower bound."""
        return self._status("offline")

    def farewell(self) -> Message:
        """What the node itself says when it stops in order."""
        return self._status("offline")

    def online(self) -> Message:
        """What the node says when it comes, and when it holds other spools than before."""
        return self._status("online")

    def lost(self, declared: wire.Lost) -> Message:
        """What the node can no longer send; empty, so that the broker forgets it, where there is nothing."""
        payload = wire.encode_lost(declared) if declared else b""
        return Message(node_topic(self._root, self._node.id, "lost"), payload, 1, True)

    def birth(self) -> list[Message]:
        """Everything that must stand on the broker after a connect."""
        if not self._has_begun:  # at the start nobody knew since when it holds
            self._abouts = self._revise()
        states = (self._state(device) for device in self._states)
        return [self.online(), *self._abouts, *states, *self._alarms.values()]

    def _state(self, device: str) -> Message:
        topic = device_topic(self._root, self._node.id, self._devices[device].device_class, device, "status")
        return Message(topic, wire.encode(self._states[device]), 1, True)

    def alarm(self, device_class: str, device: str, rule: str, said: wire.Alarm | None) -> Message:
        """Note the last change of an alarm, None where its rule has gone; the message that says so."""
        topic = alarm_topic(self._root, self._node.id, device_class, device, rule)
        message = self._alarms[topic] = Message(topic, b"" if said is None else wire.encode(said), 1, True)
        return message

    def amend(self, device: str, serial: str, steps: list[str], units: dict[str, str]) -> Message:
        """Another instrument stands in for this one; the message that says so."""
        facts = self._devices[device]
        self._devices[device] = replace(facts, about=wire.amended(facts.about, serial, steps, units))
        self._abouts = self._revise()
        topic = device_topic(self._root, self._node.id, facts.device_class, device, "about")
        return next(message for message in self._abouts if message.topic == topic)

    def changed(self, device: str, state: wire.DeviceState, why: str, reason: str = "") -> Message:
        """Note a device's new state; the message that says so."""
        self._states[device] = wire.DeviceStatus(state, self._now(), why, reason)
        return self._state(device)
