"""Which kind of station keeps a device alive."""

from __future__ import annotations

from drivers.core.contract import Driver, Listening
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec, Emit, OnState, Opening, Station
from gateway.edge.ticks import Clock
from gateway.ports import Bus


def make_station(
    spec: DeviceSpec, driver: Driver, line: Bus | Opening, clock: Clock, emit: Emit, on_state: OnState
) -> Station:
    """The station for a driver's kind: a listening device needs what opens its port, a polled one its bus."""
    if isinstance(driver.kind, Listening):
        if isinstance(line, Bus):
            raise ValueError(f"{spec.id}: {driver.name} talks by itself and cannot share a bus")
        return ListeningStation(spec, driver, line, clock, emit, on_state)
    if not isinstance(line, Bus):
        raise ValueError(f"{spec.id}: {driver.name} is polled and needs a bus, be it its only device")
    return PolledStation(spec, driver, line, clock, emit, on_state)
