"""Opens a port by its url."""

from __future__ import annotations

from drivers.core.contract import Line

from .contract import Port, PortError


async def open_port(url: str, line: Line, *, dtr: bool | None = None, exclusive: bool = True) -> Port:
    """Open "/dev/…", "tcp://host:port" or "replay:FILE". Raises PortError with reason and remedy.

    `line`, `dtr` and `exclusive` are for serial ports; the others have no such wires.
    """
    # Imported where needed: a node without serial lines does without pyserial.
    if url.startswith("tcp://"):
        from .tcp import open_tcp

        return await open_tcp(url)
    if url.startswith("replay:"):
        from .replay import open_replay

        return await open_replay(url)
    if url.startswith("/"):
        from .serial import open_serial

        return await open_serial(url, line, dtr=dtr, exclusive=exclusive)
    raise PortError("bad-url", url, "/dev/…, tcp://host:port, replay:FILE")
