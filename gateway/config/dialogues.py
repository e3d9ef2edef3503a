"""What devices that are talked with want of the configuration: addresses, ports with wires, options that agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.core.contract import Dialogue, Driver
from gateway.config.kinds import is_port_id
from gateway.config.problems import KeyPath, Unfit, show
from gateway.config.units import address_number
from gateway.ops.texts import say

_LETTERS = (*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1))
Finding = tuple[KeyPath, str]
Place = tuple[KeyPath, Mapping[str, Any]]


def number_of(device: Mapping[str, Any], driver: Driver) -> int | None:
    """A device's address as a number, None where it has none or a wrong one."""
    if "address" not in device:
        return driver.default_address
    try:
        number = address_number(device["address"])
    except Unfit:
        return None
    return number if isinstance(number, int) else None


def address_findings(path: KeyPath, device: Mapping[str, Any], driver: Driver) -> Iterator[Finding]:
    """An address of letters where there are only numbers, and the other way round."""
    address = device.get("address")
    kind = driver.kind
    if isinstance(kind, Dialogue) and kind.has_letter_address:
        number = number_of(device, driver)
        if number is not None and not (0 <= number <= 9 or number in _LETTERS):
            yield (*path, "address"), say("config.letter_address", driver=driver.name, found=show(address))
    elif isinstance(address, str) and number_of(device, driver) is not None:
        yield (*path, "address"), say("config.number_address", driver=driver.name, found=show(address))


def dialogue_findings(
    path: KeyPath, device: Mapping[str, Any], driver: Driver, ports: Sequence[Place]
) -> Iterator[Finding]:
    """What a session would refuse when it begins: options that make no sense, and a port without wires."""
    kind = driver.kind
    options = device.get("options", {})
    if not isinstance(kind, Dialogue) or not isinstance(options, dict):
        return
    told = {name: option.default for name, option in driver.options.items()} | options
    try:
        kind.begin(driver.at(number_of(device, driver)), told)
    except ValueError as error:
        yield (*path, "options"), str(error)
        return
    url = device.get("port")
    if isinstance(url, str) and is_port_id(url):
        url = next((port.get("url") for _, port in ports if port.get("id") == url), None)
    if isinstance(url, str) and url.startswith("tcp://") and kind.needs_wires(told):
        yield (*path, "port"), say("config.needs_wires", driver=driver.name)


def sharing(members: Sequence[tuple[KeyPath, Mapping[str, Any], Driver]], port: str) -> Iterator[Finding]:
    """Devices of one port: a dialogue shares its line only with others of its own line settings."""
    lines = {driver.line for _, _, driver in members}
    kinds = {type(driver.kind) for _, _, driver in members}
    if Dialogue in kinds and (len(kinds) > 1 or len(lines) > 1):
        for path, _, driver in members:
            if isinstance(driver.kind, Dialogue):
                yield (*path, "port"), say("config.dialogue_shares", driver=driver.name, port=show(port))
    seen: set[str] = set()
    for path, device, driver in members:
        if isinstance(driver.kind, Dialogue) and driver.default_address is None:
            options = device.get("options")
            name = str(options.get("device", "")) if isinstance(options, dict) else ""
            if name in seen:
                yield (*path, "options"), say("config.same_meter", port=show(port))
            seen.add(name)
