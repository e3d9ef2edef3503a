"""What no single key can know: ids that meet, ports that are declared, drivers that exist and what they want.

Works on the plain tree, so that a mistake in one key does not hide these in others; what has the wrong type is left to
the model to refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from drivers.core.contract import Dialogue, Driver, Polled
from gateway.config.dialogues import address_findings, dialogue_findings, number_of, sharing
from gateway.config.duty import duty_findings
from gateway.config.kinds import is_port_id
from gateway.config.problems import KeyPath, Unfit, nearest, show, suggest
from gateway.config.radio import lora_findings, lora_warnings, payload_findings, radio_findings
from gateway.config.remedies import value_remedy
from gateway.config.steps import step_findings
from gateway.config.units import duration_s, format_duration
from gateway.ops.texts import say

Finding = tuple[KeyPath, str]
LINE_SETTINGS = ("baud", "bits", "parity", "stop", "dtr")
_LOOPBACK = ("mqtt://127.", "mqtt://localhost", "mqtt://[::1]")


def findings(tree: Mapping[str, Any], drivers: Iterable[Driver]) -> Iterator[Finding]:
    """Everything that makes the parts of the tree contradict each other."""
    devices, ports = list(_tables(tree, "device")), list(_tables(tree, "port"))
    known = {name: driver for driver in drivers for name in (driver.name, *driver.aliases)}
    yield from _parts(tree, bool(devices))
    yield from _same_id("port", ports)
    yield from _same_id("device", devices)
    yield from lora_findings(tree)
    yield from _same_url(ports, devices)
    for path, device in devices:
        driver = known.get(device.get("driver", "")) if isinstance(device.get("driver"), str) else None
        yield from _driver(path, device, driver, known)
        yield from _port(path, device, ports)
        yield from radio_findings(path, device, driver, tree)
        if driver is not None:
            yield from _address(path, device, driver)
            wrong = [*address_findings(path, device, driver), *_options(path, device, driver)]
            yield from wrong
            if not wrong:
                yield from dialogue_findings(path, device, driver, ports)
                yield from payload_findings(path, device, driver)
            yield from _silence(path, device)
            yield from duty_findings(path, device, driver)
            yield from step_findings(path, device, driver, [each.get("id") for _, each in devices])
    yield from _shared(devices, known)


def warnings(tree: Mapping[str, Any]) -> Iterator[Finding]:
    """What works, but is probably not meant."""
    used = {device.get("port") for _, device in _tables(tree, "device") if isinstance(device.get("port"), str)}
    for path, port in _tables(tree, "port"):
        if port.get("id") not in used and isinstance(port.get("id"), str):
            yield path, say("config.unused_port", port=port["id"])
    yield from lora_warnings(tree)
    for path, broker in _brokers(tree):
        url = broker.get("url")
        is_open = isinstance(url, str) and url.startswith("mqtt://") and not url.startswith(_LOOPBACK)
        if is_open and "password_file" in broker:
            yield (*path, "url"), say("config.open_password")


def _tables(tree: Mapping[str, Any], key: str) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    array = tree.get(key)
    if isinstance(array, list):
        for number, member in enumerate(array):
            if isinstance(member, dict):
                yield (key, number), member


def _brokers(tree: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    ingest = tree.get("ingest")
    if isinstance(tree.get("mqtt"), dict):
        yield ("mqtt",), tree["mqtt"]
    if isinstance(ingest, dict) and isinstance(ingest.get("mqtt"), dict):
        yield ("ingest", "mqtt"), ingest["mqtt"]


def _parts(tree: Mapping[str, Any], has_devices: bool) -> Iterator[Finding]:
    ingest = tree.get("ingest")
    if not has_devices and "device" not in tree and ingest is None:
        yield (), say("config.nothing_to_do")
    if has_devices:
        for table in ("node", "mqtt"):
            if table not in tree:
                yield (table,), say("config.node_needs", table=table)
    if isinstance(ingest, dict):
        sinks = [name for name in ("influx", "sqlite") if name in ingest]
        if len(sinks) != 1:
            yield ("ingest", *sinks[1:]), say("config.one_sink")
        if "mqtt" not in ingest and "mqtt" not in tree:
            yield ("ingest",), say("config.ingest_needs_mqtt")
    for path, broker in _brokers(tree):
        for one, other in (("cert_file", "key_file"), ("key_file", "cert_file"), ("password_file", "username")):
            if one in broker and other not in broker:
                yield (*path, one), say("config.needs_beside", key=other)


def _same_id(key: str, tables: Sequence[tuple[KeyPath, Mapping[str, Any]]]) -> Iterator[Finding]:
    first: set[str] = set()
    for path, table in tables:
        name = table.get("id")
        if isinstance(name, str):
            if name in first:
                yield (*path, "id"), say("config.same_id", table=key, id=show(name))
            first.add(name)


def _same_url(
    ports: Sequence[tuple[KeyPath, Mapping[str, Any]]], devices: Sequence[tuple[KeyPath, Mapping[str, Any]]]
) -> Iterator[Finding]:
    first: set[str] = set()
    for key, tables in (("url", ports), ("port", devices)):
        for path, table in tables:
            url = table.get(key)
            if isinstance(url, str) and not is_port_id(url) and not url.startswith("replay:"):
                if url in first:
                    yield (*path, key), say("config.same_url", url=show(url))
                first.add(url)


def _driver(
    path: KeyPath, device: Mapping[str, Any], driver: Driver | None, known: Mapping[str, Driver]
) -> Iterator[Finding]:
    name = device.get("driver")
    if isinstance(name, str) and driver is None:
        ending = say("config.nearest", nearest=near) if (near := nearest(name, known)) else say("config.driver_list")
        yield (*path, "driver"), say("config.unknown_driver", driver=show(name)) + ending + value_remedy(name)


def _port(
    path: KeyPath, device: Mapping[str, Any], ports: Sequence[tuple[KeyPath, Mapping[str, Any]]]
) -> Iterator[Finding]:
    name = device.get("port")
    if not isinstance(name, str) or not is_port_id(name):
        return
    ids = [port["id"] for _, port in ports if isinstance(port.get("id"), str)]
    if name not in ids:
        yield (*path, "port"), say("config.unknown_port", port=show(name)) + suggest(name, ids)
    for key in LINE_SETTINGS:
        if key in device:
            yield (*path, key), say("config.line_of_port", port=show(name))


def _address(path: KeyPath, device: Mapping[str, Any], driver: Driver) -> Iterator[Finding]:
    is_polled = isinstance(driver.kind, Polled)
    if is_polled and driver.default_address is None and "address" not in device:
        yield (*path, "address"), say("config.needs_address", driver=driver.name)
    if not is_polled and "address" in device and driver.default_address is None:
        yield (*path, "address"), say("config.no_address", driver=driver.name)


def _options(path: KeyPath, device: Mapping[str, Any], driver: Driver) -> Iterator[Finding]:
    options = device.get("options")
    if not isinstance(options, dict):
        return
    for name, value in options.items():
        option = driver.options.get(name)
        where = (*path, "options", name)
        if option is None:
            yield where, say("config.unknown_option", driver=driver.name) + suggest(name, driver.options)
        elif option.choices and str(value) not in option.choices:
            yield where, say("config.expect_one_of", words=", ".join(option.choices), found=show(value))
        elif not _is_like(value, option.default):
            yield (
                where,
                say("config.expect_like", example=show(option.default), found=show(value)) + value_remedy(value),
            )


def _is_like(value: object, default: object) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _silence(path: KeyPath, device: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        silence, every = duration_s(device.get("silence")), duration_s(device.get("every"))
    except Unfit:
        return
    if silence <= every:
        yield (*path, "silence"), say("config.short_silence", every=format_duration(every))


def _shared(devices: Sequence[tuple[KeyPath, Mapping[str, Any]]], known: Mapping[str, Driver]) -> Iterator[Finding]:
    """Devices on one port: all must answer, each at an address of its own."""
    on_port: dict[str, list[tuple[KeyPath, Mapping[str, Any]]]] = {}
    for path, device in devices:
        port, driver = device.get("port"), device.get("driver")
        if isinstance(port, str) and is_port_id(port) and isinstance(driver, str) and driver in known:
            on_port.setdefault(port, []).append((path, device))
    for port, members in on_port.items():
        seen: set[int] = set()
        for path, device in members:
            driver = known[device["driver"]]
            address = number_of(device, driver)
            if len(members) > 1 and not isinstance(driver.kind, Polled | Dialogue):
                yield (*path, "port"), say("config.listener_shares", driver=driver.name, port=show(port))
            elif isinstance(address, int):
                if address in seen:
                    told = device.get("address", address)
                    yield (*path, "address"), say("config.same_address", address=told, port=show(port))
                seen.add(address)
        yield from sharing([(path, device, known[device["driver"]]) for path, device in members], port)
