"""Asking a bus who is there: probes in order, what answered, and which known meters it may be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache

from drivers.core import modbus, registry
from drivers.core.contract import Decoded, DeviceFault, Driver, Line, Polled, Rejection, Request
from drivers.core.polling import Round
from gateway.cli.chosen import opened
from gateway.cli.port_hearing import modbus_frames
from gateway.cli.scan_plan import Probe, speaks_modbus
from gateway.ports import Bus, Port, Turn

_HEARD_BYTES = 512
_IDENTIFY_S = 0.5
OnProbe = Callable[[Probe, float], None]
"""What is asked now, and the seconds that all which is left takes."""


@dataclass(frozen=True, slots=True)
class Match:
    """A driver that understands a device. `is_identified`: the device said by its identification that it is this."""

    driver: Driver
    decoded: Decoded
    is_identified: bool

    @property
    def telling(self) -> int:
        """Values that are possible and not 0: registers that a meter does not have often read as 0."""
        return sum(value != 0 and self.decoded.quality.get(name, 1) == 1 for name, value in self.decoded.values.items())


@dataclass(slots=True)
class Found:
    """A device that answered."""

    line: Line
    address: int
    driver: Driver | None = None
    """The one whose own question it answered, where that is no Modbus."""
    matches: list[Match] = field(default_factory=list)


class Scan:
    """Asks on one port. `found` and `unclear` grow while it goes, so that one who stops it has what there was."""

    def __init__(self, url: str, drivers: Iterable[Driver], patience_s: float, on_probe: OnProbe) -> None:
        self.found: list[Found] = []
        self.unclear: dict[tuple[Line, int], bytes] = {}
        """Bytes that came and were no answer: another rate, two devices at one address, noise."""
        self.asked = 0
        self.url = url
        self._drivers = [each for each in drivers if isinstance(each.kind, Polled)]
        self._patience_s = patience_s
        self._on_probe = on_probe

    async def run(self, probes: Sequence[Probe], *, every: bool = False) -> None:
        """Ask them all, in order, opening the port once for each run of one setting. Raises PortLost.

        Unless `every`, a setting at which somebody answered is the only one from then on: a bus has one.
        """
        costs = [probe.patience_s(self._patience_s) for probe in probes]
        left_s, began, done_s = sum(costs), time.monotonic(), 0.0
        at = 0
        while at < len(probes):
            line = probes[at].line
            end = next((n for n in range(at, len(probes)) if probes[n].line != line), len(probes))
            if every or all(each.line == line for each in self.found):
                async with self._bus(line) as bus:
                    for probe, cost in zip(probes[at:end], costs[at:end], strict=True):
                        slower = max(1.0, (time.monotonic() - began) / done_s) if done_s > 1 else 1.0
                        self._on_probe(probe, left_s * slower)
                        await self._probe(bus, probe)
                        left_s, done_s = left_s - cost, done_s + cost
            at = end

    async def identify(self) -> None:
        """Ask each device that was found, once, what it is. Raises PortLost."""
        for found in self.found:
            if not found.matches:
                async with self._bus(found.line) as bus:
                    found.matches = await self._matches(bus, found)

    @asynccontextmanager
    async def _bus(self, line: Line) -> AsyncIterator[Bus]:
        async with opened(self.url, line) as port:

            async def opening() -> Port:
                return port

            yield Bus(self.url, opening, line)

    async def _probe(self, bus: Bus, probe: Probe) -> None:
        if any((each.address, each.line) == (probe.address, probe.line) for each in self.found):
            return
        framer, heard = probe.request.framer(), bytearray()

        def take(data: bytes) -> bool:
            heard.extend(data[: _HEARD_BYTES - len(heard)])
            return any(isinstance(item, bytes | DeviceFault) for item in framer.feed(data))

        self.asked += 1
        # A name of its own for each turn: the bus must not spare us the addresses that are silent.
        async with bus.turn(f"probe {self.asked}") as turn:
            is_answered = await turn.ask(probe.request.data, take, patience_s=probe.patience_s(self._patience_s))
        if not is_answered:
            is_answered = any(isinstance(item, bytes | DeviceFault) for item in framer.finish())
        if is_answered:
            own = probe.driver if probe.driver is not None and not speaks_modbus(probe.driver) else None
            self.found.append(Found(probe.line, probe.address, own))
        elif heard.replace(probe.request.data, b""):
            self._judge(probe, bytes(heard))

    def _judge(self, probe: Probe, heard: bytes) -> None:
        """Not the answer; perhaps a late one, of a device that was asked before."""
        rest = heard.replace(probe.request.data, b"")
        late = {frame[0] for frame in modbus_frames(rest)}
        known = {each.address for each in self.found if each.line == probe.line}
        self.found += [Found(probe.line, address) for address in sorted(late - known)]
        if not late:
            self.unclear[probe.line, probe.address] = rest

    async def _matches(self, bus: Bus, found: Found) -> list[Match]:
        drivers = [found.driver] if found.driver else [each for each in self._drivers if speaks_modbus(each)]
        matches: list[Match] = []
        async with bus.turn("identify") as turn:
            for driver in drivers:
                match = await self._identity(turn, bus.line, driver, found.address)
                matches += [match] if match is not None else []
            for driver in drivers if not matches else ():
                kind = driver.kind
                assert isinstance(kind, Polled)
                decoded = await _ask(turn, bus.line, Round.of(kind, found.address, _defaults(driver)))
                if decoded is not None and decoded.values:
                    matches.append(Match(driver, decoded, is_identified=found.driver is not None))
        return sorted(matches, key=lambda match: _doubts(match, found))

    async def _identity(self, turn: Turn, line: Line, driver: Driver, address: int) -> Match | None:
        kind = driver.kind
        if not isinstance(kind, Polled) or kind.identify is None or not _can_refuse(driver.name):
            return None
        asked = kind.identify(address, _defaults(driver))
        decoded = await _ask(turn, line, Round(kind, asked, _defaults(driver)), is_whole=True)
        return Match(driver, decoded, is_identified=True) if decoded is not None and decoded.info else None


@cache
def _can_refuse(name: str) -> bool:
    """Whether a driver's identification is a proof: one that takes any bytes for its own meter's proves nothing."""
    kind = registry.find(name).kind
    if not isinstance(kind, Polled) or kind.identify is None:
        return False
    asked = kind.identify(1, {})
    reads = [modbus.parse_question(request.data) for request in asked]
    answers = [modbus.closed(bytes((r.unit, r.function, r.data_bytes)) + b"\x5a" * r.data_bytes) for r in reads]
    try:
        kind.decode(tuple(zip(asked, answers, strict=True)), {})
    except Rejection:
        return True
    return False


def _defaults(driver: Driver) -> dict[str, str | int | float | bool]:
    return {name: option.default for name, option in driver.options.items()}


def _doubts(match: Match, found: Found) -> tuple[bool, float, int, bool]:
    """The fewer of a driver's values a device has, the less likely it is the one."""
    driver = match.driver
    share = match.telling / max(1, len(driver.quantities))
    return not match.is_identified, -round(share, 2), -match.telling, driver.line != found.line


async def _ask(turn: Turn, line: Line, asking: Round, *, is_whole: bool = False) -> Decoded | None:
    """One round, given up at the first silence; None where it is no reading, or not `is_whole`."""
    wait_s = 0.0
    while (request := asking.request) is not None:
        quick = _quick(request)
        if not await turn.ask(quick.data, asking.feed, quiet_s=wait_s, patience_s=quick.patience_s(line)):
            asking.timeout()
            return None
        wait_s = 0.0
        if asking.missing and is_whole:
            return None
    try:
        return asking.result()
    except Rejection:
        return None


def _quick(request: Request) -> Request:
    return replace(request, timeout_s=min(request.timeout_s, _IDENTIFY_S))
