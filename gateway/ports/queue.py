"""Who has the line, and who is next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Queue:
    """A lock that is given to waiters in their order, those who came by `first` before all others."""

    def __init__(self) -> None:
        self._is_held = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._preferred: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def last(self) -> AsyncIterator[None]:
        """Wait behind everybody."""
        await self._acquire(self._waiting)
        try:
            yield
        finally:
            self._release()

    @asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """Wait only for who has it, and for others of this kind."""
        await self._acquire(self._preferred)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, row: deque[asyncio.Future[None]]) -> None:
        if not self._is_held:
            self._is_held = True
            return
        waiter = asyncio.get_running_loop().create_future()
        row.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was given to us in the same moment
                self._release()
            raise

    def _release(self) -> None:
        """Hand it to the next, without letting go of it in between."""
        for row in (self._preferred, self._waiting):
            while row:
                waiter = row.popleft()
                if not waiter.done():  # one that was cancelled is in its row until its turn comes
                    waiter.set_result(None)
                    return
        self._is_held = False
