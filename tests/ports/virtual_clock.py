"""A clock that moves when a test says so: every sleeper is woken at its own instant, in order."""

from __future__ import annotations

import asyncio
import heapq
import itertools

SETTLE_TURNS = 16


class VirtualClock:
    """What a station wants of a clock; wall time is monotonic time plus `wall_offset_ns`."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.wall_offset_ns = 1_700_000_000_000_000_000
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def mono_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.wall_offset_ns

    async def sleep_until(self, mono_ns: int) -> None:
        if mono_ns > self.now_ns:
            future = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (mono_ns, next(self._order), future))
            await future

    async def settle(self) -> None:
        """Let every task run until it waits for time or for bytes."""
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move on, waking sleepers one by one."""
        until_ns = self.now_ns + round(seconds * 1e9)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            mono_ns, _, future = heapq.heappop(self._sleepers)
            self.now_ns = max(self.now_ns, mono_ns)
            if not future.done():
                future.set_result(None)
                await self.settle()
        self.now_ns = until_ns
        await self.settle()

    def stall(self, seconds: float) -> None:
        """The machine was away: time passed and nobody was woken."""
        self.now_ns += round(seconds * 1e9)
