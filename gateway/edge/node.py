"""The edge node: stations that read, a recorder that numbers, a spool that keeps, an uplink that carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import gateway.wire.payload as wire
from gateway.edge.dating import Clock, Dating
from gateway.edge.explaining import Explainer
from gateway.edge.loans import Loans
from gateway.edge.losses import LossEvents
from gateway.edge.outlet import Outlet
from gateway.edge.presence import Presence
from gateway.edge.recorder import Recorder
from gateway.edge.station import Report, Station
from gateway.edge.supply import Supply
from gateway.edge.trust import Step
from gateway.edge.uplink import Uplink
from gateway.edge.watch import Watch
from gateway.mqtt.link import Broker
from gateway.spool.errors import SpoolFull
from gateway.spool.recover import DAMAGED
from gateway.spool.spool import Spool
from gateway.wire.control import Explained
from gateway.wire.times import SECOND

log = logging.getLogger(__name__)

MOST_SERIAL = 64
"""Characters of an instrument's serial number that are kept."""


class Service(Protocol):
    """What lives beside the stations, such as the radio's receivers."""

    def health(self) -> Mapping[str, wire.ReceiverHealth]:
        """How its receivers are, by name."""

    async def run(self) -> None:
        """Live until cancelled. Raises nothing else."""


class Node:
    """Owns the tasks of one node. The spool is open when it comes and is closed by the caller."""

    def __init__(
        self,
        spool: Spool,
        outlet: Outlet,
        presence: Presence,
        recorder: Recorder,
        clock: Clock,
        dating: Dating,
        broker: Callable[[], Broker],
        *,
        root: str,
        node: str,
        max_bytes: int,
    ) -> None:
        self.spool, self.outlet = spool, outlet
        self.stations: dict[str, Station] = {}
        self.services: dict[str, Service] = {}
        self.recorded: dict[str, int] = {}
        """Readings and events that got a number since the start, by device."""
        self._presence, self._recorder, self._clock, self._dating = presence, recorder, clock, dating
        self.id = node
        self._states: dict[str, wire.DeviceState] = {}
        self._receivers: dict[str, wire.DeviceState] = {}
        self.uplink = Uplink(outlet, presence, broker, root=root, node=node, health=self.health)
        self.loans = Loans(clock.mono_ns, self.on_state, self.event)
        """Its ports. Stations tell their states there."""
        self._supply, self._losses = Supply(max_bytes), LossEvents(self.event)
        self.explainer: Explainer | None = None
        self.watch: Watch | None = None
        """What runs beside the chains of the recorder."""
        spool.on_loss(self._lose)
        outlet.word.on_event.append(self.event)

    def add(self, device: str, station: Station) -> None:
        """A device of this node; before `run`."""
        self.stations[device] = station

    def serve(self, name: str, service: Service) -> None:
        """Something else that lives as long as this node; before `run`."""
        self.services[name] = service

    async def run(self) -> None:
        """Runs until cancelled. What was recorded by then is made durable when the spool is closed."""
        self._tell_opening()
        if self.watch is not None:
            self.watch.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.spool.run(), name="spool")
                group.create_task(self.uplink.run(), name="uplink")
                group.create_task(self._losses.run(), name="losses")
                if self.watch is not None:
                    group.create_task(self.watch.run(), name="meaning")
                group.create_task(self._dating.run(self.uplink.is_online.is_set, self.on_step), name="dating")
                for name, station in self.stations.items():
                    group.create_task(station.run(), name=f"station {name}")
                for name, service in self.services.items():
                    group.create_task(service.run(), name=name)
        finally:
            self._dating.close()

    def _tell_opening(self) -> None:
        """What opening the spool found is said like what happens later."""
        opened = self.spool.opened
        if opened.damaged_places:
            log.warning("the spool was damaged in %d places, lost: %s", opened.damaged_places, opened.declared)
        for first, last in opened.declared:
            self._losses.add(DAMAGED, first, last)
        if opened.set_aside is not None:
            log.warning("unreadable segments of the spool were moved to %s", opened.set_aside)
            self.event("spool-set-aside", {"folder": opened.set_aside.name})

    # What stations call.

    def record(self, report: Report) -> None:
        """A station's reading becomes an entry of the spool."""
        decoded = report.decoded
        with suppress(SpoolFull):  # counted and declared by the spool
            self._recorder.reading(
                report.device,
                report.at_ns,
                report.mono_ns,
                decoded.values,
                decoded.quality,
                serial=str(decoded.info.get("serial", ""))[:MOST_SERIAL],
                is_past=report.is_past,
                has_own_time=report.has_own_time,
                via=report.via,
            )
        self.recorded[report.device] = self.recorded.get(report.device, 0) + 1

    def on_state(self, device: str, state: wire.DeviceState, why: str, reason: str = "") -> None:
        """A device's state is retained on the broker, and its change is an event that the audit can find."""
        log.log(logging.INFO if state == "ok" else logging.WARNING, "device %s: %s %s", device, state, why)
        before = self._states.get(device)
        self._states[device] = state
        self.uplink.say(self._presence.changed(device, state, why, reason))
        data = {"from": before or "", "to": state, "why": why}
        with suppress(SpoolFull):
            self._recorder.event(device, "state", data | ({"reason": reason} if reason else {}))
        self.recorded[device] = self.recorded.get(device, 0) + 1

    def on_step(self, step: Step) -> None:
        """A jump of the wall clock is an event of the node itself."""
        data = {"by_s": round(step.by_ns / SECOND, 3), "explained": step.is_explained}
        self.event("clock-step", data)

    def on_event(self, device: str, event: str, data: Mapping[str, object]) -> None:
        """Something happened to a device that is no change of its state."""
        with suppress(SpoolFull):
            self._recorder.event(device, event, data)
        self.recorded[device] = self.recorded.get(device, 0) + 1

    def on_receiver(self, receiver: str, state: wire.DeviceState, why: str) -> None:
        """A change of a radio receiver's state is an event of the node; that it began well is none."""
        before = self._receivers.get(receiver, "ok")
        self._receivers[receiver] = state
        if before != state or state != "ok":
            self.event("receiver", {"receiver": receiver, "from": before, "to": state, "why": why})

    def event(self, event: str, data: Mapping[str, object]) -> bool:
        """Something happened to the node itself; False where the spool has no room to say so."""
        try:
            self._recorder.event(self.id, event, data)
        except SpoolFull:
            return False
        self.recorded[self.id] = self.recorded.get(self.id, 0) + 1
        return True

    def _lose(self, reason: str, first: int, last: int) -> None:
        self._losses.add(reason, first, last)
        self.uplink.changed()

    # What operators ask.

    async def drain(self, timeout_s: float) -> bool:
        """Wait until everything recorded so far is settled; False where that took too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.spool.flush()
                await self.outlet.drained()
        except TimeoutError:
            return False
        return True

    def losses(self) -> Mapping[str, int]:
        """Numbers declared lost, by reason."""
        return {reason: sum(last - first + 1 for first, last in ranges) for reason, ranges in self.spool.losses.items()}

    def explain(self, device: str) -> list[Explained] | None:
        """The parts of the newest reading's way; None for a device that is not here."""
        return None if self.explainer is None else self.explainer.explain(device)

    def health(self) -> bytes:
        """The payload of the health topic."""
        stats, losses, outlet, now_ns = self.spool.stats(), self.losses(), self.outlet, self._clock.mono_ns()
        hours_left = self._supply.look(
            now_ns / SECOND,
            held_bytes=stats.bytes,
            held=stats.committed - stats.first + 1,
            committed=stats.committed,
            unsettled=outlet.unsettled,
        )
        health = wire.Health(
            self._clock.now(),
            self._presence.spools(),
            spool_age_s=round(stats.oldest_age_s, 3),
            spool_bytes=stats.bytes,
            hours_left=None if hours_left is None else round(hours_left, 1),
            loss_total=sum(losses.values()),
            losses=dict(losses),
            clock_trusted=int(self._clock.offset_ns() is not None),
            unsettled=outlet.unsettled,
            unconfirmed=outlet.numbers.unconfirmed,
            undated=len(outlet.numbers.undated),
            undated_numbers=outlet.undated(),
            never_dated=self._dating.undated,
            clock_steps=self._clock.steps,
            clock_doubt=self._clock.doubt,
            resent=outlet.word.resent,
            refused=dict(outlet.counters.refused),
            link=self.uplink.why,
            ledger_silent=int(outlet.word.is_silent()),
            devices={name: self._device_health(name, station) for name, station in self.stations.items()},
            receivers={name: each for service in self.services.values() for name, each in service.health().items()},
        )
        return wire.encode(health)

    def _device_health(self, name: str, station: Station) -> wire.DeviceHealth:
        counters = station.counters
        return wire.DeviceHealth(
            self._states.get(name, "absent"),
            counters.readings,
            counters.frames,
            dict(counters.rejected),
            counters.discarded_bytes,
            counters.overflowed_bytes,
            counters.missed,
            counters.reconnects,
            counters.unbelieved,
            round(counters.running_s / 3600, 2),
            round(self.loans.borrowed_s(name), 1),
            lost_in_air=counters.lost_in_air,
        )
