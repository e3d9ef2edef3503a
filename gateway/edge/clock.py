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

    def is_synchronized(self) -> bool:
        """True where the kernel says that a time daemon keeps its clock; it forgets that when the clock is set."""

    def daemon_mark(self) -> object | None:
        """Something that is another thing each time a daemon has set or checked the clock; None before it ever did."""


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

    def is_synchronized(self) -> bool:
        """See `System`: adjtimex(2), STA_UNSYNC clear; set by whoever sets the time. False where it cannot be asked."""
        timex = _Timex()
        ask = _adjtimex()
        return ask is not None and ask(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC

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
        trust.look(mono_ns, wall_ns, self._system.is_synchronized, self._has_evidence)
        if trust.steps != steps and was_trusted and not trust.is_trusted:
            self._stale_mark = self._system.daemon_mark()
        return trust.offset_ns

    def is_trusted(self) -> bool:
        """True where wall time is believed now."""
        return self.offset_ns() is not None

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
        if self._system.is_synchronized():
            return True
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


class DeviceTimes:
    """The times of one device rise by at least a millisecond, whatever the clock does and over restarts.

    After a step back a device's time creeps on by a millisecond a reading until the clock has caught up; the monotonic
    time beside it in the entry tells the true distance.
    """

    CREPT_MS = 50

    def __init__(self) -> None:
        self.crept = 0
        """Readings whose time had to be moved by 50 ms or more."""
        self._last_ms: dict[str, int] = {}
        self._mono_ms: dict[str, int] = {}
        self._unseen_ms = -1

    def learn(self, device: str, at_ms: int) -> None:
        """A time of the device is taken: later ones are above it."""
        self._last_ms[device] = max(at_ms, self._last_ms.get(device, -1))

    def learn_mono(self, device: str, mono_ms: int) -> None:
        """The same of monotonic time."""
        self._mono_ms[device] = max(mono_ms, self._mono_ms.get(device, -1))

    def learn_unseen(self, at_ms: int) -> None:
        """Devices of which nothing is known have no time above this one."""
        self._unseen_ms = at_ms

    def date(self, device: str, at_ms: int) -> int:
        """Milliseconds since the epoch for a reading taken at `at_ms`."""
        least = self.least(device)
        if least - at_ms >= self.CREPT_MS:
            self.crept += 1
        if at_ms > least:
            self._last_ms[device] = at_ms
        return max(at_ms, least)

    def least(self, device: str) -> int:
        """The earliest time that is possible for the device's next reading; it is taken by that."""
        least = self._last_ms[device] = self._last_ms.get(device, self._unseen_ms) + 1
        return least

    def mono(self, device: str, mono_ms: int) -> int:
        """Monotonic milliseconds of a reading, above those of the one before."""
        rising = self._mono_ms[device] = max(mono_ms, self._mono_ms.get(device, -1) + 1)
        return rising

    def decided(self, offset_ms: int) -> None:
        """What was recorded so far may have got the time of this offset."""
        for device, mono_ms in self._mono_ms.items():
            self.learn(device, mono_ms + offset_ms)
