"""The node's clock: monotonic time for every interval, wall time only to date readings, and whether it is trusted."""

from __future__ import annotations

import asyncio
import ctypes
import secrets
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from gateway.edge.trust import Doubt, Step, Trust
from gateway.wire.times import format_time

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
_STA_UNSYNC = 0x40
_SAMPLE_NS = 100_000
_SAMPLES = 3


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


@cache
def _adjtimex() -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    return function


class System(Protocol):
    """A computer's clocks, and what is known there about them."""

    boot: str
    """Differs from boot to boot."""

    def mono_ns(self) -> int:
        """Nanoseconds since boot, suspend included; never stepped."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may be stepped, may be wrong."""

    def is_synchronized(self) -> bool | None:
        """True where the kernel says that a time daemon keeps its clock, which it forgets when the clock is set.

        None where the kernel cannot be asked.
        """

    def daemon_mark(self) -> object | None:
        """Something that is another thing each time a daemon has set or checked the clock; None before it ever did.

        It outlives that somebody else sets the clock, so it counts only where the kernel cannot be asked.
        """


class Linux:
    """This computer."""

    def __init__(self) -> None:
        try:
            self.boot = _BOOT_ID.read_text().strip().replace("-", "")[:8]
        except OSError:
            self.boot = secrets.token_hex(4)  # unknown: then each start counts as a boot of its own

    def mono_ns(self) -> int:
        """See `System`."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """See `System`."""
        return time.time_ns()

    def is_synchronized(self) -> bool | None:
        """See `System`: adjtimex(2), STA_UNSYNC clear. Some containers forbid to ask."""
        timex = _Timex()
        ask = _adjtimex()
        if ask is None or ask(ctypes.byref(timex)) < 0:
            return None
        return not timex.status & _STA_UNSYNC

    def daemon_mark(self) -> object | None:
        """See `System`: systemd-timesyncd touches a file."""
        try:
            return _TIMESYNCD.stat().st_mtime_ns
        except OSError:
            return None


class SystemClock:
    """Monotonic and wall time of a computer, and its trust (gateway.edge.trust): each question about it is a look."""

    def __init__(self, *, believes: bool = False, system: System | None = None) -> None:
        self._system: System = system or Linux()
        self.boot = self._system.boot
        self._trust = Trust(believes=believes)
        self._stale_mark: object | None = None
        """The daemon's mark at the last unexplained step: it says nothing about the time after it."""

    def mono_ns(self) -> int:
        """Nanoseconds since boot (CLOCK_BOOTTIME, counts suspend), never stepped."""
        return self._system.mono_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may be stepped, may be wrong."""
        return self._system.wall_ns()

    def offset_ns(self) -> int | None:
        """Wall time minus monotonic time where the clock is trusted now, else None."""
        mono_ns, wall_ns = self._sample()
        steps, trust = self._trust.steps, self._trust
        was_trusted = trust.is_trusted
        trust.look(mono_ns, wall_ns, lambda: bool(self._system.is_synchronized()), self._has_evidence)
        if trust.steps != steps and was_trusted and not trust.is_trusted:
            self._stale_mark = self._system.daemon_mark()
        return trust.offset_ns

    def is_trusted(self) -> bool:
        """True where wall time is believed now."""
        return self.offset_ns() is not None

    def now(self) -> str | None:
        """The present as it is published, None where the clock is not trusted."""
        offset_ns = self.offset_ns()
        return None if offset_ns is None else format_time(self.mono_ns() + offset_ns)

    @property
    def doubt(self) -> Doubt:
        """Why the clock was not trusted at the last look; "" where it was."""
        return self._trust.doubt

    @property
    def steps(self) -> int:
        """Steps of the wall clock that were noticed since the start."""
        return self._trust.steps

    def take_steps(self) -> list[Step]:
        """The steps since the last call."""
        return self._trust.take_steps()

    def remember(self, offset_ns: int) -> None:
        """An earlier process trusted the clock in this boot with this offset: so do we, unless it was stepped since."""
        self._trust.remember(offset_ns)

    async def sleep_until(self, mono_ns: int) -> None:
        """Return at or after the monotonic instant, at once when it has passed."""
        while (left := mono_ns - self.mono_ns()) > 0:  # noqa: ASYNC110  it is the clock that is waited for
            await asyncio.sleep(left / 1e9)

    def _has_evidence(self) -> bool:
        says = self._system.is_synchronized()
        if says is not None:
            return says
        mark = self._system.daemon_mark()
        return mark is not None and mark != self._stale_mark

    def _sample(self) -> tuple[int, int]:
        """Both clocks at one instant: the narrowest of a few tries, for a process may lose the processor in between."""
        best = (1 << 63, 0, 0)
        for _ in range(_SAMPLES):
            before, wall, after = self._system.mono_ns(), self._system.wall_ns(), self._system.mono_ns()
            best = min(best, (after - before, (before + after) // 2, wall))
            if best[0] <= _SAMPLE_NS:
                break
        return best[1], best[2]
