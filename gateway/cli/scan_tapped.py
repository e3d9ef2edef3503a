"""Who answers on a bus that a running gateway holds: only what it asks by itself is heard."""

from __future__ import annotations

import asyncio
import contextlib

from drivers.core import registry
from drivers.core.contract import Decoded, Driver
from gateway.cli.chosen import explain
from gateway.cli.overheard import Overheard
from gateway.cli.port_hearing import modbus_frames
from gateway.cli.reaching import Tap
from gateway.cli.scanning import Found, Match
from gateway.ports import PortLost
from gateway.ports.capture import Record

_Own = dict[int, tuple[Driver, Overheard]]
"""By address, the driver that the gateway has there."""


async def who_answers(tap: Tap, seconds: float) -> list[Found]:
    """Listen until all devices that the gateway has there were heard, at most for `seconds`."""
    own: _Own = {}
    for device in tap.held.devices:
        with contextlib.suppress(registry.UnknownDriver):  # a newer gateway than we are
            driver = registry.find(device.driver)
            if device.address is not None:
                options = {name: option.default for name, option in driver.options.items()}
                own[device.address] = (driver, Overheard(driver, options, device.address))
    found: dict[int, Found] = {}
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not own or not all(address in found and found[address].matches for address in own):
                    _take(await tap.record(), tap, own, found)
    except PortLost as error:
        explain(error)
    return [found[address] for address in sorted(found)]


def _take(record: Record, tap: Tap, own: _Own, found: dict[int, Found]) -> None:
    if record.direction == "<":
        for frame in modbus_frames(record.data):
            found.setdefault(frame[0], Found(tap.line, frame[0]))
    for address, (driver, hearing) in own.items():
        for _, item in hearing.feed(record):
            if isinstance(item, Decoded):
                device = found.setdefault(address, Found(tap.line, address))
                device.matches = [Match(driver, item, is_identified=False)]
