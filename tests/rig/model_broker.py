"""A model of a broker: sessions, queues, retained messages, wills.

tests/faults/test_contract_of_brokers.py holds it to mosquitto. It is told what arrives and tells a `Peer` what it
sends; the network between is in model_link.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.mqtt.broker import Message


class Peer(Protocol):
    """The broker's end of one connection."""

    receive_maximum: int

    def deliver(self, packet_id: int, message: Message, *, is_retained: bool) -> None: ...
    def closed_by_broker(self) -> None: ...


@dataclass(slots=True)
class Session:
    """What the broker knows of one client. `open` was sent and not acknowledged, in order."""

    filters: set[str] = field(default_factory=set)
    queue: deque[Message] = field(default_factory=deque)
    open: dict[int, Message] = field(default_factory=dict)
    expiry_s: int = 0
    will: Message | None = None
    peer: Peer | None = None
    next_id: int = 1


class ModelBroker:
    """`on_publish` sees every message that arrives. Bounds as in mosquitto.conf; `is_persistent`: `stop` keeps all."""

    def __init__(self, *, is_persistent: bool = True, max_queued: int = 100_000, max_inflight: int = 1000) -> None:
        self.is_up = True
        self.dropped = 0
        """Messages for which a queue had no room."""
        self.on_publish: list[Callable[[Message], None]] = []
        self._is_persistent, self._max_queued, self._max_inflight = is_persistent, max_queued, max_inflight
        self._sessions: dict[str, Session] = {}
        self._retained: dict[str, Message] = {}
        self._saved: tuple[dict[str, Session], dict[str, Message]] = ({}, {})

    # Its life.

    def save(self) -> None:
        """What mosquitto does every half hour and at its end."""
        if self._is_persistent:
            kept = {name: _without_peer(each) for name, each in self._sessions.items() if each.expiry_s}
            self._saved = (copy.deepcopy(kept), dict(self._retained))

    def stop(self) -> None:
        """SIGTERM."""
        self._end()
        self.save()

    def kill(self) -> None:
        """SIGKILL: everything since the last `save` is forgotten."""
        self._end()
        if not self._is_persistent:
            self._saved = ({}, {})

    def start(self) -> None:
        """It finds what was saved."""
        sessions, retained = self._saved
        self._sessions, self._retained = copy.deepcopy(sessions), dict(retained)
        self.is_up = True

    def _end(self) -> None:
        self.is_up = False
        for session in list(self._sessions.values()):
            if session.peer is not None:
                # Its wills are not published: it is not the clients that are gone.
                peer, session.peer, session.will = session.peer, None, None
                peer.closed_by_broker()

    # What clients do.

    def connect(self, client: str, peer: Peer, *, expiry_s: int, will: Message | None) -> bool:
        """A client is there; True where its session was known. An older connection of its is closed."""
        session = self._sessions.get(client)
        if session is not None and session.peer is not None:
            session.peer.closed_by_broker()
            self.gone(client, session.peer, with_will=True)
            session = self._sessions.get(client)
        is_known = session is not None and expiry_s > 0
        if session is None or not is_known:
            session = self._sessions[client] = Session()
        session.peer, session.expiry_s, session.will = peer, expiry_s, will
        for packet_id, message in list(session.open.items()):
            peer.deliver(packet_id, message, is_retained=False)
        self._feed(session)
        return is_known

    def gone(self, client: str, peer: Peer, *, with_will: bool) -> None:
        """This connection is no more."""
        session = self._sessions.get(client)
        if session is None or session.peer is not peer:
            return
        will, session.peer, session.will = session.will, None, None
        if not session.expiry_s:
            del self._sessions[client]
        if with_will and will is not None:
            self.publish(will)

    def subscribe(self, client: str, filters: tuple[str, ...]) -> None:
        """Retained messages that match are sent."""
        session = self._sessions[client]
        session.filters.update(filters)
        for message in list(self._retained.values()):
            if any(matches(each, message.topic) for each in filters):
                self._offer(session, message, is_retained=True)

    def publish(self, message: Message) -> None:
        """Take a message; it is acknowledged when this returns."""
        for told in self.on_publish:
            told(message)
        if message.retain:
            if message.payload:
                self._retained[message.topic] = message
            else:
                self._retained.pop(message.topic, None)
        for session in list(self._sessions.values()):
            if any(matches(each, message.topic) for each in session.filters):
                self._offer(session, message, is_retained=False)

    def acknowledged(self, client: str, peer: Peer, packet_id: int) -> None:
        """The client has it."""
        session = self._sessions.get(client)
        if session is not None and session.peer is peer:
            session.open.pop(packet_id, None)
            self._feed(session)

    def _offer(self, session: Session, message: Message, *, is_retained: bool) -> None:
        if session.peer is not None and len(session.open) < self._window(session):
            self._send(session, message, is_retained)
        elif len(session.queue) < self._max_queued:
            session.queue.append(message)
        else:
            self.dropped += 1

    def _window(self, session: Session) -> int:
        assert session.peer is not None
        return min(self._max_inflight, session.peer.receive_maximum)

    def _feed(self, session: Session) -> None:
        while session.queue and session.peer is not None and len(session.open) < self._window(session):
            self._send(session, session.queue.popleft(), False)

    def _send(self, session: Session, message: Message, is_retained: bool) -> None:
        assert session.peer is not None
        packet_id = session.next_id
        session.next_id += 1
        session.open[packet_id] = message
        session.peer.deliver(packet_id, message, is_retained=is_retained)


def matches(filter: str, topic: str) -> bool:
    """Whether a topic filter with + and # matches."""
    if filter == topic:
        return True
    wanted, found = filter.split("/"), topic.split("/")
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(found) or level not in ("+", found[at]):
            return False
    return len(wanted) == len(found)


def _without_peer(session: Session) -> Session:
    return Session(session.filters, session.queue, session.open, session.expiry_s, None, None, session.next_id)
