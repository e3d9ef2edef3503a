"""One confirming ingest a root: who holds the retained topic `<root>/ingest` confirms, and nobody else.

    {"state":"online","instance":"5f0c…","since":1774000000000000000,"ledger":"4be1…"}     retained; will: "offline"
    {"state":"claim","instance":"77aa…"}                                                   a question, not retained

The topic has one level below the root, so no node's id can collide with it. An ingest holds it on a connection of its
own, under a name nobody else has: it can answer however long the database keeps the readings waiting, and a second
ingest with the same client id throws nobody out. Before it says online it claims, and one that lives answers by
publishing its state again. No answer: what is retained is left from a dead one.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.mqtt.link import Broker, Connection, Message, stay_connected

ANSWER_WITHIN_S = 3.0
ECHO_WITHIN_S = 10.0


class AnotherIngest(Exception):
    """Another confirming ingest is online for this root; the message says since when, and what to do."""


def lock_topic(root: str) -> str:
    """Where a confirming ingest says that it is there."""
    return f"{root}/ingest"


@dataclass(frozen=True, slots=True)
class Presence:
    """This ingest's claim to confirm for a root."""

    root: str
    ledger: str
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    since: int = field(default_factory=time.time_ns)

    def online(self) -> Message:
        """Says that it is there."""
        return self._message("online", retain=True)

    def will(self) -> Message:
        """What the broker says when it is gone."""
        return self._message("offline", retain=True)

    def claim(self) -> Message:
        """Asks whether anyone is there."""
        return self._message("claim", retain=False)

    def answer(self, payload: bytes) -> Message | None:
        """What to publish upon a message on the lock's topic. Raises AnotherIngest when the other one has precedence.

        The elder stays: two that start in the same moment agree on it without another word.
        """
        said = _parse(payload)
        if said is None or (said["instance"] == self.instance and said["state"] != "offline"):
            return None
        if said["state"] == "online" and (said["since"], said["instance"]) < (self.since, self.instance):
            raise AnotherIngest(_explain(self.root, said))
        return self.online()

    def _message(self, state: str, *, retain: bool) -> Message:
        said = {"state": state, "instance": self.instance, "since": self.since, "ledger": self.ledger}
        return Message(lock_topic(self.root), json.dumps(said, separators=(",", ":")).encode(), 1, retain)


async def hold(
    presence: Presence, broker: Broker, is_alone: asyncio.Event, on_state: Callable[[str, str], None]
) -> None:
    """Keeps saying that this ingest is there; sets `is_alone` once nobody else answered. Waits for the broker for ever.

    Raises AnotherIngest when another one has precedence, now or later.
    """

    async def use(connection: Connection) -> None:
        if not is_alone.is_set():
            await _ask(presence, connection)
        # Said before it is heard: what a dead one left retained is gone, and a living one answers.
        await connection.publish(presence.online())
        await connection.subscribe(lock_topic(presence.root))
        is_alone.set()
        while True:
            for message in await connection.receive():
                connection.ack(message.token)
                answer = presence.answer(message.payload)
                if answer is not None:
                    await connection.publish(answer)

    own = replace(broker, client_id=f"{broker.client_id}-{presence.instance}", session_expiry_s=0)
    await stay_connected(own, presence.will, use, on_state=on_state)


async def _ask(presence: Presence, connection: Connection) -> None:
    await connection.subscribe(lock_topic(presence.root))
    await connection.publish(presence.claim())
    retained: dict[str, object] | None = None
    deadline = time.monotonic() + ECHO_WITHIN_S
    while True:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                messages = await connection.receive()
        except TimeoutError:
            if retained is not None:
                return  # it says online, and nobody answers to it
            raise
        for message in messages:
            connection.ack(message.token)
            said = _parse(message.payload)
            if said is None:
                continue
            if said["instance"] == presence.instance:
                # Our own question comes back: what is retained came before it.
                if retained is None:
                    return
                deadline = time.monotonic() + ANSWER_WITHIN_S
            elif said["state"] == "online" and not message.retain:
                raise AnotherIngest(_explain(presence.root, said))
            elif said["state"] == "online":
                retained = said
            else:
                retained = None


def _parse(payload: bytes) -> dict[str, object] | None:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("instance"), str):
        return None
    return said if isinstance(said.get("since"), int) and said.get("state") in ("online", "offline", "claim") else None


def _explain(root: str, said: dict[str, object]) -> str:
    since = said["since"]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since / 1e9)) if isinstance(since, int) else "?"
    return (
        f"another ingest confirms for {root} since {when} (ledger {said.get('ledger')}): stop it first, or set "
        "confirms = false here"
    )
