"""Which kind of station keeps a device alive."""

from __future__ import annotations

from drivers.core.contract import Dialogue, Driver, Listening
from gateway.edge.dialogue import DialogueStation
from gateway.edge.listening import ListeningStation
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec, Emit, OnState, Opening, Station
from gateway.edge.ticks import Clock
from gateway.ports import Bus


def make_station(
    spec: DeviceSpec, driver: Driver, line: Bus | Opening, clock: Clock, emit: Emit, on_state: OnState
) -> Station:
    """The station for a driver's kind: a listening device needs what opens its port, the others a bus.

    Raises ValueError where the line is the wrong one, or a dialogue's options make no sense together.
    """
    if isinstance(driver.kind, Listening):
        if isinstance(line, Bus):
            raise ValueError(f"{spec.id}: {driver.name} talks by itself and cannot share a bus")
        return ListeningStation(spec, driver, line, clock, emit, on_state)
    if not isinstance(line, Bus):
        raise ValueError(f"{spec.id}: {driver.name} answers and needs a bus, be it its only device")
    if isinstance(driver.kind, Dialogue):
        return DialogueStation(spec, driver, line, clock, emit, on_state)
    return PolledStation(spec, driver, line, clock, emit, on_state)
