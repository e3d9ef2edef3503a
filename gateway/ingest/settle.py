"""From a sink's yes to `stored`: waits until it is durable, commits it to the ledger, tells the nodes.

Everything the ledger hears goes through here in the order it came; the ledger is used in one thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from gateway.ingest.counters import Counters
from gateway.ingest.durable import Durability
from gateway.ingest.groups import Numbers, add_numbers, last_numbered
from gateway.ingest.ledger import BEFORE, LOST, PARKED, Ledger, LedgerError
from gateway.ingest.messages import Part
from gateway.ingest.parked import Refused
from gateway.ingest.sinks.base import Sink
from gateway.mqtt.link import Connection, Message
from gateway.spool.intervals import Intervals
from gateway.wire import payload
from gateway.wire.topics import node_topic

GONE_AFTER_S = 86_400.0
_TICK_S = 0.25
_SWEEP_AT_MOST_S = 10.0
_PUBLISH_TIMEOUT_S = 10.0


class Settler:
    """The task between sink and ledger. `grace_s` is how long a hole may be open before it is called missing."""

    def __init__(
        self,
        *,
        root: str,
        ledger: Ledger,
        sink: Sink,
        confirms: bool,
        grace_s: float,
        publish_every_s: float,
        counters: Counters,
        in_ledger: Executor,
        in_sink: Executor,
        on_state: Callable[[str, str, str], None],
    ) -> None:
        self._root = root
        self._ledger = ledger
        self._sink = sink
        self._confirms = confirms
        self._grace_s = grace_s
        self._publish_every_s = publish_every_s
        self._counters = counters
        self._in_ledger = in_ledger
        self._on_state = on_state
        self._connection: Connection | None = None
        self._durability = Durability(sink, in_sink, on_state)
        self._heard: list[Part] = []
        self._parked: list[Refused] = []
        self._wake = asyncio.Event()
        self._nodes_due: dict[str, float] = {}
        self._told: dict[str, bytes] = {}
        self._is_ledger_well = True
        self._is_sweep_due = False
        # Holes come of age without anything else happening.
        self._sweep_every_s = min(_SWEEP_AT_MOST_S, grace_s)

    def connected(self, connection: Connection) -> None:
        """A new connection: every node is told anew."""
        self._connection = connection
        self._told.clear()
        self._is_sweep_due = True
        self._wake.set()

    def wants_mark(self) -> bool:
        """True when the database's life must be known before the next batch is written."""
        return self._durability.wants_mark()

    def end_group(self) -> None:
        """A write failed."""
        self._durability.end_group()

    def written(self, parts: list[Part], refused: list[Refused], mark: str | None, is_marked: bool) -> None:
        """The sink said yes to the parts' points but those refused, which are parked durably by now."""
        out = {(one.node, one.spool, one.seq) for one in refused if one.seq}
        numbers: Numbers = {}
        for part in parts:
            if part.spool:
                add_numbers(numbers.setdefault((part.node, part.spool), Intervals()), part, out)
            if part.holds or part.lost or part.waits is not None:
                self._heard.append(part)
        self._parked += [one for one in refused if one.seq]
        self._durability.written(numbers, parts, last_numbered(parts, out), mark, is_marked)
        self._wake.set()

    async def run(self) -> None:
        """Settles, commits and tells, for ever."""
        sweep_mono = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(
                    _TICK_S if self._durability.groups or self._nodes_due else self._sweep_every_s
                ):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self._durability.look()
            is_sweep = self._is_sweep_due or time.monotonic() - sweep_mono >= self._sweep_every_s
            if is_sweep:
                sweep_mono, self._is_sweep_due = time.monotonic(), False
            await self._commit(is_sweep)
            await self._tell()

    async def _commit(self, is_sweep: bool) -> None:
        """Everything heard goes into the ledger, and the ledger to disk; what cannot be written now is tried again."""
        become = self._durability
        work = become.settled, become.doubted, become.gone, self._heard, self._parked
        become.settled, become.doubted, become.gone, self._heard, self._parked = {}, {}, {}, [], []
        if not (any(work) or is_sweep or not self._is_ledger_well):
            return
        loop = asyncio.get_running_loop()
        touched, births = await loop.run_in_executor(self._in_ledger, self._enter, *work, is_sweep)
        try:
            await loop.run_in_executor(self._in_ledger, self._ledger.commit)
        except LedgerError as error:
            self._counters.ledger_failures += 1
            self._is_ledger_well = False
            self._on_state("ledger", "down", str(error))
        else:
            if not self._is_ledger_well:
                self._is_ledger_well = True
                self._is_sweep_due = True
                self._on_state("ledger", "up", "")
            self._counters.settled += sum(map(len, work[0].values()))
            self._counters.unconfirmed += sum(len(each) for numbers in work[1:3] for each in numbers.values())
        for node in touched:
            self._nodes_due.setdefault(node, 0.0)
        for node in births:
            self._told.pop(node, None)
            self._nodes_due[node] = 0.0

    def _enter(
        self,
        settled: Numbers,
        doubted: Numbers,
        gone: Numbers,
        heard: list[Part],
        parked: list[Refused],
        is_sweep: bool,
    ) -> tuple[set[str], set[str]]:
        """In the ledger's thread: the nodes that are touched, and those that were born."""
        ledger, now_at = self._ledger, time.time_ns()
        births = set()
        for part in heard:
            if part.holds:
                ledger.announce(part.node, part.holds, now_at, is_birth=part.is_birth)
            if part.is_birth:
                births.add(part.node)
            if part.waits is not None:
                ledger.wait(part.node, part.waits, now_at)
            for spool, first, last, reason in part.lost:
                state = BEFORE if reason == payload.SETTLED_BEFORE else LOST
                count = ledger.declare(part.node, spool, first, last, reason, state)
                self._counters.declared_lost += count * (state == LOST)
        for (node, spool), numbers in settled.items():
            ledger.settle(node, spool, numbers.ranges())
        for (node, spool), numbers in doubted.items():
            ledger.expect(node, spool, numbers.ranges()[-1][1])
        for (node, spool), numbers in gone.items():
            ledger.miss(node, spool, numbers.ranges())
        for one in parked:
            ledger.declare(one.node, one.spool, one.seq, one.seq, one.reason, PARKED)
        touched = (
            {node for node, _ in (*settled, *doubted, *gone)}
            | {part.node for part in heard}
            | {one.node for one in parked}
        )
        if is_sweep:
            ledger.close_gone(now_at, GONE_AFTER_S)
            touched |= set(ledger.nodes())
        return touched, births

    async def _tell(self) -> None:
        """Publish `stored` for the nodes that are due, where it says something new."""
        if not self._confirms:
            self._nodes_due.clear()
        if not self._is_ledger_well:
            return
        connection, now_mono = self._connection, time.monotonic()
        due = [node for node, due_mono in self._nodes_due.items() if due_mono <= now_mono]
        if connection is None or connection.why_lost is not None or not due:
            return
        loop = asyncio.get_running_loop()
        try:
            texts = await loop.run_in_executor(self._in_ledger, self._stored, due, self._durability.under_way())
        except LedgerError as error:
            self._is_ledger_well = False
            self._on_state("ledger", "down", str(error))
            return
        told = {}
        for node, text in texts.items():
            if self._told.get(node) == text:
                del self._nodes_due[node]
                continue
            self._nodes_due[node] = now_mono + self._publish_every_s
            told[node] = connection.publish(Message(node_topic(self._root, node, "stored"), text, 1, retain=True))
        if told:
            await asyncio.wait(told.values(), timeout=_PUBLISH_TIMEOUT_S)
        for node, future in told.items():
            if future.done() and future.exception() is None:
                self._told[node] = texts[node]
                self._counters.stored_published += 1
            else:
                self._counters.stored_refused += 1

    def _stored(self, nodes: list[str], under_way: list[tuple[str, str, int]]) -> dict[str, bytes]:
        """In the ledger's thread: what these nodes may be told, committed."""
        for each in under_way:
            self._ledger.expect(*each)
        grace_s = self._grace_s + self._sink.durable_after_s
        now_at = time.time_ns()
        texts = {node: payload.encode(self._ledger.stored(node, now_at, grace_s)) for node in nodes}
        self._ledger.commit()
        return texts
