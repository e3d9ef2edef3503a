"""An outlet: where readings leave the node. Takes entries from the spool to one broker and settles what came back.

Live readings go first, each on its own topic; what waited goes as backlog, in batches, in the room they leave.
Where each number is: gateway.edge.unsettled. What the ledger's word changes: gateway.edge.confirmation.

A lost connection moves what was open back to waiting: the messages are numbered, so a repeat is harmless. A refused one
holds up its own topic, nothing else; an entry that can never be sent is declared lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.edge.backlog import Batch, Load, Loader, Times, runs
from gateway.edge.confirmation import Confirm, Confirmation
from gateway.edge.sender import UNREADABLE, Sender
from gateway.edge.unsettled import Unsettled
from gateway.mqtt.link import Connection, Message
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire import entry as wire
from gateway.wire.dating import UNDECIDED

log = logging.getLogger(__name__)

CHUNK_NUMBERS = 10_000
MOST_UNDATED = 64
_DISK_PAUSE_S = 5.0

InThread = Callable[..., Awaitable[Any]]


class Outlet:
    """Carries one spool to one broker. `use` serves one connection; everything else outlives connections.

    `now` is monotonic seconds. `window` bounds live messages on their way, `late_window` batches; `late_per_s` backlog
    readings a second, 0 without a bound.
    """

    def __init__(
        self,
        spool: Spool,
        eras: Eras,
        name: str,
        *,
        root: str,
        node: str,
        confirm: Confirm,
        now: Callable[[], float],
        times: Times,
        window: int = 500,
        late_window: int = 16,
        late_per_s: float = 0,
        resend_after_s: float = 60.0,
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        self.numbers = Unsettled(spool.pending(name), lambda first, last: spool.owed(name, first, last), resend_after_s)
        self.word = Confirmation(spool, eras, self.numbers, name, confirm, now)
        self._sender = Sender(spool, self.numbers, self.word, name, confirm, now, self._set_ready)
        self.counters = self._sender.counters
        self._spool, self._eras, self._name, self._root, self._node = spool, eras, name, root, node
        self._now, self._times = now, times
        self._window, self._late_window, self._late_per_s = window, late_window, late_per_s
        self._in_thread, self._loader = in_thread, Loader(spool, times, root, node)
        self._decided = 0
        """How often times became known."""
        self._live_ready, self._late_ready, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._set_ready()
        spool.on_commit(self._offer)
        spool.on_loss(self._lose)
        times.on_decided(self._date)
        self.word.on_change.append(self._set_ready)

    # What the rest of the node asks.

    @property
    def unsettled(self) -> int:
        """Numbers committed and not yet settled, wherever they are."""
        return len(self.numbers)

    @property
    def unanswered_s(self) -> float:
        """How long the broker has left the oldest message unanswered; 0 where there is none."""
        return self._sender.unanswered_s

    def undated(self) -> dict[str, list[tuple[int, int]]]:
        """Numbers that wait for their time, as they are called on the wire: the oldest 64 ranges."""
        found: dict[str, list[tuple[int, int]]] = {}
        for waiting in self.numbers.undated.ranges()[:MOST_UNDATED]:
            for id_, first, last in self._eras.names(*waiting):
                found.setdefault(id_, []).append((first, last))
        return found

    async def drained(self) -> None:
        """Returns when nothing committed is unsettled."""
        while self.unsettled:
            self._moved.clear()
            await self._moved.wait()

    # From the spool.

    def _offer(self, group: list[tuple[int, bytes]]) -> None:
        self.numbers.offer(group, self._now())
        self._set_ready()

    def _lose(self, reason: str, first: int, last: int) -> None:
        self.numbers.ended(first, last)
        self._set_ready()

    def _date(self) -> None:
        self._decided += 1
        self.numbers.dated()
        self._set_ready()

    def _set_ready(self) -> None:
        if self.numbers.live:
            self._live_ready.set()
        if self.numbers.waiting or self.numbers.held:
            self._late_ready.set()
        self._moved.set()

    # To the broker.

    async def check(self) -> bool:
        """Returns when numbers may be published; True when some have other names than before."""
        return await self.word.check()

    async def use(self, connection: Connection) -> None:
        """Publish over this connection until cancelled, which is what happens when it is lost.

        Returns when numbers must get other names: `check` does that, and then it may go on.
        """
        room = max(2, connection.peer_receive_maximum)
        late = min(self._late_window, room // 2)
        live_slots = asyncio.Semaphore(max(1, min(self._window, room - late)))
        self._sender.connected(connection, late)
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._send_live(live_slots), name=f"outlet {self._name} live"),
                group.create_task(self._send_late(), name=f"outlet {self._name} late"),
            )
            await self.word.doubt.wait()
            for task in tasks:
                task.cancel()

    async def _send_live(self, slots: asyncio.Semaphore) -> None:
        while True:
            await self._live_ready.wait()
            await slots.acquire()
            found = self.numbers.next_live(self._now())
            if found is None:
                self._live_ready.clear()
                self._set_ready()
                slots.release()
                continue
            message = self._live_message(*found)
            if message is None:
                self._set_ready()
                slots.release()
                continue
            future = self._sender.publish(message, [(found[0], found[0])], is_late=False)
            future.add_done_callback(lambda _: slots.release())

    def _live_message(self, number: int, data: bytes) -> Message | None:
        """The message of a claimed number; None where it is not to be sent now and has gone elsewhere."""
        claimed = [(number, number)]
        try:
            entry = wire.unpack(data)
        except ValueError as error:
            log.warning("entry %d: %s", number, error)
            self._sender.never(claimed, UNREADABLE)
            return None
        t = self._times.time_of(number, entry)
        if t is UNDECIDED:
            self.numbers.date_later(claimed)
            return None
        if entry.is_past:
            self.numbers.give_back(claimed)  # late it is in any case
            return None
        era = self._eras.of(number)
        message = Message(*wire.live_message(self._root, self._node, era.id, number - era.base, entry, t))
        if self._sender.refusals.until(message.topic, self._now()) is not None:
            self.numbers.give_back(claimed)
            return None
        return message

    async def _send_late(self) -> None:
        while True:
            due = self.numbers.release(self._now())
            lowest = self.numbers.waiting.lowest()
            if lowest is None:
                self._late_ready.clear()
                try:
                    async with asyncio.timeout(None if due is None else max(0.0, due - self._now())):
                        await self._late_ready.wait()
                except TimeoutError:
                    pass
                continue
            era = self._eras.of(lowest[0])
            most = CHUNK_NUMBERS if era.end is None else min(CHUNK_NUMBERS, era.end - lowest[0] + 1)
            span = self.numbers.claim(most)
            assert span is not None, "something waits"
            await self._send_span(*span)

    async def _send_span(self, first: int, last: int) -> None:
        """Send claimed numbers; whatever happens, none of them stays claimed without being on its way."""
        limit, decided = self._sender.limit, self._decided
        load, sent = Load(first - 1), 0
        try:
            load = await self._in_thread(self._loader.load, first, last, self._eras.of(first), limit)
            self._sort_out(load, decided)
            for batch in load.batches:
                await self._send_batch(batch)
                sent += 1
                # Live readings go between two batches; a throttle also leaves the line to others.
                await asyncio.sleep(len(batch.numbers) / self._late_per_s if self._late_per_s else 0)
        except OSError as error:
            log.warning("cannot read the spool: %s", error)
            await asyncio.sleep(_DISK_PAUSE_S)
        finally:
            left = [each for batch in load.batches[sent:] for each in runs(batch.numbers)]
            if load.last < last:
                left.append((load.last + 1, last))
            self.numbers.give_back(left)

    def _sort_out(self, load: Load, decided: int) -> None:
        # What the spool no longer has it declares lost itself; waiting for it would never end.
        self.numbers.drop(load.absent)
        if load.unreadable:
            self._sender.never(runs(load.unreadable), UNREADABLE)
        if load.undated:
            is_news = self._decided != decided  # decided while it was read
            (self.numbers.give_back if is_news else self.numbers.date_later)(runs(load.undated))

    async def _send_batch(self, batch: Batch) -> None:
        await self._sender.pace.room(len(batch.payload))
        ranges, now = runs(batch.numbers), self._now()
        until = self._sender.refusals.until(batch.topic, now)
        if until is not None:
            self.numbers.hold(ranges, until, now)
            return
        self._sender.publish(Message(batch.topic, batch.payload), ranges, is_late=True)
