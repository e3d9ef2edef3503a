"""The recorder: what stations report becomes numbered entries of the spool. From here on a reading is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Protocol

from gateway.edge.dating import Stamp
from gateway.edge.device_times import series
from gateway.edge.meaning import Inputs, Last, Meaning
from gateway.meaning.chain import Chain
from gateway.meaning.steps import Event
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import FAIL, GOOD, MISSING, NOT_EVALUATED

OnEvent = Callable[[str, Event], None]
"""Device and what a step of its chain noticed; called after it was recorded."""


class Log(Protocol):
    """The part of the spool that is needed here."""

    def append(self, data: bytes) -> int:
        """Give the entry its number."""


class Clock(Protocol):
    """The part of the clock that is needed here."""

    boot: str

    def mono_ns(self) -> int: ...
    def wall_ns(self) -> int: ...


class Stamps(Protocol):
    """Who gives entries their times. `name` is the series they belong to."""

    def stamp(self, name: str, at_ns: int, mono_ns: int) -> Stamp: ...
    def stamp_past(self, name: str, at_ns: int, mono_ns: int, *, has_own_time: bool) -> Stamp: ...


class Recorder:
    """Makes entries of readings and events and hands them to the spool. `meaning` has a chain for each device."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        stamps: Stamps,
        classes: Mapping[str, str],
        meaning: Meaning | None = None,
    ) -> None:
        self._log, self._clock, self._stamps, self._classes = log, clock, stamps, classes
        self.meaning = meaning or Meaning({device: Chain(()) for device in classes})
        self.on_event: list[OnEvent] = []

    def reading(
        self,
        device: str,
        at_ns: int,
        mono_ns: int,
        values: Mapping[str, float],
        quality: Mapping[str, int],
        *,
        serial: str = "",
        is_past: bool = False,
        has_own_time: bool = False,
        via: Sequence[str] = (),
    ) -> int:
        """Record one reading taken at `at_ns` (wall) and `mono_ns` (CLOCK_BOOTTIME), after its chain; its number.

        A value flagged 4 goes to `failed`; one that is not finite has no number and is flagged 9. A device without
        quality tests says so with `*: 2`. With `is_past` it comes from the device's own log (see `Report`).
        """
        name = series(device, "")
        if is_past:
            stamp = self._stamps.stamp_past(name, at_ns, mono_ns, has_own_time=has_own_time)
        else:
            stamp = self._stamps.stamp(name, at_ns, mono_ns)
        finite = {name: float(value) for name, value in values.items() if isfinite(value)}
        if len(finite) < len(values):
            quality = {**quality, **{name: MISSING for name in values if name not in finite}}
        inputs = Inputs(finite, quality, serial, is_past)
        taken = self.meaning.take(device, inputs, stamp, self._clock.boot)
        q: dict[str, int] = {} if taken.is_tested else {"*": NOT_EVALUATED}
        v: dict[str, float] = {}
        failed: dict[str, float] = {}
        unsaid = GOOD if taken.is_tested else NOT_EVALUATED
        numbers = taken.outcome.numbers
        for quantity, flag in taken.outcome.flags.items():
            if flag != unsaid:
                q[quantity] = flag
            if flag != MISSING and quantity in numbers:
                (failed if flag == FAIL else v)[quantity] = numbers[quantity]
        seq = self._put(device, stamp, v=v, q=q, failed=failed, data=taken.extra, is_past=is_past, via=list(via))
        if not is_past:
            life = self.meaning.lives[device]
            life.last = Last(seq, life.time.at, mono_ns, inputs, taken)
        for event in taken.outcome.events:
            self.happened(device, event, at_ns, mono_ns)
        return seq

    def event(self, device: str, event: str, data: Mapping[str, Any]) -> int:
        """Record something that happened to a device, now; its number."""
        return self._event(device, event, data, self._clock.wall_ns(), self._clock.mono_ns())

    def happened(self, device: str, event: Event, at_ns: int, mono_ns: int) -> None:
        """Record what a step noticed at that time, and tell it."""
        self._event(device, event.kind, event.data, at_ns, mono_ns)
        for told in self.on_event:
            told(device, event)

    def _event(self, device: str, event: str, data: Mapping[str, Any], at_ns: int, mono_ns: int) -> int:
        stamp = self._stamps.stamp(series(device, event), at_ns, mono_ns)
        return self._put(device, stamp, event=event, data=dict(data))

    def _put(self, device: str, stamp: Stamp, **content: Any) -> int:
        at_ms, mono_ms, is_trusted, least_ms = stamp
        boot, device_class = self._clock.boot, self._classes[device]
        entry = Entry(device_class, device, at_ms, mono_ms, boot, is_trusted, least_ms=least_ms, **content)
        return self._log.append(pack(entry))
