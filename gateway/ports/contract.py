"""What a port is: a byte pipe to the field that can be lost, and the two errors that it may raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from drivers.core.contract import Line
from gateway.ops.texts import say

Reason = Literal[
    "absent",
    "permission",
    "busy",
    "borrowed",
    "not-a-tty",
    "bad-settings",
    "stuck",
    "bad-url",
    "unknown-host",
    "unreachable",
    "refused",
    "bad-capture",
    "no-wires",
    "failed",
]


class PortError(Exception):
    """A port that could not be opened, or cannot do what it is asked to.

    `reason` is the key, `str()` the sentence with the remedy; `found`, where somebody looked, are better ones.
    """

    def __init__(self, reason: Reason, port: str, detail: str = "", found: Sequence[object] = ()) -> None:
        super().__init__(reason, port, detail)
        self.reason: Reason = reason
        self.port = port
        self.detail = detail
        self.found = tuple(found)

    def __str__(self) -> str:
        return "; ".join(map(str, self.found)) or say(f"port.{self.reason}", port=self.port, detail=self.detail)


class PortLost(Exception):
    """A port that was open and is gone: unplugged, closed by its peer or by us, or lent to `detail`."""

    def __init__(self, port: str, detail: str, reason: Literal["lost", "borrowed"] = "lost") -> None:
        super().__init__(port, detail, reason)
        self.port = port
        self.detail = detail
        self.reason = reason

    def __str__(self) -> str:
        return say(f"port.{self.reason}", port=self.port, detail=self.detail)


class Port(Protocol):
    """A byte pipe to the field, for one reader and one writer at a time."""

    @property
    def name(self) -> str:
        """The url it was opened with."""

    @property
    def overflowed(self) -> int:
        """Received bytes that were lost so far because nobody read them in time."""

    async def read(self) -> bytes:
        """What has arrived, waiting for at least one byte; never b"". Raises PortLost once all that came is read."""

    async def write(self, data: bytes) -> None:
        """Hand all of `data` to the system, waiting while its buffer is full. Raises PortLost."""

    async def drain_input(self) -> int:
        """Throw away what has arrived and was not read; returns how many bytes that were. Never waits."""

    async def drain_output(self) -> None:
        """Wait until the last byte written has left. Raises PortLost, and PortError where that cannot be known."""

    async def set_line(self, line: Line) -> None:
        """Change the line settings at once. Raises PortLost, and PortError where there are none to change."""

    async def send_break(self, seconds: float) -> None:
        """Hold the line in a break for so long. Raises PortLost, and PortError where there is no such wire."""

    async def close(self) -> None:
        """Give the port back. A read that waits ends with PortLost. Closing twice is harmless."""
