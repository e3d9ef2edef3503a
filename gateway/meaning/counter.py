"""Totals that carry on over a register's wraps, resets, glitches and replacement, and never book what is not sure.

The rule: one reading proves nothing. A reading is *confirmed* by the next one that does not contradict it, and only
what lies between confirmed readings is booked. So one wrong register value, whatever it is, books nothing, and the
total is one reading behind the register. With `books_at_once` (rain, where minutes count) a plausible step is booked
when it is read, and only a step that is not plausible waits for its confirmation.

A step is plausible when it is not larger than `most_per_h` allows for the time that passed, times 1.2, plus one
`resolution`. While a register stands still that time goes on (except with `books_at_once`): a stuck one may catch up.
What contradicts is looked at twice, and two consecutive readings that agree with each other make it

  wrap      the register passed `modulus`: the step over it is booked
  reset     it fell, or its serial number changed (replaced), or it jumped up further than possible (jump): a new
            beginning. What was not confirmed before is not booked; the event tells how much (`unbooked`)
  resumed   it is back where it was less than an hour ago (the meter said 0 and did not count): nothing was lost

Numbers are integers of a millionth of the unit inside, so that totals are exact sums of register differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gateway.meaning.state import LATEST, SECOND, State, StateError, integer, items, opened, text, usable
from gateway.meaning.steps import Event

PARTS = 1_000_000
MOST_PARTS = 10**22
_HOUR_NS = 3600 * SECOND
_MARGIN = 1.2


class _Mark(NamedTuple):
    at: int
    raw: int


class Carried(NamedTuple):
    """The total so far, what this reading booked and since when (ns; None: nothing), whether the register's value was
    believed (False: it contradicts, or is missing), and what happened."""

    total: float
    booked: float
    since_at: int | None
    is_believed: bool
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Memory:
    total: int = 0
    first: _Mark | None = None
    """The only reading of a segment so far."""
    settled: _Mark | None = None
    """Booked up to here."""
    last: _Mark | None = None
    """Plausible after `settled`, waiting for the next reading."""
    floor: int | None = None
    """While set, `settled` is a segment's second reading and may still turn out too high."""
    odd: _Mark | None = None
    """A reading that contradicts, waiting for a second one."""
    odd_serial: str = ""
    former: _Mark | None = None
    """`settled` of the segment before a reset, while nothing was booked since."""
    serial: str = ""


class CarriedTotal:
    """One register's total, in the register's unit. `most_per_h` bounds plausible steps; `modulus` is where the
    register starts again from 0 (None: never); `resolution` is its coarsest step."""

    def __init__(
        self,
        most_per_h: float,
        *,
        modulus: float | None = None,
        resolution: float = 0.0,
        books_at_once: bool = False,
        starts_at_zero: bool = False,
        least_s: float = 60.0,
    ) -> None:
        """`starts_at_zero`: after a reset the register shows what was counted since (rain since midnight), book it.
        `least_s`: bounds are computed for at least this time, so that jitter and coarse registers pass."""
        if not 0 < most_per_h < 1e12 or not resolution >= 0 or not (modulus is None or modulus > resolution):
            raise ValueError(
                f"a counter needs most_per_h over 0 ({most_per_h}), resolution from 0 ({resolution}), modulus above it"
            )
        self._rate = most_per_h * _MARGIN * PARTS / _HOUR_NS
        self._modulus = None if modulus is None else round(modulus * PARTS)
        self._noise = round(resolution * PARTS)
        self._books_at_once, self._starts_at_zero = books_at_once, starts_at_zero
        self._least_ns = round(least_s * SECOND)
        self._memory = _Memory()

    @property
    def total(self) -> float:
        """Booked so far."""
        return self._memory.total / PARTS

    def replace(self) -> None:
        """The instrument was exchanged: the next readings begin a new segment, the total stays."""
        memory = self._memory
        self._memory = _Memory(total=memory.total)

    def add(self, at: int, register: float | None, serial: str = "") -> Carried:
        """Take the register's next value (None: missing) and, where the meter tells it, its serial number."""
        memory = self._memory
        register = usable(register)
        if register is None or register < 0:
            return self._say(0, None, False)
        mark = _Mark(at, round(register * PARTS))
        is_other = bool(serial and memory.serial and serial != memory.serial)
        if memory.settled is None:
            return self._begin(mark, serial)
        if not is_other and self._fits(memory.settled, mark):
            memory.serial = memory.serial or serial
            return self._go_on(memory.settled, mark)
        if not is_other and memory.floor is not None and memory.floor - self._noise <= mark.raw < memory.settled.raw:
            event = _event("counter-glitch", at, memory.settled.raw, mark.raw)
            memory.settled = memory.last = _Mark(at, max(mark.raw, memory.floor))
            memory.floor = memory.odd = None
            return self._say(0, None, True, event)
        odd = memory.odd
        if odd is None or memory.odd_serial != (serial if is_other else "") or not self._fits(odd, mark):
            memory.odd, memory.odd_serial = mark, serial if is_other else ""
            events = () if odd is None else (_event("counter-glitch", odd.at, memory.settled.raw, odd.raw),)
            return self._say(0, None, False, *events)
        memory.odd = None
        return self._replaced(memory.settled, mark, serial) if is_other else self._turn(memory.settled, odd, mark)

    def _begin(self, mark: _Mark, serial: str) -> Carried:
        """The first readings of a segment. The base is the second one that fits the first: nothing is booked on one."""
        memory = self._memory
        first, is_believed = memory.first, True
        if self._books_at_once:
            memory.settled = memory.last = mark
        elif first is not None and self._fits(first, mark) and (not serial or serial == memory.serial):
            memory.settled = memory.last = _Mark(mark.at, max(mark.raw, first.raw))
            memory.floor, memory.first = first.raw, None
        else:
            memory.first, is_believed = mark, first is None
        memory.serial = serial or memory.serial
        return self._say(0, None, is_believed)

    def _go_on(self, settled: _Mark, mark: _Mark) -> Carried:
        """A plausible reading: it confirms what was waiting, as far as it is not below it."""
        memory = self._memory
        events = [] if memory.odd is None else [_event("counter-glitch", memory.odd.at, settled.raw, memory.odd.raw)]
        memory.odd = memory.floor = None
        last = memory.last or settled
        if self._books_at_once:
            memory.settled = memory.last = _Mark(mark.at, max(mark.raw, settled.raw))
        elif mark.raw >= last.raw:
            memory.settled, memory.last = last, mark if mark.raw > last.raw else last
        else:
            # One of the two is wrong; both are at least the lower one, and the next bound counts from the earlier.
            if mark.raw < last.raw - self._noise:
                events.append(_event("counter-glitch", mark.at, last.raw, mark.raw))
            lower = max(mark.raw, settled.raw)
            memory.settled, memory.last = _Mark(last.at, lower), _Mark(mark.at, lower)
        booked = memory.settled.raw - settled.raw
        return self._say(booked, settled.at, True, *events)

    def _turn(self, settled: _Mark, odd: _Mark, mark: _Mark) -> Carried:
        """Two readings agree that the register is somewhere else."""
        memory = self._memory
        former, rise = memory.former, odd.raw - settled.raw
        stood_still = memory.last is None or memory.last.raw == settled.raw
        if former and stood_still and odd.at - former.at <= _HOUR_NS and self._fits(former, odd):
            return self._follow("resumed", settled, former, odd, mark, max(0, odd.raw - former.raw))
        if rise < 0 and self._modulus is not None:
            over = rise + self._modulus
            if 0 <= over <= min(self._bound(settled.at, odd.at), self._modulus // 2) and mark.raw < self._modulus:
                return self._follow("wrap", settled, settled, odd, mark, over)
        unbooked = (memory.last or settled).raw - settled.raw
        booked = 0
        if self._starts_at_zero and 2 * odd.raw <= min(settled.raw, 2 * self._bound(settled.at, odd.at)):
            booked = mark.raw if self._books_at_once else odd.raw
        memory.settled = memory.last = mark
        memory.floor = None if self._books_at_once else odd.raw
        event = _event("counter-reset" if rise < 0 else "counter-jump", odd.at, settled.raw, odd.raw, unbooked)
        said = self._say(booked, settled.at if booked else None, True, event)
        memory.former = None if booked else settled
        return said

    def _follow(self, kind: str, settled: _Mark, since: _Mark, odd: _Mark, mark: _Mark, booked: int) -> Carried:
        """The register goes on elsewhere without a loss: `odd` is confirmed by `mark`."""
        memory = self._memory
        memory.settled, memory.last, memory.floor = odd, _Mark(mark.at, max(mark.raw, odd.raw)), None
        if self._books_at_once:
            memory.settled, booked = memory.last, booked + memory.last.raw - odd.raw
        said = self._say(booked, since.at, True, _event(f"counter-{kind}", odd.at, settled.raw, odd.raw))
        memory.former = None
        return said

    def _replaced(self, settled: _Mark, mark: _Mark, serial: str) -> Carried:
        old, unbooked = self._memory.serial, (self._memory.last or settled).raw - settled.raw
        self._memory = _Memory(total=self._memory.total, first=mark, serial=serial)
        if self._books_at_once:
            self._memory.settled = self._memory.last = mark
        event = _event("counter-replaced", mark.at, settled.raw, mark.raw, unbooked)
        return self._say(0, None, True, Event(event.kind, event.at, {**event.data, "serial": serial, "old": old}))

    def _bound(self, since_at: int, at: int) -> int:
        return round(max(at - since_at, self._least_ns) * self._rate) + self._noise

    def _fits(self, earlier: _Mark, later: _Mark) -> bool:
        return -self._noise <= later.raw - earlier.raw <= self._bound(earlier.at, later.at)

    def _say(self, booked: int, since_at: int | None, is_believed: bool, *events: Event) -> Carried:
        if booked:
            # A register that counts is not a pause of the one before.
            self._memory.total += booked
            self._memory.former = None
        return Carried(self.total, booked / PARTS, since_at, is_believed, events)

    def _kind(self) -> str:
        return f"carried-total/1 {self._modulus} {self._books_at_once}"

    def state(self) -> State:
        memory = self._memory
        marks = {name: getattr(memory, name) for name in _MARKS}
        return {
            "kind": self._kind(),
            **{name: None if mark is None else list(mark) for name, mark in marks.items()},
            **{name: getattr(memory, name) for name in ("total", "floor", "odd_serial", "serial")},
        }

    def restore(self, state: object) -> None:
        saved = opened(state, self._kind(), *_MARKS, "total", "floor", "odd_serial", "serial")
        marks = {name: _mark(saved[name], name) for name in _MARKS}
        memory = _Memory(
            total=integer(saved["total"], "total", 0, MOST_PARTS),
            floor=None if saved["floor"] is None else integer(saved["floor"], "floor", 0, MOST_PARTS),
            odd_serial=text(saved["odd_serial"], "odd_serial"),
            serial=text(saved["serial"], "serial"),
            **marks,
        )
        if memory.settled is not None and (memory.last is None or memory.last.raw < memory.settled.raw):
            raise StateError("last: expected a register not below the settled one")
        self._memory = memory


_MARKS = ("first", "settled", "last", "odd", "former")


def _mark(value: object, what: str) -> _Mark | None:
    if value is None:
        return None
    at, raw = items(value, what, 2, 2)
    return _Mark(integer(at, what, 0, LATEST), integer(raw, what, 0, MOST_PARTS))


def _event(kind: str, at: int, before: int, after: int, unbooked: int | None = None) -> Event:
    data: dict[str, float | str] = {"from": before / PARTS, "to": after / PARTS}
    return Event(kind, at, data if unbooked is None else {**data, "unbooked": unbooked / PARTS})
