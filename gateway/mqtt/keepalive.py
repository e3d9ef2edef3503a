"""When to ping a silent broker and when to give it up; no clock of its own."""

from __future__ import annotations

from typing import Literal

CHECKS = 10
"""How often `step` wants to be called in one keepalive."""

_PING_AFTER = 0.6
_DEAD_AFTER = 1.3
_LATE_AFTER = 0.4


class Keepalive:
    """Pings after 0.6 keepalives without a byte in either direction; after 1.3 without one from the broker it is dead.

    All times are monotonic seconds. Silence counts only while we read and were running: neither a paused stream nor a
    process that stood still says anything about the broker.
    """

    def __init__(self, keepalive_s: float, now_mono: float) -> None:
        self.keepalive_s = keepalive_s
        self._checked_mono = self._excused_mono = now_mono
        self._pinged_mono = now_mono - keepalive_s

    def step(self, now: float, received: float, sent: float, *, is_reading: bool) -> Literal["fine", "ping", "dead"]:
        """What to do now, given when the last bytes came and left."""
        is_late = now - self._checked_mono > _LATE_AFTER * self.keepalive_s
        self._checked_mono = now
        if is_late or not is_reading:
            self._excused_mono = now
        if self.silent_s(now, received) >= _DEAD_AFTER * self.keepalive_s:
            return "dead"
        ping_after_s = _PING_AFTER * self.keepalive_s
        if is_late or (now - min(received, sent) >= ping_after_s and now - self._pinged_mono >= ping_after_s):
            self._pinged_mono = now
            return "ping"
        return "fine"

    def silent_s(self, now: float, received: float) -> float:
        """How long the broker has been silent, in seconds."""
        return now - max(received, self._excused_mono)
