"""Losses become events: at once the first time, then at most one a minute for each reason, with what came together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

EVERY_S = 60.0
_MOST_REASONS = 32


@dataclass(slots=True)
class _Sum:
    count: int
    first: int
    last: int


class LossEvents:
    """`tell(event, data)` records an event of the node; it returns False where there was no room for it."""

    def __init__(self, tell: Callable[[str, Mapping[str, object]], bool]) -> None:
        self._tell = tell
        self._sums: dict[str, _Sum] = {}
        self._has_some = asyncio.Event()

    def add(self, reason: str, first: int, last: int) -> None:
        """These numbers of the spool are lost. For Spool.on_loss."""
        count = last - first + 1
        found = self._sums.get(reason)
        if found is not None:
            found.count, found.first, found.last = found.count + count, min(found.first, first), max(found.last, last)
        elif len(self._sums) < _MOST_REASONS:
            self._sums[reason] = _Sum(count, first, last)
        self._has_some.set()

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            for reason, each in list(self._sums.items()):
                if self._tell("loss", {"reason": reason, "count": each.count, "first": each.first, "last": each.last}):
                    del self._sums[reason]
            await asyncio.sleep(EVERY_S)
            if self._sums:
                self._has_some.set()
