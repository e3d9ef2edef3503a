"""Rain from a gauge that tells increments or runs a counter: total, rate, and the sums of the last hour and day.

A counter makes up for lost messages by itself: the next difference holds what they would have told. It is spread evenly
over the time since the last reading, so that an hour's sum after an outage is an hour's share. An increment that got
lost is lost: the time that no increment covers is known, and the sums over it are flagged, or absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.meaning.counter import MOST_PARTS, PARTS, CarriedTotal
from gateway.meaning.flags import GOOD, SUSPECT
from gateway.meaning.state import SECOND, State, integer, items, opened, usable
from gateway.meaning.steps import Event
from gateway.meaning.window import Slots

_ALL, _ENOUGH = 0.95, 0.75
_RATE_NS = 600 * SECOND
_MS = 1_000_000
_NAMES, _FACTORS = ("rain_rate", "rain_1h", "rain_24h"), (6, 1, 1)


@dataclass(frozen=True, slots=True)
class Rain:
    """Figures by quantity name, absent where too little is known, and the flags of those present."""

    numbers: dict[str, float]
    flags: dict[str, int]
    events: tuple[Event, ...] = ()


class _Sum:
    """Rain of the last `window_s`, in slots of parts of a mm, ms covered finely, and ms covered by long intervals.

    An interval up to a twelfth of the window counts at its end, a longer one is spread over its slots; one over half
    the window covers it only roughly. The window is up to one slot longer than its name: no rain is left out.
    """

    def __init__(self, window_s: int, slots: int) -> None:
        self._window_ms = window_s * 1000
        self.slots = Slots(window_s / slots, slots + 1, 3)

    def add(self, since_at: int, at: int, parts: int) -> None:
        """Book rain that fell from since_at to at (since_at < at)."""
        slots = self.slots
        slots.move(at)
        interval, end = at - since_at, at // slots.slot_ns
        if 12 * interval <= self._window_ms * _MS:
            slots.add(end, (parts, interval // _MS, 0))
            return
        is_fine = 2 * interval <= self._window_ms * _MS
        for slot in range(max(since_at // slots.slot_ns, end - slots.slots + 1), end + 1):
            start, stop = max(since_at, slot * slots.slot_ns), min(at, (slot + 1) * slots.slot_ns)
            # Whole parts, cut so that the shares of all slots are the rain.
            fell = parts * (start - since_at) // interval
            share, covered = parts * (stop - since_at) // interval - fell, (stop - start) // _MS
            slots.add(slot, (share, covered, 0) if is_fine else (share, 0, covered))

    def read(self, at: int) -> tuple[float, int] | None:
        """Sum and flag: 1 with the window covered, 3 with three quarters of it or only roughly, None with less."""
        self.slots.move(at)
        parts, fine, rough = self.slots.sums
        if fine + rough < _ENOUGH * self._window_ms:
            return None
        return parts / PARTS, GOOD if fine >= _ALL * self._window_ms else SUSPECT


def _sums() -> tuple[_Sum, _Sum, _Sum]:
    """Ten minutes, an hour, a day."""
    return _Sum(600, 10), _Sum(3600, 30), _Sum(86400, 48)


class RainGauge:
    """One gauge that reports every `period_s`, fed by `add_counter` or by `add_increment`, at rising times.

    `most_mm_h` bounds what is believed at once; `modulus_mm` is where the counter wraps. A counter that falls to near
    zero (midnight, restart) is booked from zero when the next reading confirms it. A message with the time of the one
    before is that message again.
    """

    def __init__(self, period_s: float, *, most_mm_h: float = 400.0, modulus_mm: float | None = None) -> None:
        if not period_s > 0:
            raise ValueError(f"a rain gauge reports every so many seconds, not {period_s}")
        self._carried = CarriedTotal(most_mm_h, modulus=modulus_mm, books_at_once=True, starts_at_zero=True)
        self._period_ns = round(period_s * SECOND)
        self._most_mm_h = most_mm_h
        self._last_at: int | None = None
        self._parts = 0
        self._sums = _sums()

    def add_counter(self, at: int, counter_mm: float | None) -> Rain:
        """Take the gauge's own counter (None: missing)."""
        if at == self._last_at:
            return self._figures(at)
        self._last_at = at
        carried = self._carried.add(at, counter_mm)
        if not carried.is_believed or carried.since_at is None:
            return self._figures(at, events=carried.events)
        return self._book(carried.since_at, at, carried.booked, carried.events)

    def add_increment(self, at: int, mm: float | None, interval_s: float | None = None) -> Rain:
        """Take the rain since the previous message (None: missing), or of `interval_s` where the gauge says so."""
        mm = usable(mm)
        last_at, self._last_at = self._last_at, at
        if at == last_at or mm is None or mm < 0:
            return self._figures(at)
        # Without the gauge's own word an increment covers one period: what was lost before it stays a hole.
        interval_s = usable(interval_s)
        covered = self._period_ns if interval_s is None or interval_s <= 0 else round(interval_s * SECOND)
        if last_at is not None and last_at < at:
            covered = min(covered, at - last_at)
        if mm > self._most_mm_h * 1.2 * max(covered / (3600 * SECOND), 1 / 60):
            event = Event("rain-implausible", at, {"value": mm})
            return self._figures(at, mm, SUSPECT, events=(event,))
        return self._book(at - covered, at, mm)

    def _book(self, since_at: int, at: int, mm: float, events: tuple[Event, ...] = ()) -> Rain:
        if since_at >= at:
            since_at = at - self._period_ns
        parts = round(mm * PARTS)
        self._parts += parts
        for total in self._sums:
            total.add(since_at, at, parts)
        rate = mm * 3600 * SECOND / (at - since_at) if at - since_at >= _RATE_NS else None
        return self._figures(at, mm, GOOD, rate, events)

    def _figures(
        self,
        at: int,
        mm: float | None = None,
        flag: int = GOOD,
        rate: float | None = None,
        events: tuple[Event, ...] = (),
    ) -> Rain:
        numbers, flags = {"rain_total": self._parts / PARTS}, {"rain_total": GOOD}
        if mm is not None:
            numbers["rain"], flags["rain"] = mm, flag
        if rate is not None:
            numbers["rain_rate"], flags["rain_rate"] = rate, GOOD
        for name, factor, total in zip(_NAMES, _FACTORS, self._sums, strict=True):
            figure = total.read(at)
            if figure is not None and name not in numbers:
                numbers[name], flags[name] = figure[0] * factor, figure[1]
        return Rain(numbers, flags, events)

    def state(self) -> State:
        return {
            "kind": "rain/1",
            "last_at": self._last_at,
            "parts": self._parts,
            "carried": self._carried.state(),
            "sums": [total.slots.state() for total in self._sums],
        }

    def restore(self, state: object) -> None:
        saved = opened(state, "rain/1", "last_at", "parts", "carried", "sums")
        last_at = None if saved["last_at"] is None else integer(saved["last_at"], "last_at")
        parts = integer(saved["parts"], "parts", 0, MOST_PARTS)
        fresh = _sums()
        for total, slots in zip(fresh, items(saved["sums"], "sums", 3, 3), strict=True):
            total.slots.restore(slots)
        self._carried.restore(saved["carried"])
        self._sums, self._last_at, self._parts = fresh, last_at, parts
