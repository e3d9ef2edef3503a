"""A port with a tap: whoever listens there learns of every byte that goes over it, either way."""

from __future__ import annotations

from collections.abc import Callable

from drivers.core.contract import Line

from .capture import Direction
from .contract import Port

OnBytes = Callable[[Direction, bytes], None]


class TappedPort:
    """Passes everything on and tells `on_bytes` what was read (`<`) and written (`>`).

    Bytes thrown away by `drain_input` are gone before anybody can see them; `drained` counts them.
    """

    def __init__(self, port: Port, on_bytes: OnBytes) -> None:
        self._port = port
        self._on_bytes = on_bytes
        self.drained = 0

    @property
    def name(self) -> str:
        """See `Port`."""
        return self._port.name

    @property
    def overflowed(self) -> int:
        """See `Port`."""
        return self._port.overflowed

    async def read(self) -> bytes:
        """See `Port`."""
        data = await self._port.read()
        self._on_bytes("<", data)
        return data

    async def write(self, data: bytes) -> None:
        """See `Port`."""
        await self._port.write(data)
        self._on_bytes(">", data)

    async def drain_input(self) -> int:
        """See `Port`."""
        count = await self._port.drain_input()
        self.drained += count
        return count

    async def drain_output(self) -> None:
        """See `Port`."""
        await self._port.drain_output()

    async def set_line(self, line: Line) -> None:
        """See `Port`."""
        await self._port.set_line(line)

    async def send_break(self, seconds: float) -> None:
        """See `Port`."""
        await self._port.send_break(seconds)

    async def close(self) -> None:
        """See `Port`."""
        await self._port.close()
