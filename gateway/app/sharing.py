"""A node's ports as others may use them: shared with commands through the control socket."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from drivers.core.contract import Driver, Line, Listening
from gateway.edge.control import Control
from gateway.edge.control_place import place_for
from gateway.edge.explaining import Explain
from gateway.edge.loans import Loans, SharedPort
from gateway.edge.station import DeviceSpec
from gateway.ops.texts import say
from gateway.ports import open_port
from gateway.ports.ticks import SystemTicks
from gateway.wire.control import HeldDevice

log = logging.getLogger(__name__)


def share(loans: Loans, url: str, line: Line, dtr: bool | None, spec: DeviceSpec, driver: Driver) -> SharedPort:
    """The port of a device, which is on it from now on."""
    port = loans.share(url, line, functools.partial(open_port, url, line, dtr=dtr))
    address = None if isinstance(driver.kind, Listening) else spec.address
    port.devices[spec.id] = HeldDevice(spec.id, driver.name, address)
    return port


async def serve_control(loans: Loans, node: str, said: Path | str | None, explain: Explain) -> None:
    """Serve a node's ports where its configuration says, or where there is room, until cancelled."""
    try:
        path = place_for(node, None if said is None else Path(said))
    except OSError as error:
        log.warning("%s", say("control.no_socket", path=error.filename, why=error.strerror))
        return
    await Control(loans, node, SystemTicks().mono_ns, explain).run(path)
