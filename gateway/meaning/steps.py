"""The chain: what a reading says so far, and the small steps that carry it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.meaning.flags import MISSING, NOT_EVALUATED, verdict, worst

Results = Mapping[str, Mapping[str, int]]
"""Quantity → test → flag."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a step noticed: a reset counter, a raised alarm. `data` holds numbers in the quantity's unit."""

    kind: str
    at: int
    data: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """Another device's newest value and its flag."""

    at: int
    value: float
    flag: int


_NOBODY: Mapping[str, Sample] = {}


class Context(NamedTuple):
    """What a step may know beside the values: the reading's time (ns), whether it is late (not live), the instrument's
    serial number as it tells it ("" unknown), and neighbours by `device/quantity`."""

    at: int
    is_late: bool = False
    serial: str = ""
    neighbours: Mapping[str, Sample] = _NOBODY


_NOTHING: Mapping[str, Mapping[str, int]] = {}


class Values(NamedTuple):
    """A reading on its way. `results` keeps each test's own flag for explanation; `revised` are results of the reading
    before that became known only now. None of it is ever changed in place."""

    numbers: Mapping[str, float]
    results: Results = _NOTHING
    revised: Results = _NOTHING
    events: tuple[Event, ...] = ()

    def flag(self, quantity: str) -> int:
        """The quantity's flag so far: 9 without a number or a result, 2 if no test has spoken."""
        results = self.results.get(quantity)
        if results is None:
            return NOT_EVALUATED if quantity in self.numbers else MISSING
        return verdict(results)

    def flag_of(self, *quantities: str) -> int:
        """What a figure derived from these quantities inherits."""
        return worst([self.flag(quantity) for quantity in quantities])

    def put(
        self,
        numbers: Mapping[str, float] | None = None,
        results: Results | None = None,
        revised: Results | None = None,
        events: Iterable[Event] = (),
    ) -> Values:
        """The reading with more said: new numbers replace, results are added test by test, events are appended."""
        return Values(
            {**self.numbers, **numbers} if numbers else self.numbers,
            _added(self.results, results) if results else self.results,
            _added(self.revised, revised) if revised else self.revised,
            (*self.events, *events) if events else self.events,
        )


def _added(old: Results, new: Results) -> Results:
    merged = dict(old)
    for quantity, tests in new.items():
        before = merged.get(quantity)
        merged[quantity] = {**before, **tests} if before else tests
    return merged


class Step(Protocol):
    """One step of a chain; `id` and `version` go to the device's `about`. A step with memory is also a Keeper."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> str: ...

    def __call__(self, values: Values, context: Context) -> Values: ...


def run(steps: Iterable[Step], values: Values, context: Context) -> Values:
    """The reading after all steps, in order."""
    for step in steps:
        values = step(values, context)
    return values
