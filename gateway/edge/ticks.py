"""Time as a parameter of a station, and where its periods end."""

from __future__ import annotations

from typing import Protocol

from gateway.ports.ticks import Ticks


class Clock(Ticks, Protocol):
    """Monotonic time for every interval, wall time only to date readings."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may be stepped."""


def next_end(start_ns: int, period_ns: int, now_ns: int) -> int:
    """The first instant after `now_ns` that lies a whole number of periods after `start_ns`.

    What was slept through is skipped: after a stall there is one late end, never a burst of them.
    """
    return start_ns + ((now_ns - start_ns) // period_ns + 1) * period_ns
