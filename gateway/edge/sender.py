"""Messages on their way to the broker, and what each answer means for the numbers in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.edge.backlog import Ranges
from gateway.edge.confirmation import Confirm, Confirmation
from gateway.edge.pace import LEAST_BYTES, Pace, Refusals
from gateway.edge.unsettled import SLOW_S, Unsettled
from gateway.mqtt.errors import PACKET_TOO_LARGE
from gateway.mqtt.link import Connection, Disconnected, LinkError, Message, PublishRefused
from gateway.spool.spool import Spool

log = logging.getLogger(__name__)

BATCH_BYTES = 64 * 1024
UNREADABLE, TOO_LARGE = "unreadable", "too large"
_LEAST_CAREFUL = 64
_MOST_FAILURES = 8


@dataclass(slots=True)
class OutletCounters:
    """What went out since the start; readings and events, not messages."""

    live: int = 0
    late: int = 0
    returned: int = 0
    """Taken back from a lost connection, to be sent again."""
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Open:
    """A message on its way; `renewals`: how often numbers had got other names when it was made."""

    topic: str
    ranges: Ranges
    size: int
    sent_at: float
    is_late: bool
    renewals: int


class Sender:
    """Publishes claimed numbers and books the answers. `on_answer` is called after each; `now` is monotonic seconds."""

    def __init__(
        self,
        spool: Spool,
        numbers: Unsettled,
        word: Confirmation,
        name: str,
        confirm: Confirm,
        now: Callable[[], float],
        on_answer: Callable[[], None],
    ) -> None:
        self.counters = OutletCounters()
        self.refusals = Refusals()
        self.pace = Pace(1)
        self._spool, self._numbers, self._word, self._name, self._confirm = spool, numbers, word, name, confirm
        self._now, self._on_answer = now, on_answer
        self._open: dict[asyncio.Future[None], _Open] = {}
        self._connection: Connection | None = None
        self._most_late = 1
        self._most_bytes = BATCH_BYTES
        """How large a batch the broker takes."""
        self._careful_bytes = BATCH_BYTES
        """Less where connections end while a batch is on its way: something we send may be what ends them."""
        self._lost: list[_Open] = []
        """Batches that were on their way when the last connection ended."""
        self._has_answer = False
        self._failures = 0

    @property
    def limit(self) -> int:
        """How large a batch may be now, in bytes."""
        return min(self._most_bytes, self._careful_bytes, max(LEAST_BYTES, self.pace.budget))

    @property
    def unanswered_s(self) -> float:
        """How long the oldest message on its way has waited for its answer; 0 where there is none."""
        oldest = next(iter(self._open.values()), None)
        return 0.0 if oldest is None else self._now() - oldest.sent_at

    def connected(self, connection: Connection, most_late: int) -> None:
        """From now on over this connection, with so many batches on their way at most."""
        self._connection = connection
        self._judge()
        most_bytes = connection.peer_maximum_packet
        self._most_bytes = BATCH_BYTES if most_bytes is None else min(BATCH_BYTES, most_bytes)
        self._most_late = most_late
        self._be_careful(self._careful_bytes)

    def _be_careful(self, size: int) -> None:
        """Batches of at most this size; one at a time while that is less than usual."""
        self._careful_bytes = max(_LEAST_CAREFUL, min(BATCH_BYTES, size))
        self.pace.most = self._most_late if self._careful_bytes == BATCH_BYTES else 1

    def _judge(self) -> None:
        """Where connections end again and again without an answer, smaller batches find out which entry ends them."""
        lost, self._lost, has_answer, self._has_answer = self._lost, [], self._has_answer, False
        if has_answer or not lost:
            return
        self._careful_bytes //= 4
        self._failures += 1
        if self._failures < _MOST_FAILURES or len(lost) > 1 or _count(lost[0].ranges) > 1:
            return
        number = lost[0].ranges[0][0]
        log.warning("entry %d ends every connection it is sent over; it is left out for an hour", number)
        self._numbers.set_aside(number, number, self._now() + SLOW_S)
        self._word.tell("send-failing", {"count": 1})

    def publish(self, message: Message, ranges: Ranges, *, is_late: bool) -> asyncio.Future[None]:
        """Send claimed numbers; they are claimed no longer when the future is done."""
        assert self._connection is not None, "connected"
        size, count = len(message.payload), _count(ranges)
        opened = _Open(message.topic, ranges, size, self._now(), is_late, self._word.renewals)
        if is_late:
            self.pace.sent(size)
            self.counters.late += count
        else:
            self.counters.live += count
        future = self._connection.publish(message)
        self._open[future] = opened
        future.add_done_callback(self._answered)
        return future

    def never(self, ranges: Ranges, reason: str) -> None:
        """Claimed numbers that can never be sent are lost; with that they no longer keep others waiting."""
        self._numbers.drop(ranges)
        for first, last in ranges:
            log.warning("entries %d to %d can never be sent: %s", first, last, reason)
            self._spool.declare(first, last, reason)

    def _answered(self, future: asyncio.Future[None]) -> None:
        opened, now = self._open.pop(future), self._now()
        error = Disconnected("cancelled") if future.cancelled() else future.exception()
        is_lost = isinstance(error, Disconnected)
        if opened.is_late:
            self.pace.answered(opened.size, None if is_lost else now - opened.sent_at)
            if is_lost:
                self._lost.append(opened)
            else:
                self._failures, self._has_answer = 0, True
                if self._careful_bytes < BATCH_BYTES:
                    self._be_careful(2 * self._careful_bytes)
        if error is None:
            self._accepted(opened, now)
        elif isinstance(error, PublishRefused):
            self._refused(opened, error, now)
        else:
            if not isinstance(error, LinkError):
                log.error("publishing failed: %r", error)
            self._numbers.give_back(opened.ranges)
            self.counters.returned += _count(opened.ranges)
        self._on_answer()

    def _accepted(self, opened: _Open, now: float) -> None:
        self.refusals.accepted(opened.topic)
        self._word.taken()
        if opened.renewals != self._word.renewals:
            self._numbers.give_back(opened.ranges)
        elif self._confirm == "stored":
            self._numbers.taken(opened.ranges, now)
        else:
            self._numbers.drop(opened.ranges)
            for first, last in opened.ranges:
                self._spool.settle(self._name, first, last)

    def _refused(self, opened: _Open, error: PublishRefused, now: float) -> None:
        """The broker said no (rights, quota, size). Asking again at once would only repeat it."""
        count = _count(opened.ranges)
        self.counters.refused[error.name] = self.counters.refused.get(error.name, 0) + count
        if error.code == PACKET_TOO_LARGE:
            if count == 1:
                self.never(opened.ranges, TOO_LARGE)
            else:
                self._most_bytes = max(1, min(self._most_bytes, opened.size) // 2)
                self._numbers.give_back(opened.ranges)
            return
        if self.refusals.until(opened.topic, now) is None:
            log.warning("the broker refuses readings: %s", error)
        until = self.refusals.refused(opened.topic, now)
        if opened.is_late:
            self._numbers.hold(opened.ranges, until, now)
        else:
            self._numbers.give_back(opened.ranges)


def _count(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)
