"""How fast an outlet may go: bytes of backlog on the way at once, and topics the broker refuses."""

from __future__ import annotations

import asyncio

LEAST_BYTES = 4096
_FIRST_BYTES = 128 << 10
_MOST_BYTES = 1 << 20
_SLOW_S, _FAST_S = 0.5, 0.1
_PAUSE_S, _MOST_PAUSE_S = 5.0, 300.0
_MOST_TOPICS = 1000


class Pace:
    """Backlog on its way, bounded so that a live reading never waits behind more than about half a second of it.

    `budget` bytes are learnt from how long answers take: it grows while they are quick and halves when they are slow.
    """

    def __init__(self, most_messages: int) -> None:
        self.budget = _FIRST_BYTES
        self.most = most_messages
        self._bytes = self._messages = 0
        self._changed = asyncio.Event()

    async def room(self, size: int) -> None:
        """Returns when a message of that size may be sent; the first one always may."""
        while self._messages and (self._bytes + size > self.budget or self._messages >= self.most):
            self._changed.clear()
            await self._changed.wait()

    def sent(self, size: int) -> None:
        """It is on its way."""
        self._bytes += size
        self._messages += 1

    def answered(self, size: int, took_s: float | None) -> None:
        """It was answered after `took_s`; None: its connection was lost."""
        if took_s is None or took_s > _SLOW_S:
            self.budget = max(LEAST_BYTES, self.budget // 2)
        elif took_s < _FAST_S:
            self.budget = min(_MOST_BYTES, self.budget + size)
        self._bytes -= size
        self._messages -= 1
        self._changed.set()


class Refusals:
    """Topics on which the broker said no: left alone for 5 s, then twice as long each time, at most 5 minutes.

    What is refused on one topic holds up no other.
    """

    def __init__(self) -> None:
        self._topics: dict[str, tuple[float, float]] = {}

    def until(self, topic: str, now: float) -> float | None:
        """When the topic may be tried again; None for now."""
        said = self._topics.get(topic)
        return said[0] if said is not None and said[0] > now else None

    def refused(self, topic: str, now: float) -> float:
        """The broker refused a message on it; when it may be tried again."""
        until, pause_s = self._topics.get(topic, (0.0, _PAUSE_S / 2))
        if until <= now:
            pause_s = min(_MOST_PAUSE_S, 2 * pause_s)
            until = now + pause_s
            if len(self._topics) >= _MOST_TOPICS and topic not in self._topics:
                self._topics.clear()
            self._topics[topic] = (until, pause_s)
        return until

    def accepted(self, topic: str) -> None:
        """The broker took a message on it."""
        if self._topics:
            self._topics.pop(topic, None)
