"""The radio of a node from its tables: receivers, sessions, and the stations of the devices they hear."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping

from drivers.core.contract import Driver, Line, Uplink
from drivers.radio.modem_facts import MODEMS
from gateway.app.links import link_broker
from gateway.config import Config
from gateway.config import model as said
from gateway.config.radio_kinds import DEFAULT_LISTEN, split_listen
from gateway.edge.node import Node
from gateway.edge.station import DeviceSpec, Emit, OnState
from gateway.edge.ticks import Clock
from gateway.lora.concentrator import ConcentratorInlet
from gateway.lora.counters import CounterBook, Notes
from gateway.lora.heard import PlainDevice
from gateway.lora.hub import WINDOW_S, Hub
from gateway.lora.keys import read_keys
from gateway.lora.modem import ModemInlet, OnAir
from gateway.lora.modems.kinds import DIALOGUES
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.receiver import Desk, Inlet, OnReceiver
from gateway.lora.server import RECEIVE_MAXIMUM, SERVERS, SESSION_EXPIRY_S, Durable, ServerInlet
from gateway.lora.service import RadioService
from gateway.lora.sessions import Session
from gateway.lora.station import OnEvent, RadioStation
from gateway.ports import open_port
from gateway.spool.spool import Spool

CONCENTRATOR = "gwmp"


def add_radio(config: Config, drivers: Mapping[str, Driver], node: Node, spool: Spool, clock: Clock) -> None:
    """Give the node its radio, where the configuration has one. Raises KeysError."""
    devices = [device for device in config.devices if isinstance(drivers[device.id].kind, Uplink)]
    if not config.loras:
        return
    stations = make_stations(devices, drivers, clock, node.record, node.loans.on_state, node.on_event)
    has_many = len(config.loras) > 1 or any(lora.kind == CONCENTRATOR for lora in config.loras)
    hub = make_hub(devices, stations, spool, clock, window_s=WINDOW_S if has_many else 0.0)
    service = RadioService(
        hub, {lora.id: make_inlet(lora, hub, clock, node.on_receiver) for lora in config.loras if lora.mqtt is None}
    )
    durable = Durable(spool)
    for lora in config.loras:
        if lora.mqtt is not None:
            service.inlets[lora.id] = server_inlet(lora, lora.mqtt, hub, node, durable)
    for name, station in stations.items():
        node.add(name, station)
    node.serve("radio", service)


def make_stations(
    devices: Iterable[said.Device],
    drivers: Mapping[str, Driver],
    clock: Clock,
    emit: Emit,
    on_state: OnState,
    on_event: OnEvent,
) -> dict[str, RadioStation]:
    """A station for each device that comes by radio."""
    return {
        device.id: RadioStation(
            radio_spec(device, drivers[device.id]), drivers[device.id], clock, emit, on_state, on_event
        )
        for device in devices
    }


def make_hub(
    devices: Iterable[said.Device],
    stations: Mapping[str, RadioStation],
    notes: Notes,
    clock: Clock,
    *,
    window_s: float,
) -> Hub:
    """The hub of these devices. Raises KeysError."""
    devices = list(devices)
    sessions = {device.id: session for device in devices if (session := _session(device)) is not None}
    book = CounterBook(
        notes,
        [session.identity for session in sessions.values()],
        lambda device: sessions[device].identity if device in sessions else None,
    )
    for session in sessions.values():
        session.last = book.last(session.identity)
    return Hub(
        stations,
        sessions.values(),
        book,
        clock,
        plain=[plain for device in devices if (plain := _plain(device)) is not None],
        euis={device.radio.dev_eui: device.id for device in devices if device.radio and device.radio.dev_eui},
        window_s=window_s,
    )


def hear_with(lora: said.Lora, hub: Hub, clock: Clock, on_receiver: OnReceiver, client_id: str) -> Inlet:
    """A way in of any kind that keeps nothing: for looking at what comes."""
    if lora.mqtt is None:
        return make_inlet(lora, hub, clock, on_receiver)
    table = lora.mqtt

    async def at_once() -> None:
        """Nothing is kept."""

    desk = Desk(lora.id, hub, on_receiver)
    return ServerInlet(
        desk, SERVERS[lora.kind], lambda: link_broker(table, client_id), at_once, application=lora.application or "+"
    )


def server_inlet(
    lora: said.Lora, table: said.AnyBroker, hub: Hub, node: Node, is_durable: Callable[[], Awaitable[None]]
) -> ServerInlet:
    """A network server as a way in; its broker keeps what comes while this node is away, where it has QoS 1."""
    name = f"lanna-{node.id}-{lora.id}"
    return ServerInlet(
        Desk(lora.id, hub, node.on_receiver),
        SERVERS[lora.kind],
        lambda: link_broker(table, name, session_expiry_s=SESSION_EXPIRY_S, receive_maximum=RECEIVE_MAXIMUM),
        is_durable,
        application=lora.application or "+",
    )


def make_inlet(lora: said.Lora, hub: Hub, clock: Clock, on_receiver: OnReceiver) -> Inlet:
    """A modem or a concentrator's port as a way in."""
    desk = Desk(lora.id, hub, on_receiver)
    if lora.kind == CONCENTRATOR:
        host, port = split_listen(lora.listen or DEFAULT_LISTEN)
        return ConcentratorInlet(desk, host, port, clock, gateways=lora.gateways or ())
    facts = MODEMS[lora.kind]
    wanted = settings(lora)
    opening = functools.partial(open_port, lora.port or "", Line(lora.baud or facts.baud), dtr=lora.dtr)
    knows = "spreading_factor" in facts.takes
    on_air = OnAir(
        wanted.spreading_factor if knows else None,
        wanted.bandwidth_hz if knows else None,
        wanted.frequency_hz if facts.takes else None,
        lora.header == "radiohead",
    )
    return ModemInlet(desk, DIALOGUES[lora.kind](wanted), opening, clock, on_air)


def settings(lora: said.Lora) -> RadioSettings:
    """How its modem is to be set: what is said, else what holds when nothing is."""
    given = {
        "frequency_hz": lora.frequency_hz,
        "spreading_factor": lora.spreading_factor,
        "bandwidth_hz": lora.bandwidth_hz,
        "coding_rate": None if lora.coding_rate is None else int(lora.coding_rate[-1]),
        "preamble": lora.preamble,
        "sync_word": lora.sync_word,
        "network_id": lora.network_id,
        "address": lora.address,
        "air_rate": lora.air_rate,
        "has_rssi_byte": lora.rssi_byte,
        "rssi_rule": lora.rssi_rule,
        "is_set_up": lora.setup,
    }
    return RadioSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def radio_spec(device: said.Device, driver: Driver) -> DeviceSpec:
    """Each uplink is a reading; silence is what the configuration says, else what the driver knows."""
    options = {name: option.default for name, option in driver.options.items()} | device.options
    silence_s = device.silence_s if device.silence_s is not None else driver.silence_s
    return DeviceSpec(device.id, silence_s=silence_s, options=options)


def _session(device: said.Device) -> Session | None:
    radio = device.radio
    if radio is None or radio.dev_addr is None or radio.keys_file is None:
        return None
    return Session(device.id, int(radio.dev_addr, 16), read_keys(radio.keys_file, radio.dev_addr))


def _plain(device: said.Device) -> PlainDevice | None:
    radio = device.radio
    if radio is None or radio.trust is None or radio.receiver is None:
        return None
    return PlainDevice(device.id, radio.receiver, radio.sender, radio.encoding == "hex")
