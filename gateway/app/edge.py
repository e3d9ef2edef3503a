"""The edge node from its tables: ports and buses, drivers and stations, spool and uplink."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from drivers.core.contract import Driver, Line, Listening, Uplink
from drivers.core.quantities import UnknownQuantity, quantity
from gateway.app.links import link_broker
from gateway.app.running import Running
from gateway.app.sharing import serve_control, share
from gateway.config import Config
from gateway.config import model as said
from gateway.config.named import find_driver
from gateway.config.steps import chain_of, facts_of
from gateway.edge.clock import SystemClock
from gateway.edge.combine import Method, default_method
from gateway.edge.dating import Dating
from gateway.edge.explaining import Explainer
from gateway.edge.hours import FILE, Hours
from gateway.edge.instruments import FILE as INSTRUMENTS
from gateway.edge.instruments import Instruments
from gateway.edge.life import Duty
from gateway.edge.loans import Loans, SharedPort
from gateway.edge.making import make_station
from gateway.edge.meaning import Meaning
from gateway.edge.memory import Memory
from gateway.edge.node import Node
from gateway.edge.outlet import Outlet
from gateway.edge.past import read_past
from gateway.edge.presence import DeviceFacts, NodeFacts, Presence
from gateway.edge.recorder import Recorder
from gateway.edge.revisions import Revisions
from gateway.edge.station import DeviceSpec, Opening
from gateway.edge.watch import Watch
from gateway.meaning.chain import Chain
from gateway.ports import Bus
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire.payload import DeviceAbout, SpoolRange

OUTLET = "main"
RADIO_SIGNAL = ("rssi", "snr", "spreading_factor", "frame_counter")
"""What may ride in every radio reading beside its payload."""


async def run_node(config: Config, node: said.Node, running: Running) -> None:
    """Run an edge node until cancelled; its spool is then closed. Raises SpoolError."""
    table = config.spool
    spool = await asyncio.to_thread(
        Spool.open,
        Path(table.path),
        outlets=[OUTLET],
        max_bytes=table.max_bytes,
        window_s=table.window_ms / 1000,
        when_full=table.when_full,
    )
    hours = Hours(Path(table.path) / FILE)
    try:
        running.node = built = build_node(config, node, spool, hours)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(hours.keep(), name="hours"),
                group.create_task(built.loans.obstacles.run(), name="obstacles"),
                group.create_task(serve_control(built.loans, node.id, node.control, built.explain), name="control"),
            ]
            try:
                await built.run()
            finally:
                for task in beside:
                    task.cancel()
    finally:
        await spool.close()
        if running.node is not None and running.node.watch is not None:
            await asyncio.to_thread(running.node.watch.end)


def build_node(config: Config, table: said.Node, spool: Spool, hours: Hours | None = None) -> Node:
    """The node with all its devices, ready to run."""
    broker = config.mqtt
    assert broker is not None, "checked when the configuration was read"
    clock = SystemClock(believes=table.clock == "trusted")
    dating = Dating(spool, clock, read_past(spool, clock.boot), wait_s=table.clock_wait_s)
    drivers = {device.id: find_driver(device.driver) for device in config.devices}
    chains = {device.id: device_chain(device, drivers[device.id]) for device in config.devices}
    facts = [_facts(device, drivers[device.id], chains[device.id]) for device in config.devices]
    eras = Eras(spool)
    outlet = Outlet(
        spool,
        eras,
        OUTLET,
        root=broker.root,
        node=table.id,
        confirm=broker.confirm,
        now=lambda: clock.mono_ns() / 1e9,
        times=dating,
        late_per_s=broker.backlog_per_s,
        resend_after_s=broker.resend_after_s,
    )
    presence = Presence(
        broker.root,
        NodeFacts(table.id, table.site, version("lanna-gateway"), _names(table.name), _position(table.position)),
        facts,
        revisions=Revisions(Path(config.spool.path) / "about.json"),
        now=clock.now,
        spools=lambda: {id_: SpoolRange(first, following) for id_, (first, following) in eras.held().items()},
    )
    # What happens to the node itself bears its name, as that of a device of the place where it stands.
    classes = {table.id: "place"} | {each.id: each.device_class for each in facts}
    recorder = Recorder(spool, clock, dating, classes, Meaning(chains))
    node = Node(
        spool,
        outlet,
        presence,
        recorder,
        clock,
        dating,
        lambda: link_broker(broker, f"lanna-{table.id}"),
        root=broker.root,
        node=table.id,
        max_bytes=config.spool.max_bytes,
    )
    instruments = Instruments(Path(config.spool.path) / INSTRUMENTS)
    memory = Memory(Path(config.spool.path) / "meaning.json", spool, recorder.meaning)
    online = node.uplink.is_online.is_set
    node.watch = Watch(recorder, memory, presence, clock, classes, node.uplink.say, online, instruments)
    buses: dict[str, Bus] = {}
    for device in config.devices:
        driver = drivers[device.id]
        if isinstance(driver.kind, Uplink):
            continue
        port = _share(config, device, driver, node.loans)
        line: Bus | Opening = port.open
        if not isinstance(driver.kind, Listening):
            if device.port not in buses:
                buses[device.port] = Bus(device.port, port.open, port.line, ticks=clock)
                port.on_lend.append(buses[device.port].close)
            line = buses[device.port]
        spec = _spec(device, driver)
        if driver.wear is not None and hours is not None:
            spec = replace(spec, ran=hours.of(device.id, driver.name))
        node.add(device.id, make_station(spec, driver, line, clock, node.record, node.loans.on_state))
    node.explainer = Explainer(
        recorder.meaning, node.loans, {d.id: _spec(d, drivers[d.id]).every_s for d in config.devices}
    )
    node.explainer.listen(clock.mono_ns)
    if config.loras:
        from gateway.app.radio import add_radio  # brings AES, which a node without radio has no use for

        add_radio(config, drivers, node, spool, clock)
    return node


def _share(config: Config, device: said.Device, driver: Driver, loans: Loans) -> SharedPort:
    declared = config.port(device.port)
    url = device.port if declared is None else declared.url
    dtr = device.dtr if device.dtr is not None or declared is None else declared.dtr
    return share(loans, url, _line(config, device, driver), dtr, _spec(device, driver), driver)


def _spec(device: said.Device, driver: Driver) -> DeviceSpec:
    is_polled = not isinstance(driver.kind, Listening)
    every_s = device.every_s if device.every_s is not None else (driver.period_s if is_polled else 0.0)
    duty = _duty(device, driver)
    every_s = duty.every_s if duty is not None else every_s
    silence_s = (
        device.silence_s
        if device.silence_s is not None
        else max(driver.silence_s, 3 * every_s * (is_polled and duty is None))
    )
    options = {name: option.default for name, option in driver.options.items()} | device.options
    address = driver.at(device.address)
    return DeviceSpec(device.id, every_s, _method(device, driver), silence_s, address, options, duty)


def _duty(device: said.Device, driver: Driver) -> Duty | None:
    table, wear = device.duty, driver.wear
    if table is None or wear is None:
        return None
    return Duty(table.every_s, table.on_s, wear.warm_up_s if table.warm_up_s is None else table.warm_up_s)


def _method(device: said.Device, driver: Driver) -> Method:
    return device.combine or default_method(device.device_class or driver.device_class)


def _line(config: Config, device: said.Device, driver: Driver) -> Line:
    """Line settings: the device's own word, else its port's, else what the driver knows."""
    port = config.port(device.port)

    tables = [device] if port is None else [device, port]
    known = driver.line
    return Line(
        next((each.baud for each in tables if each.baud is not None), known.baud),
        next((each.bits for each in tables if each.bits is not None), known.bits),
        next((each.parity for each in tables if each.parity is not None), known.parity),
        next((each.stop for each in tables if each.stop is not None), known.stop),
    )


def device_chain(device: said.Device, driver: Driver) -> Chain:
    """The steps and alarms that a device of a good configuration asks for."""
    period_s = _spec(device, driver).every_s or driver.period_s
    return chain_of(device.steps, device.alarms, facts_of(device.id, driver, period_s, device.options))


def _facts(device: said.Device, driver: Driver, chain: Chain) -> DeviceFacts:
    spec, trust = _spec(device, driver), ""
    names = (*driver.may_give(spec.options), *sorted(chain.makes))
    if device.radio is not None:
        trust = device.radio.trust or ("network-server" if device.radio.dev_eui else "keys")
        spec, names = replace(spec, every_s=0.0), (*names, *RADIO_SIGNAL)
    about = DeviceAbout(
        0,
        None,
        driver.name,
        {name: unit for name in names if (unit := _unit(name))},
        spec.every_s,
        spec.combine,
        driver.title,
        "",
        _names(device.name),
        chain.about(),
        _position(device.position),
        {} if spec.duty is None else asdict(spec.duty),
        trust=trust,
    )
    return DeviceFacts(device.id, device.device_class or driver.device_class, about)


def _unit(name: str) -> str:
    try:
        return quantity(name).unit
    except UnknownQuantity:
        return ""


def _names(names: said.Names) -> dict[str, str]:
    return {str(language): name for language, name in names.items()}


def _position(position: said.Position | None) -> dict[str, float]:
    return {} if position is None else position.model_dump(exclude_none=True)
