"""The node's clock: monotonic time for every interval, wall time only to date readings, and whether it is trusted."""

from __future__ import annotations

import asyncio
import ctypes
import time
from pathlib import Path

from gateway.wire.times import MS

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
_STA_UNSYNC = 0x40
_EARLIEST_NS = 1_704_067_200 * 1_000_000_000
"""2024-01-01: a clock before this was never set."""


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), read only; the tail is room for what the kernel fills in behind `status`."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def kernel_says_synchronized() -> bool:
    """True when a time daemon keeps the kernel's clock (adjtimex(2), STA_UNSYNC clear); False where unknown."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = _Timex()
        return libc.adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC
    except (OSError, AttributeError):
        return False


class SystemClock:
    """CLOCK_BOOTTIME (counts suspend) and wall time. Trust once gained in a boot stays."""

    def __init__(self) -> None:
        try:
            self.boot = _BOOT_ID.read_text().strip().replace("-", "")[:8]
        except OSError:
            self.boot = "00000000"
        self._is_trusted = False

    def mono_ns(self) -> int:
        """Nanoseconds since boot, never stepped."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may be stepped, may be wrong."""
        return time.time_ns()

    def is_trusted(self) -> bool:
        """True once a time daemon has said in this boot that the wall clock is right."""
        if not self._is_trusted and self.wall_ns() > _EARLIEST_NS:
            self._is_trusted = _TIMESYNCD.exists() or kernel_says_synchronized()
        return self._is_trusted

    async def sleep_until(self, mono_ns: int) -> None:
        """Return at or after the monotonic instant, at once when it has passed."""
        while (left := mono_ns - self.mono_ns()) > 0:  # noqa: ASYNC110  it is the clock that is waited for
            await asyncio.sleep(left / 1e9)


class DeviceTimes:
    """Dates readings: the times of one device rise by at least a millisecond, whatever the clock does."""

    def __init__(self) -> None:
        self._last_ms: dict[str, int] = {}

    def date(self, device: str, at_ns: int) -> int:
        """Milliseconds since the epoch for a reading taken at `at_ns`.

        After a step back the device's time creeps on by a millisecond a reading until the clock has caught up; the
        monotonic time beside it in the entry tells the true distance.
        """
        at_ms = max(at_ns // MS, self._last_ms.get(device, -1) + 1)
        self._last_ms[device] = at_ms
        return at_ms
