"""Figures of a spool for health and benches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """A picture of now; counters run since the spool was opened, losses since it was made."""

    bytes: int  # on the disk, space allocated ahead included
    segments: int
    first: int  # oldest number held
    next: int  # next number to be given
    committed: int  # highest number that is durable
    buffered_bytes: int  # accepted, not yet durable
    oldest_age_s: float  # how long the oldest reading some outlet still waits for has waited; 0 if none
    commits: int
    bytes_written: int  # whole 4 KiB pages
    failed_syncs: int
    lost: int
    last_error: str  # of the disk; empty once a commit worked


class Ages:
    """When numbers were given, thinned so that at most 1024 are remembered."""

    def __init__(self, samples: Iterable[tuple[int, float]] = ()) -> None:
        self._samples: list[tuple[int, float]] = []
        self._spacing_s = 0.0
        for number, at in samples:
            self.note(number, at)

    def note(self, number: int, at_mono: float) -> None:
        """`number` was the newest at this moment (monotonic seconds); called with rising numbers."""
        if self._samples and at_mono - self._samples[-1][1] < self._spacing_s:
            return
        self._samples.append((number, at_mono))
        if len(self._samples) > _SAMPLES:
            self._samples = self._samples[1::2]
            self._spacing_s = max(1.0, self._spacing_s * 2)

    def age_s(self, number: int, now_mono: float) -> float:
        """How long ago `number` was given, at least. Forgets the numbers below it."""
        at = bisect_left(self._samples, (number, float("-inf")))
        del self._samples[:at]
        if len(self._samples) < _SAMPLES // 4:
            self._spacing_s = 0.0
        return max(0.0, now_mono - self._samples[0][1]) if self._samples else 0.0
