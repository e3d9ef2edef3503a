"""Time as a parameter: what ports and stations ask of a clock, so that tests can own it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

SECOND_NS = 1_000_000_000


class Ticks(Protocol):
    """A clock that is never stepped."""

    def mono_ns(self) -> int:
        """Nanoseconds since some fixed instant."""

    async def sleep_until(self, mono_ns: int) -> None:
        """Return at or after the instant, at once when it has passed."""


class SystemTicks:
    """The system's monotonic clock."""

    def mono_ns(self) -> int:
        """See `Ticks`."""
        return time.monotonic_ns()

    async def sleep_until(self, mono_ns: int) -> None:
        """See `Ticks`."""
        if (left_ns := mono_ns - self.mono_ns()) > 0:
            await asyncio.sleep(left_ns / SECOND_NS)


def ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * SECOND_NS)


@asynccontextmanager
async def deadline(ticks: Ticks, mono_ns: int) -> AsyncIterator[None]:
    """Ends its body with TimeoutError at the instant, by whichever clock it is given."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        async def ring() -> None:
            await ticks.sleep_until(mono_ns)
            limit.reschedule(loop.time())

        bell = loop.create_task(ring(), name="deadline")
        try:
            yield
        finally:
            bell.cancel()
