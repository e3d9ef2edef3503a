"""A running node's ports: others may listen in, or borrow one. Its devices are absent then, and the time is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from drivers.core.contract import Line
from gateway.edge.obstacles import Obstacles
from gateway.edge.station import Opening
from gateway.ops.texts import say
from gateway.ports import Port, PortError, PortLost
from gateway.ports.capture import Direction
from gateway.ports.find import real_path
from gateway.ports.tapped import OnBytes, TappedPort
from gateway.wire.control import HeldDevice
from gateway.wire.payload import DeviceState

BORROWED: Final = "borrowed"
_GIVES_NOTHING = ("silent", "faulty")
_SECOND = 1_000_000_000


class TellState(Protocol):
    """Where a device's state goes; `reason` is a word for programs."""

    def __call__(self, device: str, state: DeviceState, why: str, reason: str = "") -> None: ...


class SharedPort:
    """One port of the node. Stations and buses open it with `open`; taps see every byte; a loan closes it."""

    def __init__(self, url: str, line: Line, opening: Opening, obstacles: Obstacles) -> None:
        self.url = url
        self.line = line
        self.devices: dict[str, HeldDevice] = {}
        self.borrower = ""
        """Who has it in the node's place, in words for people."""
        self.on_lend: list[Callable[[], Awaitable[None]]] = []
        """Who else must let go of it."""
        self._opening, self._obstacles = opening, obstacles
        self._lock = asyncio.Lock()
        self._port: _Lendable | None = None
        self._taps: list[OnBytes] = []

    @property
    def is_open(self) -> bool:
        """Whether the node has it open."""
        return self._port is not None and not self._port.is_closed

    async def open(self) -> Port:
        """For stations: the port, or PortError while it is lent."""
        async with self._lock:
            self._refuse_while_lent()
            try:
                port = _Lendable(self, await self._opening(), self._tell)
            except PortError as error:
                raise await self._obstacles.explain(error) from None
            self._obstacles.want(self.url)
            if self.borrower:  # while the system was opening it
                await port.close()
            self._refuse_while_lent()
            self._port = port
            return port

    def tap(self, on_bytes: OnBytes) -> Callable[[], None]:
        """Tell `on_bytes` of all that goes over it from now on, until what is returned is called."""
        self._taps.append(on_bytes)
        return lambda: self._taps.remove(on_bytes)

    async def let_go(self) -> None:
        """Close it. It opens no more while it has a borrower."""
        async with self._lock:
            for release in self.on_lend:
                await release()
            if self._port is not None:
                await self._port.close()
                self._port = None

    def why(self) -> str:
        """Where it is."""
        return say("port.borrowed", port=self.url, detail=self.borrower)

    def _refuse_while_lent(self) -> None:
        if self.borrower:
            raise PortError("borrowed", self.url, self.borrower)

    def _tell(self, direction: Direction, data: bytes) -> None:
        for on_bytes in tuple(self._taps):
            on_bytes(direction, data)


class _Lendable(TappedPort):
    """The port as the node has it; that it was lent is told in place of "closed"."""

    def __init__(self, shared: SharedPort, port: Port, on_bytes: OnBytes) -> None:
        super().__init__(port, on_bytes)
        self.is_closed = False
        self._shared = shared

    async def read(self) -> bytes:
        """See `Port`."""
        with self._reasoning():
            return await super().read()

    async def write(self, data: bytes) -> None:
        """See `Port`."""
        with self._reasoning():
            await super().write(data)

    async def drain_output(self) -> None:
        """See `Port`."""
        with self._reasoning():
            await super().drain_output()

    async def set_line(self, line: Line) -> None:
        """See `Port`."""
        with self._reasoning():
            await super().set_line(line)

    async def send_break(self, seconds: float) -> None:
        """See `Port`."""
        with self._reasoning():
            await super().send_break(seconds)

    async def close(self) -> None:
        """See `Port`."""
        self.is_closed = True
        await super().close()

    @contextmanager
    def _reasoning(self) -> Iterator[None]:
        try:
            yield
        except PortLost:
            if not self._shared.borrower:
                raise
            raise PortLost(self._shared.url, self._shared.borrower, BORROWED) from None


class Loans:
    """All ports of a node, and what became of its devices while one was lent.

    Stations tell their states to `on_state`. While a port is lent its devices are absent, whatever they say; then they
    are again what they say, or said last.
    """

    def __init__(
        self,
        mono_ns: Callable[[], int],
        tell: TellState,
        event: Callable[[str, Mapping[str, object]], object],
    ) -> None:
        self.ports: dict[str, SharedPort] = {}
        self.obstacles = Obstacles(self._repeat)
        self._mono_ns, self._tell, self._event = mono_ns, tell, event
        self._said: dict[str, tuple[DeviceState, str]] = {}
        self._before: dict[str, tuple[DeviceState, str]] = {}
        """What stations said before their port was lent."""
        self._since: dict[str, int] = {}
        self._total: dict[str, int] = {}

    def share(self, url: str, line: Line, opening: Opening) -> SharedPort:
        """The port of this url, the same each time."""
        return self.ports.setdefault(url, SharedPort(url, line, opening, self.obstacles))

    def find(self, said: str) -> SharedPort | None:
        """The port that is called so now, by whichever of its names."""
        if said in self.ports or not said.startswith("/"):
            return self.ports.get(said)
        tty = real_path(said)
        return next((port for url, port in self.ports.items() if url.startswith("/") and real_path(url) == tty), None)

    def on_state(self, device: str, state: DeviceState, why: str) -> None:
        """What a station says of its device."""
        self._said[device] = (state, why)
        if device not in self._since:
            self._say(device)
            if state in _GIVES_NOTHING:
                for port in self._ports_of(device):
                    self.obstacles.want(port.url)

    async def lend(self, port: SharedPort, borrower: str) -> None:
        """Close the port and leave it to `borrower` (a word for people, not empty) until `take_back`."""
        assert not port.borrower, "one at a time"
        port.borrower = borrower
        since_ns = self._mono_ns()
        for device in port.devices:
            self._since[device] = since_ns
            if device in self._said:
                self._before[device] = self._said.pop(device)
            self._tell(device, "absent", port.why(), BORROWED)
        self._event("port-borrowed", {"port": port.url, "by": borrower})
        await port.let_go()

    async def withdraw(self, port: SharedPort, why: str) -> None:
        """Close the port for good, without a word: nothing new shall come from it before the node ends."""
        port.borrower = why
        for device in port.devices:
            self._since.setdefault(device, self._mono_ns())
        await port.let_go()

    def take_back(self, port: SharedPort) -> None:
        """The borrower is done, or gone: the node may open the port again, and will when it is next needed."""
        lent = ("absent", port.why())
        borrower, port.borrower = port.borrower, ""
        now_ns = since_ns = self._mono_ns()
        for device in port.devices:
            since_ns = self._since.pop(device)
            self._total[device] = self._total.get(device, 0) + now_ns - since_ns
        seconds = round((now_ns - since_ns) / _SECOND, 3)
        self._event("port-returned", {"port": port.url, "by": borrower, "borrowed_s": seconds})
        for device in port.devices:
            before = self._before.pop(device, None)
            if before is not None:
                self._said.setdefault(device, before)
            # One that noticed will tell when it has its port again; one that did not is what it was.
            if device in self._said and self._said[device] != lent:
                self._say(device)

    def _say(self, device: str) -> None:
        """Tell what a station said last; of one that has its port but no reading, also what is in its way there."""
        state, why = self._said[device]
        if state in _GIVES_NOTHING:
            found = [each for port in self._ports_of(device) for each in self.obstacles.of(port.url)]
            why = "; ".join((why, *map(str, found)))
        self._tell(device, state, why)

    def _repeat(self, url: str) -> None:
        """What is in the way of a port has changed."""
        for device in self.ports[url].devices:
            if device not in self._since and self._said.get(device, ("ok", ""))[0] in _GIVES_NOTHING:
                self._say(device)

    def _ports_of(self, device: str) -> list[SharedPort]:
        return [port for port in self.ports.values() if device in port.devices]

    def borrowed_s(self, device: str) -> float:
        """How long the device's port was lent since the node started."""
        now_ns = self._mono_ns()
        return (self._total.get(device, 0) + now_ns - self._since.get(device, now_ns)) / _SECOND
