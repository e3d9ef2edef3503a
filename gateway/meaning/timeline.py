"""The time axis of a device's memory: never behind what it saw, however a clock without a battery begins its day.

A trusted time is taken as it is. While the clock is not trusted, time goes on from the last one that is known, by the
monotonic clock within a boot; after a reboot it is at least that time. When trust makes the axis jump within a boot,
the jump is told, so that it is taken neither for silence nor for a hold time.
"""

from __future__ import annotations

from gateway.meaning.state import SECOND, State, boolean, integer, opened, text

_MS = 1_000_000
_JUMP_NS = 2 * SECOND


class Timeline:
    """One device's. Times in ns, but whole ms, as entries keep them."""

    def __init__(self) -> None:
        self.at = 0
        """The last time given."""
        self._boot = ""
        self._mono_ms = 0
        self._is_trusted = False

    def at_now(self, at_ms: int, mono_ms: int, boot: str, *, is_trusted: bool) -> tuple[int, int]:
        """The time on the axis, and by how much it was set (0: it went on as it does)."""
        passed_ns = (mono_ms - self._mono_ms) * _MS
        expected = self.at + passed_ns if boot == self._boot and passed_ns >= 0 else None
        if is_trusted:
            at = at_ms * _MS
        elif expected is not None:
            at = expected
        else:
            at = max(at_ms * _MS, self.at + _MS)
        by_ns = 0 if expected is None or abs(at - expected) <= _JUMP_NS else at - expected
        self.at, self._boot, self._mono_ms, self._is_trusted = at, boot, mono_ms, is_trusted
        return at, by_ns

    @property
    def is_trusted(self) -> bool:
        """Whether the last time given came from a trusted clock."""
        return self._is_trusted

    def look(self, at_ms: int, mono_ms: int, boot: str, *, is_trusted: bool) -> int:
        """The time on the axis between readings; nothing moves. Within a boot the monotonic clock alone counts."""
        if not self._boot:
            self.at, self._boot, self._mono_ms, self._is_trusted = at_ms * _MS, boot, mono_ms, is_trusted
            return self.at
        if boot == self._boot:
            return self.at + max(0, mono_ms - self._mono_ms) * _MS
        return max(at_ms * _MS, self.at) if is_trusted else self.at + mono_ms * _MS

    def state(self) -> State:
        return {
            "kind": "timeline/1",
            "at": self.at,
            "boot": self._boot,
            "mono_ms": self._mono_ms,
            "is_trusted": self._is_trusted,
        }

    def restore(self, state: object) -> None:
        saved = opened(state, "timeline/1", "at", "boot", "mono_ms", "is_trusted")
        at, mono_ms = integer(saved["at"], "at"), integer(saved["mono_ms"], "mono_ms")
        boot, is_trusted = text(saved["boot"], "boot"), boolean(saved["is_trusted"], "is_trusted")
        self.at, self._boot, self._mono_ms, self._is_trusted = at, boot, mono_ms, is_trusted
