"""Between a database's yes and its disk: batches wait in groups until it can be seen that they survived.

    written → waits `durable_after_s` → the database's process is the same, and the last point is read back → settled

Where the last point is not there, all are looked for, and what is not there is gone. Where the database was restarted,
that is done at once for all that its earlier life took; what is there waits once more, now as the new life's, because
nobody can tell whether it came from the disk or was just sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from gateway.ingest.groups import Group, Numbers, add_spans, common, merge, without
from gateway.ingest.messages import Part
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks.base import Sink, Unavailable

GROUP_S = 1.0
"""Batches written within this share one look at whether they survived."""
MOST_GROUPS = 300
"""So many, beside those that need only time, may wait for a database that takes batches and does not show them."""
_PAUSE_S = 0.25


class Durability:
    """What the sink said yes to and may yet forget. Its three results are taken by the caller, who empties them."""

    def __init__(self, sink: Sink, in_sink: Executor, on_state: Callable[[str, str, str], None]) -> None:
        self.settled: Numbers = {}
        """Is durable."""
        self.doubted: Numbers = {}
        """Nobody can tell any more: these numbers exist, and the nodes send them again when they are missed."""
        self.gone: Numbers = {}
        """Was read back, and is not there."""
        self.groups: list[Group] = []
        self._sink, self._in_sink, self._on_state = sink, in_sink, on_state
        self._is_open = False

    def wants_mark(self) -> bool:
        """True when the next batch begins a group, whose database life must be known before it is written."""
        return self._sink.durable_after_s > 0 and not (
            self._is_open and time.monotonic() - self.groups[-1].opened_mono < GROUP_S
        )

    def end_group(self) -> None:
        """A write failed: the database may have restarted, so nothing more may join the present group."""
        self._is_open = False

    def written(
        self, numbers: Numbers, parts: Sequence[Part], last: Point | Note | None, mark: str | None, is_marked: bool
    ) -> None:
        """The sink said yes to these numbers, which came in these parts and end with `last`."""
        if self._sink.durable_after_s == 0 or last is None:
            merge(self.settled, numbers)
            return
        now_mono = time.monotonic()
        if is_marked or not self._is_open:
            self.groups.append(Group(mark, now_mono, now_mono, last))
            if len(self.groups) > MOST_GROUPS + 2 * self._sink.durable_after_s:
                merge(self.doubted, self.groups.pop(0).numbers)
        group = self.groups[-1]
        group.written_mono, group.last = now_mono, last
        merge(group.numbers, numbers)
        if group.mark is not None:
            add_spans(group.spans, parts)
        # Where the database's life has no name, a look can only vouch for the batch it looks at.
        self._is_open = group.mark is not None

    def under_way(self) -> list[tuple[str, str, int]]:
        """Node, spool and highest number of what is written and not durable yet: a node must not give it again."""
        return [(*key, each.ranges()[-1][1]) for group in self.groups for key, each in group.numbers.items() if each]

    async def look(self) -> None:
        """See what has become of those that have waited long enough, or whose database was restarted since."""
        while self.groups:
            group = self.groups[0]
            is_due = time.monotonic() - group.written_mono >= self._sink.durable_after_s
            if not is_due and not self._is_of_earlier_life(group):
                return
            try:
                is_there = await asyncio.get_running_loop().run_in_executor(self._in_sink, self._confirm, group)
                if not is_there and group.mark is not None:
                    await self._read_back(group)
                    continue
            except Unavailable as error:
                self._on_state("sink", "unconfirmed", error.why)
                await asyncio.sleep(_PAUSE_S)
                return
            if self.groups[0] is not group:
                continue  # there were too many meanwhile, and it was given up
            merge(self.settled if is_there else self.doubted, group.numbers)
            self._remove([group])

    def _is_of_earlier_life(self, group: Group) -> bool:
        newest = self.groups[-1].mark
        return group.mark is not None and newest is not None and group.mark != newest

    def _confirm(self, group: Group) -> bool:
        if group.last is None:
            return self._sink.mark() == group.mark
        return self._sink.confirm(group.mark, group.last)

    async def _read_back(self, group: Group) -> None:
        """Its last point is not there, or its life is over: look for every number of it, or of all of that life."""
        loop = asyncio.get_running_loop()
        present = await loop.run_in_executor(self._in_sink, self._sink.mark)
        is_over = present != group.mark
        old = [each for each in self.groups if each.mark == group.mark] if is_over else [group]
        spans = [span for each in old for span in each.all_spans()]
        held = await loop.run_in_executor(self._in_sink, self._sink.held, spans)
        old = [each for each in old if any(each is other for other in self.groups)]
        numbers: Numbers = {}
        for each in old:
            merge(numbers, each.numbers)
        self._remove(old)
        if held is None:
            merge(self.doubted, numbers)
            return
        seen = common(numbers, held)
        # What was sent again meanwhile is waited for where it belongs.
        merge(self.gone, without(numbers, [seen, *(each.numbers for each in self.groups)]))
        if not is_over:
            merge(self.settled, seen)
        elif seen:
            now_mono = time.monotonic()
            again = Group(present, now_mono, now_mono, None, seen)
            for each in old:
                again.take_spans(each)
            self.groups.insert(len(self.groups) - self._is_open, again)

    def _remove(self, done: Sequence[Group]) -> None:
        self.groups = [group for group in self.groups if not any(group is each for each in done)]
        if not self.groups:
            self._is_open = False
