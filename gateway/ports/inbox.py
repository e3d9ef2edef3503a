"""Bytes between the event loop, which takes them from the system, and the one task that reads them."""

from __future__ import annotations

import asyncio

BOUND = 64 * 1024


class Inbox:
    """A bounded buffer with one reader. When it is full the oldest bytes give way, and `overflowed` counts them."""

    def __init__(self, bound: int = BOUND) -> None:
        self.overflowed = 0
        self._bound = bound
        self._held = bytearray()
        self._end: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, data: bytes) -> None:
        """Add bytes and wake the reader."""
        self._held += data
        excess = len(self._held) - self._bound
        if excess > 0:
            del self._held[:excess]
            self.overflowed += excess
        self._wake()

    def end(self, error: Exception) -> None:
        """No more will come: `take` raises `error` when the rest is read. The first error stands."""
        if self._end is None:
            self._end = error
        self._wake()

    async def take(self) -> bytes:
        """All bytes held, waiting for at least one. Raises the error of `end`; RuntimeError for a second reader."""
        while not self._held:
            if self._end is not None:
                raise self._end.with_traceback(None)
            if self._waiter is not None:
                raise RuntimeError("two tasks read one port")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = bytes(self._held)
        self._held.clear()
        return data

    def clear(self) -> int:
        """Throw away what is held; returns how many bytes."""
        count = len(self._held)
        self._held.clear()
        return count

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
