"""The running time of an instrument with a laser or fan: when it is awake, when it is warm, how long it has run."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ports.ticks import SECOND_NS, Ticks, ns

_LATE_S = 3.0
"""What a sensor still says so soon after it was told to sleep was on its way."""
_REMINDERS = 3
"""How often one that goes on talking is told again, in one sleep."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Awake for `on_s` out of every `every_s`; believed `warm_up_s` after it woke."""

    every_s: float
    on_s: float
    warm_up_s: float


@dataclass(slots=True)
class RunTime:
    """Seconds that an instrument has run so far, its earlier lives included."""

    seconds: float = 0.0


class Life:
    """Without a duty an instrument is always awake and warm. Warm is a matter of time since it woke, not of values."""

    def __init__(self, duty: Duty | None, ran: RunTime, ticks: Ticks, patience_s: float) -> None:
        self.duty = duty
        self.is_awake = True
        self.unbelieved = 0
        """Readings that came asleep or warming up."""
        self._ran = ran
        self._ticks = ticks
        self._patience_ns = ns(patience_s)
        self._warm_ns: int | None = None
        self._asleep_ns: int | None = None
        self._reminders = 0
        self._last_ns: int | None = None

    @property
    def is_warm(self) -> bool:
        """Whether what it says now is believed."""
        if self.duty is None:
            return True
        return self.is_awake and self._warm_ns is not None and self._ticks.mono_ns() >= self._warm_ns

    @property
    def is_begun(self) -> bool:
        """Whether its warm-up has begun."""
        return self._warm_ns is not None

    def call(self, *, awake: bool) -> None:
        """It is to wake, or to sleep, from now on."""
        self.is_awake = awake
        self._warm_ns = self._asleep_ns = None
        self._reminders = 0

    def woke(self) -> None:
        """It has been told to wake: its warm-up begins."""
        if self.duty is not None and self.is_awake:
            self._warm_ns = self._ticks.mono_ns() + ns(self.duty.warm_up_s)

    def slept(self) -> None:
        """It has been told to sleep."""
        self._asleep_ns = self._ticks.mono_ns()

    def sign(self) -> None:
        """It gave a reading now: it runs. Time between two signs counts, silence does not."""
        now_ns = self._ticks.mono_ns()
        if self._last_ns is not None and now_ns - self._last_ns <= self._patience_ns:
            self._ran.seconds += (now_ns - self._last_ns) / SECOND_NS
        self._last_ns = now_ns

    def must_be_reminded(self) -> bool:
        """It talks although it was told to sleep: True a few times in one sleep."""
        if self.is_awake or self._asleep_ns is None or self._reminders >= _REMINDERS:
            return False
        if self._ticks.mono_ns() - self._asleep_ns < ns(_LATE_S):
            return False
        self._reminders += 1
        self._asleep_ns = None
        return True
