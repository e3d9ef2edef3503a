"""The recorder: what stations report becomes numbered entries of the spool. From here on a reading is accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Protocol

from gateway.edge.dating import Stamp
from gateway.edge.device_times import series
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import FAIL, MISSING, NOT_EVALUATED


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
    """Makes entries of readings and events and hands them to the spool."""

    def __init__(self, log: Log, clock: Clock, stamps: Stamps, classes: Mapping[str, str]) -> None:
        self._log, self._clock, self._stamps, self._classes = log, clock, stamps, classes

    def reading(
        self,
        device: str,
        at_ns: int,
        mono_ns: int,
        values: Mapping[str, float],
        quality: Mapping[str, int],
        *,
        is_past: bool = False,
        has_own_time: bool = False,
        via: Sequence[str] = (),
    ) -> int:
        """Record one reading taken at `at_ns` (wall) and `mono_ns` (CLOCK_BOOTTIME); its number.

        A value flagged 4 goes to `failed`; one that is not finite has no number and is flagged 9. A device without
        quality tests says so with `*: 2`. With `is_past` it comes from the device's own log (see `Report`).
        """
        q: dict[str, int] = {"*": NOT_EVALUATED}
        v: dict[str, float] = {}
        failed: dict[str, float] = {}
        for name, value in values.items():
            flag = quality.get(name, NOT_EVALUATED)
            if not isfinite(value) or flag == MISSING:
                q[name] = MISSING
            elif flag == FAIL:
                q[name] = FAIL
                failed[name] = float(value)
            else:
                v[name] = float(value)
                if flag != NOT_EVALUATED:
                    q[name] = flag
        q.update((name, MISSING) for name, flag in quality.items() if flag == MISSING)
        heard = {"via": list(via)} if via else {}
        if is_past:
            stamp = self._stamps.stamp_past(series(device, ""), at_ns, mono_ns, has_own_time=has_own_time)
            return self._write(device, stamp, v=v, q=q, failed=failed, is_past=True, **heard)
        return self._append(device, at_ns, mono_ns, v=v, q=q, failed=failed, **heard)

    def event(self, device: str, event: str, data: Mapping[str, Any]) -> int:
        """Record something that happened to a device, now; its number."""
        return self._append(device, self._clock.wall_ns(), self._clock.mono_ns(), event=event, data=dict(data))

    def _append(self, device: str, at_ns: int, mono_ns: int, **content: Any) -> int:
        name = series(device, content.get("event", ""))
        return self._write(device, self._stamps.stamp(name, at_ns, mono_ns), **content)

    def _write(self, device: str, stamp: Stamp, **content: Any) -> int:
        at_ms, mono_ms, is_trusted, least_ms = stamp
        boot, device_class = self._clock.boot, self._classes[device]
        entry = Entry(device_class, device, at_ms, mono_ms, boot, is_trusted, least_ms=least_ms, **content)
        return self._log.append(pack(entry))
