"""An outlet: where readings leave the node. Takes entries from the spool to one broker and settles what came back.

Every committed number is in exactly one of these places:

    live        fresh, goes out at once on its own topic      (bounded; what grows old moves to waiting)
    held        nobody knows its time yet                     (on disk; here only as ranges)
    waiting     goes out as backlog, in batches               (on disk; here only as ranges)
    open        handed to the broker, no answer yet           (bounded by the window)
    unconfirmed the broker has it, the ledger has not said so (confirm = "stored" only; ranges)
    settled     the spool's own record; may be forgotten

A lost connection moves what was open back to waiting: the messages are numbered, so a repeat is harmless.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.mqtt.link import Connection, Disconnected, LinkError, Message, PublishRefused
from gateway.spool.intervals import Intervals
from gateway.spool.spool import Spool
from gateway.wire import entry as wire
from gateway.wire.dating import UNDECIDED, Undecided
from gateway.wire.payload import Stored

log = logging.getLogger(__name__)

LIVE_BOUND = 2000
LIVE_AGE_S = 5.0
BATCH_BYTES = 64 * 1024
CHUNK_NUMBERS = 20_000
PACKET_OVERHEAD = 256
"""Room for topic, packet id and properties below the server's maximum packet size."""
REFUSED_PAUSE_S = 5.0

Ranges = list[tuple[int, int]]


class Times(Protocol):
    """Who knows under which time an entry is published."""

    def time_of(self, seq: int, entry: wire.Entry) -> str | Undecided | None:
        """Its time, None for never, or UNDECIDED: it must wait."""

    def on_decided(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever some of what was undecided no longer is."""


@dataclass(slots=True)
class OutletCounters:
    """What went out since the start; readings and events, not messages."""

    live: int = 0
    late: int = 0
    returned: int = 0
    """Taken back from a lost connection, to be sent again."""
    resent: int = 0
    """Sent again because the ledger misses them."""
    refused: dict[str, int] = field(default_factory=dict)


class Outlet:
    """Carries one spool to one broker. `use` serves one connection; everything else outlives connections."""

    def __init__(
        self,
        spool: Spool,
        name: str,
        *,
        root: str,
        node: str,
        confirm: Literal["stored", "broker"],
        now: Callable[[], float],
        times: Times,
        window: int = 500,
        late_window: int = 8,
        late_per_s: float = 0,
        resend_after_s: float = 60.0,
    ) -> None:
        self.counters = OutletCounters()
        self.stored_at: float | None = None
        """When the ledger last spoke, in seconds of `now`; None before it ever did."""
        self._spool, self._name, self._root, self._node, self._confirm = spool, name, root, node, confirm
        self._now, self._window, self._late_window = now, window, late_window
        self._late_per_s, self._resend_after_s = late_per_s, resend_after_s
        self._live: deque[tuple[float, int, bytes]] = deque()
        self._waiting = Intervals(spool.pending(name))
        self._held = Intervals()
        self._times = times
        self._open: dict[asyncio.Future[None], Ranges] = {}
        self._fresh: deque[tuple[float, Ranges]] = deque()
        """Acknowledged by the broker less than `resend_after_s` ago: the ledger may still be writing them."""
        self._overdue = Intervals()
        self._live_ready = asyncio.Event()
        self._late_ready = asyncio.Event()
        self._settled = asyncio.Event()
        self._paused_until = 0.0
        self._set_ready()
        spool.on_commit(self.offer)
        times.on_decided(self._let_go)

    # What the rest of the node asks.

    @property
    def unsettled(self) -> int:
        """Numbers committed and not yet settled, wherever they are."""
        waiting = len(self._live) + len(self._waiting) + len(self._held)
        return waiting + self._count(self._open.values()) + self.unconfirmed

    @property
    def held(self) -> int:
        """Numbers that wait for their time to be known."""
        return len(self._held)

    @property
    def unconfirmed(self) -> int:
        """Numbers the broker has taken and the ledger has not confirmed."""
        return len(self._overdue) + self._count(ranges for _, ranges in self._fresh)

    @staticmethod
    def _count(groups: Iterable[Ranges]) -> int:
        return sum(last - first + 1 for ranges in groups for first, last in ranges)

    async def drained(self) -> None:
        """Returns when nothing committed is unsettled."""
        while self.unsettled:
            self._settled.clear()
            await self._settled.wait()

    # From the spool.

    def offer(self, group: list[tuple[int, bytes]]) -> None:
        """Take a committed group: live while it is fresh, and on disk in any case, so that nothing here can lose it."""
        now = self._now()
        self._live.extend((now, seq, data) for seq, data in group)
        self._spill(now)
        self._set_ready()

    def _spill(self, now: float) -> None:
        live = self._live
        while live and (len(live) > LIVE_BOUND or now - live[0][0] > LIVE_AGE_S):
            self._waiting.add(live.popleft()[1])

    def _set_ready(self) -> None:
        if self._live:
            self._live_ready.set()
        if self._waiting:
            self._late_ready.set()

    def _let_go(self) -> None:
        """Look again at what was held; what is still undecided will be held again."""
        self._waiting.update(self._held)
        self._held = Intervals()
        self._set_ready()

    # To the broker.

    async def use(self, connection: Connection) -> None:
        """Publish over this connection until cancelled, which is what happens when it is lost."""
        room = max(2, connection.peer_receive_maximum)
        late_slots = asyncio.Semaphore(min(self._late_window, room // 2))
        live_slots = asyncio.Semaphore(max(1, min(self._window, room - min(self._late_window, room // 2))))
        limit = BATCH_BYTES
        if connection.peer_maximum_packet is not None:
            limit = min(limit, connection.peer_maximum_packet - PACKET_OVERHEAD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_live(connection, live_slots), name=f"outlet {self._name} live")
            group.create_task(self._send_late(connection, late_slots, limit), name=f"outlet {self._name} late")

    async def _send_live(self, connection: Connection, slots: asyncio.Semaphore) -> None:
        while True:
            await self._live_ready.wait()
            await self._pause()
            await slots.acquire()
            self._spill(self._now())
            if not self._live:
                self._live_ready.clear()
                self._set_ready()
                slots.release()
                continue
            _, seq, data = self._live.popleft()
            entry = wire.unpack(data)
            t = self._times.time_of(seq, entry)
            if t is UNDECIDED:
                self._held.add(seq)
                slots.release()
                continue
            topic, payload = wire.live_message(self._root, self._node, self._spool.id, seq, entry, t)
            self._publish(connection, slots, Message(topic, payload), [(seq, seq)])
            self.counters.live += 1

    async def _send_late(self, connection: Connection, slots: asyncio.Semaphore, limit: int) -> None:
        while True:
            await self._late_ready.wait()
            await self._pause()
            span = next(iter(self._waiting.ranges()), None)
            if span is None:
                self._late_ready.clear()
                continue
            first, last = span[0], min(span[1], span[0] + CHUNK_NUMBERS - 1)
            entries = await asyncio.to_thread(self._spool.read, first, last)
            done = entries[-1][0] if entries else last
            for message, seqs in self._batches(entries, limit):
                await slots.acquire()
                ranges = Intervals((seq, seq) for seq in seqs).ranges()
                for first_sent, last_sent in ranges:
                    self._waiting.remove(first_sent, last_sent)
                self._publish(connection, slots, message, ranges)
                self.counters.late += len(seqs)
                # Live readings go between two batches; a throttle also leaves the line to others.
                await asyncio.sleep(len(seqs) / self._late_per_s if self._late_per_s else 0)
            # What the spool no longer has between them is declared lost there; waiting for it would never end.
            self._forget(first, done, entries)

    def _forget(self, first: int, done: int, entries: list[tuple[int, bytes]]) -> None:
        held = Intervals((seq, seq) for seq, _ in entries)
        for gap_first, gap_last in held.missing(first, done):
            self._waiting.remove(gap_first, gap_last)

    def _batches(self, entries: list[tuple[int, bytes]], limit: int) -> Iterator[tuple[Message, list[int]]]:
        """Backlog messages of one class each, none above `limit` bytes unless a single reading is."""
        parts: dict[str, list[bytes]] = {}
        seqs: dict[str, list[int]] = {}
        sizes: dict[str, int] = {}
        for seq, data in entries:
            entry = wire.unpack(data)
            t = self._times.time_of(seq, entry)
            if t is UNDECIDED:
                self._waiting.remove(seq)
                self._held.add(seq)
                continue
            cls = entry.device_class
            part = wire.late_part(seq, entry, t)
            if cls not in parts:
                parts[cls], seqs[cls], sizes[cls] = [], [], PACKET_OVERHEAD
            elif sizes[cls] + len(part) > limit:
                yield self._batch(cls, parts[cls]), seqs[cls]
                parts[cls], seqs[cls], sizes[cls] = [], [], PACKET_OVERHEAD
            parts[cls].append(part)
            seqs[cls].append(seq)
            sizes[cls] += len(part) + 1
        for cls, rest in parts.items():
            yield self._batch(cls, rest), seqs[cls]

    def _batch(self, device_class: str, parts: list[bytes]) -> Message:
        return Message(*wire.late_message(self._root, self._node, device_class, self._spool.id, parts))

    def _publish(self, connection: Connection, slots: asyncio.Semaphore, message: Message, ranges: Ranges) -> None:
        future = connection.publish(message)
        self._open[future] = ranges

        def answered(done: asyncio.Future[None]) -> None:
            slots.release()
            self._answered(done)

        future.add_done_callback(answered)

    async def _pause(self) -> None:
        if (left := self._paused_until - self._now()) > 0:
            await asyncio.sleep(left)

    # What comes back.

    def _answered(self, future: asyncio.Future[None]) -> None:
        ranges = self._open.pop(future)
        error = Disconnected("cancelled") if future.cancelled() else future.exception()
        if error is None:
            if self._confirm == "broker":
                for first, last in ranges:
                    self._spool.settle(self._name, first, last)
                self._settled.set()
            else:
                self._fresh.append((self._now(), ranges))
            return
        for first, last in ranges:
            self._waiting.add(first, last)
        self.counters.returned += self._count([ranges])
        if isinstance(error, PublishRefused):
            # The broker said no (rights, quota, size). Asking again at once would only repeat it.
            self.counters.refused[error.name] = self.counters.refused.get(error.name, 0) + self._count([ranges])
            self._paused_until = self._now() + REFUSED_PAUSE_S
            log.warning("the broker refused a message of this node: %s", error)
        elif not isinstance(error, LinkError):
            log.error("publishing failed: %r", error)
        self._set_ready()

    def on_stored(self, stored: Stored) -> None:
        """The ledger's word: settle the prefix it has, send again what it misses and should have had by now."""
        self.stored_at = self._now()
        settled = stored.spools.get(self._spool.id)
        if settled is None or self._confirm != "stored":
            return
        upto = min(settled.upto, self._spool.next - 1)
        if upto >= self._spool.first:
            self._spool.settle(self._name, 1, upto)
            for place in (self._waiting, self._held, self._overdue):
                place.remove(1, upto)
        self._age(upto)
        self._settled.set()
        for first, last in settled.missing:
            for again in self._overlap(first, last):
                self._overdue.remove(*again)
                self._waiting.add(*again)
                self.counters.resent += self._count([[again]])
        self._set_ready()

    def _age(self, upto: int) -> None:
        """Move what was acknowledged long ago to overdue, and drop what is settled by now."""
        kept = deque[tuple[float, Ranges]]()
        for at, ranges in self._fresh:
            left = [(max(first, upto + 1), last) for first, last in ranges if last > upto]
            if left and self._now() - at < self._resend_after_s:
                kept.append((at, left))
            else:
                self._overdue.update(Intervals(left))
        self._fresh = kept

    def _overlap(self, first: int, last: int) -> Ranges:
        """The overdue numbers between first and last."""
        wanted = Intervals([(first, last)])
        for gap_first, gap_last in self._overdue.missing(first, last):
            wanted.remove(gap_first, gap_last)
        return wanted.ranges()
