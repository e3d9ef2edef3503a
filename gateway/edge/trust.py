"""Whether the wall clock is believed, decided from looks at it. Pure: who looks brings the readings.

    offset = wall time - monotonic time (CLOCK_BOOTTIME). Slewing changes both alike, so the offset of a clock that is
    only disciplined stands still; when it changes by more than half a second between two looks, the clock was stepped.

Trust begins with evidence that a time daemon keeps the clock, and stays for the boot: a network that goes away does not
make a clock wrong. It ends with a step that nobody explains; a step after which the kernel says synchronized was the
daemon's correction. A clock whose year cannot be is not believed on any evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gateway.wire.times import SECOND

STEP_NS = SECOND // 2
_STEPS_KEPT = 16

Doubt = Literal["", "unset", "buddhist-era", "implausible", "stepped", "unsynchronized"]

WHY: Mapping[Doubt, str] = {
    "": "the clock is trusted",
    "unset": "the clock was never set: readings wait for their time",
    "buddhist-era": "the clock shows a year of the Buddhist era, or what is left of one: set it to the common era",
    "implausible": "the clock shows a year that cannot be: set it",
    "stepped": "the clock was set by nobody known: readings wait until NTP confirms it",
    "unsynchronized": "nobody has told this computer the time: readings wait for NTP",
}
"""What the log says."""


def _year(year: int) -> int:
    """The beginning of a year, ns since the epoch. Not bound to what a clock could show."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND


EARLIEST_NS, LATEST_NS = _year(2024), _year(2060)
"""A clock outside was never set, or was set to something else than the year of the common era."""
# Two digits of a Buddhist year end up in the twenty-first century: 69 of 2569 is read as 2069.
_BUDDHIST = ((_year(2400), _year(2701)), (_year(2067), _year(2100)))


def year_doubt(wall_ns: int) -> Doubt:
    """What is wrong with the year that a clock shows; "" where nothing is."""
    if wall_ns < EARLIEST_NS:
        return "unset"
    if wall_ns < LATEST_NS:
        return ""
    return "buddhist-era" if any(first <= wall_ns < end for first, end in _BUDDHIST) else "implausible"


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock jumped by `by_ns`, noticed at `mono_ns`. `is_explained`: it is believed after it as before."""

    by_ns: int
    mono_ns: int
    is_explained: bool


class Trust:
    """What the looks so far say. `believes` takes the clock's word without evidence, as long as its year can be."""

    def __init__(self, *, believes: bool) -> None:
        self.steps = 0
        """Steps since the start."""
        self.doubt: Doubt = "unsynchronized"
        """Why the clock is not trusted; "" where it is."""
        self._believes = believes
        self._offset_ns: int | None = None
        self._is_trusted = False
        self._was_stepped = False
        self._fresh: list[Step] = []

    @property
    def is_trusted(self) -> bool:
        """True where the last look believed the clock."""
        return self._is_trusted

    @property
    def offset_ns(self) -> int | None:
        """Wall time minus monotonic time at the last look, None where it was not believed."""
        return self._offset_ns if self._is_trusted else None

    def remember(self, offset_ns: int) -> None:
        """Earlier in this boot the clock was trusted with this offset. Before the first look."""
        self._offset_ns, self._is_trusted = offset_ns, True

    def take_steps(self) -> list[Step]:
        """The steps since the last call; of many the newest."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def look(
        self, mono_ns: int, wall_ns: int, is_synchronized: Callable[[], bool], has_evidence: Callable[[], bool]
    ) -> None:
        """Take up one look. `is_synchronized`: the kernel says so now. `has_evidence`: that, or a daemon's word since
        the last step that nobody explained.
        """
        before, self._offset_ns = self._offset_ns, wall_ns - mono_ns
        year, is_strange = year_doubt(wall_ns), False
        if before is not None and abs(self._offset_ns - before) > STEP_NS:
            is_explained = not year and (self._believes or is_synchronized())
            self.steps += 1
            self._fresh = [*self._fresh[1 - _STEPS_KEPT :], Step(self._offset_ns - before, mono_ns, is_explained)]
            is_strange = self._is_trusted and not is_explained
            self._was_stepped |= is_strange
        if year or is_strange:
            self._is_trusted = False  # what was heard of the time before a strange step says nothing about it
        elif not self._is_trusted and (self._believes or has_evidence()):
            self._is_trusted, self._was_stepped = True, False
        self.doubt = "" if self._is_trusted else year or ("stepped" if self._was_stepped else "unsynchronized")
