"""The times of each device rise: those of its readings, and those of its events."""

from __future__ import annotations

CREPT_MS = 50

_EVENTS = "/event"


def series(device: str, event: str) -> str:
    """To which series an entry of the device belongs; `event` is empty for a reading."""
    return device + _EVENTS if event else device


class DeviceTimes:
    """The times of one series rise by at least a millisecond, whatever the clock does and over restarts.

    A device has two: what happens to it (it falls silent) may be known before a reading that was taken earlier.

    After a step back a device's time creeps on by a millisecond a reading until the clock has caught up; the monotonic
    time beside it in the entry tells the true distance.
    """

    def __init__(self) -> None:
        self.crept = 0
        """Readings whose time had to be moved by 50 ms or more."""
        self._last_ms: dict[str, int] = {}
        self._mono_ms: dict[str, int] = {}
        self._unseen_ms = -1

    def learn(self, name: str, at_ms: int) -> None:
        """A time of the series is taken: later ones are above it."""
        self._last_ms[name] = max(at_ms, self._last_ms.get(name, -1))

    def learn_mono(self, name: str, mono_ms: int) -> None:
        """The same of monotonic time."""
        self._mono_ms[name] = max(mono_ms, self._mono_ms.get(name, -1))

    def learn_unseen(self, at_ms: int) -> None:
        """Series of which nothing is known have no time above this one."""
        self._unseen_ms = max(at_ms, self._unseen_ms)

    def learn_all(self, at_ms: int) -> None:
        """Times up to this one may be taken in any series."""
        self.learn_unseen(at_ms)
        for name in self._last_ms:
            self.learn(name, at_ms)

    def date(self, name: str, at_ms: int) -> int:
        """Milliseconds since the epoch for an entry made at `at_ms`."""
        least = self.least(name)
        if least - at_ms >= CREPT_MS:
            self.crept += 1
        if at_ms > least:
            self._last_ms[name] = at_ms
        return max(at_ms, least)

    def least(self, name: str) -> int:
        """The earliest time that is possible for its next entry; it is taken by that."""
        least = self._last_ms[name] = self._last_ms.get(name, self._unseen_ms) + 1
        return least

    def mono(self, name: str, mono_ms: int) -> int:
        """Monotonic milliseconds of an entry, above those of the one before."""
        rising = self._mono_ms[name] = max(mono_ms, self._mono_ms.get(name, -1) + 1)
        return rising

    def decided(self, offset_ms: int) -> None:
        """What was recorded so far may have got the time of this offset."""
        for name, mono_ms in self._mono_ms.items():
            self.learn(name, mono_ms + offset_ms)

    def latest(self, most: int) -> dict[str, int]:
        """The last times, of at most so many series: those with the latest."""
        ranked = sorted(self._last_ms.items(), key=lambda item: item[1], reverse=True)
        return dict(ranked[:most])
