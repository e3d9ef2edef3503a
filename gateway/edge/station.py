"""One device's life: what it is, what it reports, and how it is doing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from drivers.core.contract import Decoded, Options
from gateway.edge.combine import Combiner, Method
from gateway.edge.life import Duty, RunTime
from gateway.ports import Port
from gateway.wire.payload import DeviceState

__all__ = ["Counters", "Desk", "DeviceSpec", "DeviceState", "Report", "Station"]

log = logging.getLogger(__name__)

DEFAULT_ADDRESS = 1


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One physical instrument, as its site knows it.

    `every_s` is the period of a polled device, and of a listening one the time whose frames become one reading; 0 makes
    each frame a reading. `silence_s` is how long it may give no reading before it is called silent; a polled device may
    for at least 2.5 periods.
    """

    id: str
    every_s: float = 0.0
    combine: Method = "last"
    silence_s: float = 10.0
    address: int = DEFAULT_ADDRESS
    options: Options = field(default_factory=dict)
    duty: Duty | None = None
    """One that sleeps between its readings, one of which comes of each waking; `every_s` is then the duty's."""
    ran: RunTime = field(default_factory=RunTime)
    """Goes on counting here."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one device reported at one instant (monotonic and wall ns of the last byte): a reading without a number."""

    device: str
    mono_ns: int
    at_ns: int
    decoded: Decoded
    frames: int = 1
    """How many frames were combined into it."""
    is_past: bool = False
    """From the device's own log: of an instant before this one, so it raises no alarm and goes out late."""
    has_own_time: bool = False
    """`at_ns` is what the device's own clock said, whatever ours is worth."""
    via: tuple[str, ...] = ()
    """The receivers that heard it by radio, the best first."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened to one device since its station began."""

    readings: int = 0
    """Reports handed on."""
    frames: int = 0
    """Frames whose check held; answers, of a polled device."""
    merged: int = 0
    """Frames that are in a report together with another: `frames` minus one of each report."""
    missed: int = 0
    """Polls without any answer."""
    skipped: int = 0
    """Polls that were due while the one before was not done, or the machine away."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    discarded_bytes: int = 0
    """Bytes that belonged to no frame."""
    overflowed_bytes: int = 0
    """Bytes that came faster than they were read."""
    reconnects: int = 0
    """How often its port was opened again after it was lost."""
    unbelieved: int = 0
    """Readings of a device that was asleep or warming up: not handed on."""
    running_s: float = 0.0
    """How long the instrument has run, all its earlier lives on this node included."""
    lost_in_air: int = 0
    """Radio uplinks that nobody heard: holes in the device's own counter."""
    failures: int = 0
    """Exceptions of its driver, or of who takes its reports: errors in a program."""


Emit = Callable[[Report], None]
OnState = Callable[[str, DeviceState, str], None]
"""Device, state, why: called on every change of one of the latter two."""
Opening = Callable[[], Awaitable[Port]]


class Station(Protocol):
    """The running task that keeps one device alive."""

    spec: DeviceSpec

    @property
    def state(self) -> DeviceState | None:
        """None until something is known."""

    @property
    def why(self) -> str:
        """The reason of a state that is not ok."""

    @property
    def counters(self) -> Counters:
        """So far."""

    async def run(self) -> None:
        """Live until cancelled. Raises nothing else."""


class Desk:
    """What both kinds of stations share: combining, reporting, and telling the state when it changes."""

    def __init__(self, spec: DeviceSpec, emit: Emit, on_state: OnState, method: Method) -> None:
        self._spec = spec
        self._emit = emit
        self._on_state = on_state
        self._combiner = Combiner(method)
        self.state: DeviceState | None = None
        self.why = ""
        self.readings = self.merged = self.failures = 0

    def tell(self, state: DeviceState, why: str = "") -> None:
        """The device is in this state now, for this reason."""
        if (state, why) == (self.state, self.why):
            return
        self.state, self.why = state, why
        try:
            self._on_state(self._spec.id, state, why)
        except Exception:
            self.fail("a state was not taken")

    def add(self, decoded: Decoded, mono_ns: int, at_ns: int) -> None:
        """A frame, complete at this instant."""
        self._combiner.add(decoded, mono_ns, at_ns)

    def report(self) -> None:
        """Hand on what was added since the last report, if anything was."""
        combined = self._combiner.take()
        if combined is None:
            return
        self.merged += combined.frames - 1
        self.hand_on(Report(self._spec.id, combined.mono_ns, combined.at_ns, combined.decoded, combined.frames))

    def hand_on(self, report: Report) -> None:
        """A report that is not combined with others."""
        self.readings += 1
        try:
            self._emit(report)
        except Exception:
            self.fail("a report was not taken")

    def fail(self, what: str) -> None:
        """Count and log an exception that is nobody's fault but a program's; the station goes on."""
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:  # 1st, 2nd, 4th, …: a failing driver must not fill the log
            log.exception("%s: %s (%d so far)", self._spec.id, what, self.failures)
