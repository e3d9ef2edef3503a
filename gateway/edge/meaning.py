"""The chains of a node: each device's readings on their way from the station to the recorder, and what they remember.

A chain sees a reading under the time that its entry bears, so that the entries alone can be run through it again: what
a restart needs is a snapshot and the entries after it (gateway.edge.memory).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.edge.dating import Stamp
from gateway.edge.instruments import REPLACED
from gateway.meaning.chain import Chain, Outcome, inputs_of
from gateway.meaning.kinds.parts import ALARM
from gateway.meaning.state import State, StateError, integer, items, number, opened, text
from gateway.meaning.steps import Context, Event, Sample
from gateway.meaning.timeline import Timeline
from gateway.wire.entry import Entry
from gateway.wire.times import MS

if TYPE_CHECKING:
    from gateway.meaning.alarms import Change
    from gateway.meaning.kinds.alarm import Alarm


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a station reported: values, flags that the instrument itself gave, and its serial number ("" unknown)."""

    values: Mapping[str, float]
    quality: Mapping[str, int] = field(default_factory=dict)
    serial: str = ""
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading after its chain. `extra` is what the entry must keep so that it can be run through again."""

    outcome: Outcome
    is_tested: bool
    extra: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Last:
    """A device's newest reading, for explanation: its time and when its last byte came (ns), what came of it."""

    seq: int
    at: int
    mono_ns: int
    inputs: Inputs
    taken: Taken


@dataclass(slots=True)
class Life:
    """One device's chain, and what a restart must not forget beside it."""

    chain: Chain
    time: Timeline = field(default_factory=Timeline)
    serial: str = ""
    last: Last | None = None
    replaced_at: int = 0
    """The moment (ns) of the last replacement of its instrument that was taken up."""


class Meaning:
    """The chains by device. All methods belong to the loop."""

    def __init__(self, chains: Mapping[str, Chain]) -> None:
        self.lives = {device: Life(chain) for device, chain in chains.items()}
        self._watched = frozenset(name for chain in chains.values() for name in chain.watched)
        self._board: dict[str, Sample] = {}
        self.taken = 0
        """Readings since the start; a snapshot is worth writing when it has risen."""

    @property
    def has_memory(self) -> bool:
        """True where a restart would lose something."""
        return any(life.chain.has_memory or life.replaced_at for life in self.lives.values())

    def take(self, device: str, inputs: Inputs, stamp: Stamp, boot: str) -> Taken:
        """Run one reading through its chain, under the time of its entry."""
        self.taken += 1
        life = self.lives[device]
        at = self._at(life, stamp, boot, inputs.is_past)
        outcome, is_new = self._run(life, inputs, at)
        extra: dict[str, Any] = {}
        if life.chain.has_memory:
            extra = _extra(life, inputs, outcome, is_new=is_new)
        taken = Taken(outcome, life.chain.is_tested, extra)
        if not inputs.is_past:
            self._post(device, at, outcome.numbers, outcome.flags)
        return taken

    def again(self, entry: Entry, seq: int = 0) -> tuple[Event, ...]:
        """Run an entry of the spool, number `seq`, through its chain once more; the events it had."""
        life = self.lives.get(entry.device)
        if life is None:
            return ()
        stamp = Stamp(entry.at_ms, entry.mono_ms, entry.is_trusted, 0)
        if entry.event == REPLACED:
            self.replace(entry.device, str(entry.data.get("serial", "")), int(entry.data.get("at", 0)))
            return ()
        if entry.event:
            return () if entry.event != ALARM else tuple(self._tick(life, stamp, entry.boot))
        data, numbers = entry.data, {**entry.v, **entry.failed}
        at = self._at(life, stamp, entry.boot, entry.is_past)
        values = {**inputs_of(life.chain, numbers), **data.get("in", {})}
        serial = data.get("serial", life.serial)
        inputs = Inputs(values, data.get("flags", {}), serial, entry.is_past)
        outcome, _ = self._run(life, inputs, at)
        if not entry.is_past:
            self._post(entry.device, at, numbers, entry.q)
        life.last = Last(seq, at, entry.mono_ms * MS, inputs, Taken(outcome, life.chain.is_tested, {}))
        return outcome.events

    def tick(self, at_ms: int, mono_ms: int, boot: str, *, is_trusted: bool) -> list[tuple[str, Event]]:
        """Time passed: events of devices whose alarms need no reading."""
        stamp = Stamp(at_ms, mono_ms, is_trusted, 0)
        return [
            (device, event)
            for device, life in self.lives.items()
            if life.chain.alarms
            for event in self._tick(life, stamp, boot)
        ]

    def replace(self, device: str, serial: str, at: int) -> str:
        """Another instrument stands in for this one: its registers begin anew, its totals go on. Gives the old serial
        number as the instrument told it."""
        life = self.lives[device]
        life.chain.replace()
        old, life.serial, life.replaced_at = life.serial, serial, at
        self.taken += 1
        return old

    def alarms(self) -> Iterable[tuple[str, Alarm, Change]]:
        """Every alarm that ever changed, by device, and its last change."""
        for device, life in self.lives.items():
            for alarm in life.chain.alarms:
                if alarm.told is not None:
                    yield device, alarm, alarm.told

    # Inside.

    @staticmethod
    def _at(life: Life, stamp: Stamp, boot: str, is_past: bool) -> int:
        if is_past:
            return stamp.at_ms * MS
        at, by_ns = life.time.at_now(stamp.at_ms, stamp.mono_ms, boot, is_trusted=stamp.is_trusted)
        if by_ns:
            life.chain.shift(by_ns)
        return at

    def _tick(self, life: Life, stamp: Stamp, boot: str) -> list[Event]:
        at_ms, mono_ms, is_trusted, _ = stamp
        return life.chain.tick(life.time.look(at_ms, mono_ms, boot, is_trusted=is_trusted))

    def _run(self, life: Life, inputs: Inputs, at: int) -> tuple[Outcome, bool]:
        is_new = bool(inputs.serial) and inputs.serial != life.serial and not inputs.is_past
        if is_new:
            life.serial = inputs.serial
        context = Context(at, inputs.is_past, inputs.serial, self._board)
        return life.chain.take(inputs.values, inputs.quality, context), is_new

    def _post(self, device: str, at: int, numbers: Mapping[str, float], flags: Mapping[str, int]) -> None:
        """Let neighbours see it."""
        if not self._watched:
            return
        for name, value in numbers.items():
            key = f"{device}/{name}"
            if key in self._watched:
                self._board[key] = Sample(at, value, flags.get(name, 1))

    # Remembering.

    def state(self) -> State:
        """All that a restart needs; plain members of JSON."""
        return {
            "kind": "meaning/1",
            "devices": {
                device: {
                    "time": life.time.state(),
                    "serial": life.serial,
                    "replaced_at": life.replaced_at,
                    "chain": life.chain.state(),
                }
                for device, life in self.lives.items()
                if life.chain.has_memory or life.replaced_at
            },
            "board": {key: [sample.at, sample.value, sample.flag] for key, sample in self._board.items()},
        }

    def restore(self, state: object) -> list[str]:
        """Take over what fits; what begins anew is told, as `device: step`. Raises StateError for what is no state."""
        saved = opened(state, "meaning/1", "devices", "board")
        devices, board = saved["devices"], saved["board"]
        if not isinstance(devices, dict) or not isinstance(board, dict):
            raise StateError("meaning: expected devices and a board")
        fresh: list[str] = []
        for device, life in self.lives.items():
            if device not in devices:
                continue
            try:
                part = devices[device]
                serial = text(part["serial"], "serial", 200)
                life.replaced_at = integer(part["replaced_at"], "replaced_at")
                life.time.restore(part["time"])
                fresh += [f"{device}: {key}" for key in life.chain.restore(part["chain"])]
                life.serial = serial
            except (StateError, KeyError, TypeError) as error:
                fresh.append(f"{device}: {error}")
        for key, sample in board.items():
            if key in self._watched:
                at, value, flag = items(sample, "board", 3, 3)
                self._board[key] = Sample(integer(at, "board"), number(value, "board"), integer(flag, "board", 1, 9))
        return fresh


def _extra(life: Life, inputs: Inputs, outcome: Outcome, *, is_new: bool) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    derived = inputs_of(life.chain, outcome.numbers)
    if derived != inputs.values:
        changed = {name: value for name, value in inputs.values.items() if derived.get(name) != value}
        if changed:
            extra["in"] = changed
    if inputs.quality:
        extra["flags"] = dict(inputs.quality)
    if is_new:
        extra["serial"] = inputs.serial
    return extra
