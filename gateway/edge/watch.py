"""What runs beside the chains: time for alarms that wait, retained alarms, snapshots of what is remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import gateway.wire.payload as wire
from drivers.core.quantities import UnknownQuantity, quantity
from gateway.edge.instruments import REPLACED, Instrument, Instruments, recalibrate
from gateway.edge.meaning import Meaning
from gateway.edge.memory import Memory
from gateway.edge.presence import Presence
from gateway.edge.recorder import Recorder
from gateway.meaning.kinds.parts import ALARM
from gateway.meaning.steps import Event
from gateway.mqtt.link import Message
from gateway.spool.errors import SpoolError, SpoolFull
from gateway.wire.times import MS, SECOND, format_time

if TYPE_CHECKING:
    from gateway.meaning.alarms import Change
    from gateway.meaning.kinds.alarm import Alarm

log = logging.getLogger(__name__)

TICK_S = 1.0
SNAPSHOT_S = 300.0
FORGET_S = 60.0
"""A rule that has gone is emptied at every connect until one of them has lasted so long."""


class Clock(Protocol):
    """The part of the clock that is needed here."""

    boot: str

    def mono_ns(self) -> int: ...
    def wall_ns(self) -> int: ...
    def offset_ns(self) -> int | None: ...
    async def sleep_until(self, mono_ns: int) -> None: ...


class Watch:
    """`classes` are the device classes by device; `say` publishes a retained message while there is a connection."""

    def __init__(
        self,
        recorder: Recorder,
        memory: Memory,
        presence: Presence,
        clock: Clock,
        classes: Mapping[str, str],
        say: Callable[[Message], None],
        is_online: Callable[[], bool],
        instruments: Instruments | None = None,
    ) -> None:
        self._recorder, self._memory, self._presence, self._clock = recorder, memory, presence, clock
        self._classes, self._say, self._is_online = classes, say, is_online
        self._meaning: Meaning = recorder.meaning
        self._instruments = instruments
        self._gone: set[tuple[str, str, str]] = set()
        self._online_since: int | None = None
        recorder.on_event.append(self._on_event)

    def begin(self) -> None:
        """Take over what was remembered. Blocking; before anything is recorded."""
        found = self._memory.recall()
        if found.fresh:
            log.warning("these steps begin anew, their settings are others than before: %s", "; ".join(found.fresh))
        if found.entries:
            log.info("%d readings since the last snapshot went through their steps again", found.entries)
        there = {
            (self._classes[device], device, alarm.rule)
            for device, life in self._meaning.lives.items()
            for alarm in life.chain.alarms
        }
        self._gone = found.rules - there
        self._calibrate()
        for device_class, device, rule in self._gone:
            self._presence.alarm(device_class, device, rule, None)
        for device, alarm, change in self._meaning.alarms():
            self._tell(device, alarm, change)
        for device, event, entry in found.made_good:
            with suppress(SpoolFull):
                self._recorder.happened(device, event, entry.at_ms * MS, entry.mono_ms * MS)

    def _on_event(self, device: str, event: Event) -> None:
        if event.kind != ALARM:
            return
        log.warning("alarm %s of %s: %s at %s", event.data["rule"], device, event.data["state"], event.data["value"])
        for alarm in self._meaning.lives[device].chain.alarms:
            if alarm.rule == event.data["rule"] and alarm.told is not None:
                self._say(self._tell(device, alarm, alarm.told))

    def _tell(self, device: str, alarm: Alarm, change: Change) -> Message:
        is_dated = self._meaning.lives[device].time.is_trusted
        at, since = (format_time(change.at), format_time(change.since_at)) if is_dated else (None, None)
        said = wire.Alarm(change.state, alarm.level, since, at, alarm.quantity, change.value, change.threshold)
        device_class = self._classes[device]
        self._memory.rules.add((device_class, device, alarm.rule))
        return self._presence.alarm(device_class, device, alarm.rule, said)

    def tick(self) -> None:
        """Time passed."""
        clock = self._clock
        offset_ns, mono_ns = clock.offset_ns(), clock.mono_ns()
        wall_ns = clock.wall_ns() if offset_ns is None else mono_ns + offset_ns
        stamp = wall_ns // MS, mono_ns // MS, clock.boot
        for device, event in self._meaning.tick(*stamp, is_trusted=offset_ns is not None):
            with suppress(SpoolFull):
                self._recorder.happened(device, event, wall_ns, mono_ns)
        if self._instruments is not None and self._instruments.look():
            self._take_up(self._instruments)
        self._forget(mono_ns)

    def _take_up(self, instruments: Instruments) -> None:
        """Instruments that were replaced since the last look."""
        for device, life in self._meaning.lives.items():
            for at, one in instruments.newer(device, life.replaced_at):
                told = self._meaning.replace(device, one.serial, at)
                data = {"serial": one.serial, "old": one.old or told, "at": at, "author": one.author, "note": one.note}
                with suppress(SpoolFull):
                    self._recorder.event(device, REPLACED, {**data, "calibration": [list(c) for c in one.calibration]})
                log.info(
                    "device %s: instrument %s took over from %s", device, one.serial, data["old"] or "an unnamed one"
                )
                self._apply(device, one)
            self._describe(device)

    def _calibrate(self) -> None:
        """At the start: let the calibrations of replaced instruments hold."""
        if self._instruments is None:
            return
        for device, life in self._meaning.lives.items():
            for _, one in self._instruments.newer(device, 0):
                if one.at <= life.replaced_at:
                    self._apply(device, one)
            self._describe(device)
        self._take_up(self._instruments)

    def _apply(self, device: str, one: Instrument) -> None:
        try:
            recalibrate(self._meaning.lives[device].chain, one)
        except ValueError as error:
            log.warning("device %s: the calibration of instrument %s is not used: %s", device, one.serial, error)

    def _describe(self, device: str) -> None:
        life, known = self._meaning.lives[device], self._instruments.known.get(device) if self._instruments else None
        if known:
            units = {name: unit for name in sorted(life.chain.makes) if (unit := _unit(name))}
            self._say(self._presence.amend(device, known[-1].serial, life.chain.about(), units))

    def _forget(self, mono_ns: int) -> None:
        """The broker has taken the empty messages of rules that have gone."""
        if not self._is_online():
            self._online_since = None
        elif self._online_since is None:
            self._online_since = mono_ns
        elif self._gone and mono_ns - self._online_since >= FORGET_S * SECOND:
            self._memory.rules -= self._gone
            self._gone = set()
            self._meaning.taken += 1  # worth a snapshot

    async def run(self) -> None:
        """Tick once a second and write a snapshot now and then, for ever."""
        saved_ns: int | None = None
        while True:
            now_ns = self._clock.mono_ns()
            self.tick()
            if saved_ns is None or now_ns - saved_ns >= SNAPSHOT_S * SECOND:
                saved_ns = now_ns
                await self.snapshot()
            await self._clock.sleep_until(now_ns + round(TICK_S * SECOND))

    async def snapshot(self) -> None:
        """Write what is remembered, once the entries it is of are durable."""
        captured = self._capture()
        if captured is None:
            return
        seq, state = captured
        try:
            await self._memory.durable(seq)
            await asyncio.to_thread(self._memory.write, state)
        except (OSError, SpoolError, TypeError, ValueError) as error:
            self._memory.failed()
            log.warning("what is remembered of readings could not be written: %s", error)
        except asyncio.CancelledError:
            self._memory.failed()
            raise
        else:
            self._memory.written(seq)

    def _capture(self) -> tuple[int, dict[str, object]] | None:
        try:
            return self._memory.capture()
        except Exception:  # a step of somebody's that cannot tell its state must not take the node with it
            log.exception("what is remembered of readings cannot be told")
            return None

    def end(self) -> None:
        """The last snapshot, after the spool was closed in order. Blocking."""
        captured = self._capture()
        if captured is None:
            return
        try:
            self._memory.write(captured[1])
        except (OSError, TypeError, ValueError) as error:
            log.warning("what is remembered of readings could not be written: %s", error)


def _unit(name: str) -> str:
    try:
        return quantity(name).unit
    except UnknownQuantity:  # of a step of somebody's
        return ""
