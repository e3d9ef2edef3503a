"""What a scan asks, in which order: settings and addresses from the likeliest to all there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from drivers.core import modbus
from drivers.core.contract import Driver, Line, Polled, Rejection, Request
from gateway.cli.port_settings import all_settings, settings_to_ask

LOW = range(1, 11)
EVERY = range(1, 248)
_GENERAL = ((3, 0, 1), (4, 0, 2))
"""Function, first register, count. A Modbus device answers any question to it, be it with an exception."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question at one setting. `driver` is the one whose own question it is, None for a general one."""

    line: Line
    address: int
    request: Request
    driver: Driver | None = None

    def patience_s(self, most_s: float) -> float:
        """How long to wait for its answer: the device's time to think, at most `most_s`, and the wire's."""
        return self.request.patience_s(self.line) - max(0.0, self.request.timeout_s - most_s)


def usual(drivers: Iterable[Driver], line: Line | None = None) -> Iterator[Probe]:
    """Each polled driver's first question at its own settings and address; `line`: at that setting instead."""
    polled = [driver for driver in drivers if isinstance(driver.kind, Polled)]
    order = settings_to_ask(polled)
    seen = set()
    for driver in sorted(polled, key=lambda each: order.index(each.line)):
        if isinstance(driver.kind, Polled):
            at, address = line or driver.line, driver.default_address or 1
            request = driver.kind.requests(address, {})[0]
            if (at, request.data) not in seen:
                seen.add((at, request.data))
                yield Probe(at, address, request, driver)


def low(lines: Iterable[Line]) -> Iterator[Probe]:
    """General questions to the addresses 1 to 10."""
    for line in lines:
        for address in LOW:
            yield from (Probe(line, address, general(address, which)) for which in range(len(_GENERAL)))


def rest(lines: Iterable[Line], tried: Iterable[Line], addresses: Sequence[int]) -> Iterator[Probe]:
    """One general question at every setting and address that is left."""
    tried = set(tried)
    for line in lines:
        for address in addresses:
            if not (line in tried and address in LOW):
                yield Probe(line, address, general(address, 0))


def lines_of(drivers: Iterable[Driver]) -> list[Line]:
    """The usual settings of those that speak Modbus."""
    return settings_to_ask(driver for driver in drivers if speaks_modbus(driver))


def every_line(drivers: Iterable[Driver]) -> list[Line]:
    """All settings, the usual ones first."""
    known = lines_of(drivers)
    return [*known, *all_settings(known)]


def general(address: int, which: int) -> Request:
    """A question that every Modbus device can answer, if only by an exception."""
    read = modbus.Read(address, *_GENERAL[which])
    data = modbus.question(read)
    return Request(data, partial(modbus.ReplyFramer, data), read.reply_bytes, 1.0, 0.0)


def speaks_modbus(driver: Driver) -> bool:
    """Whether its questions are Modbus, so that it can have any address."""
    if not isinstance(driver.kind, Polled):
        return False
    try:
        modbus.parse_question(driver.kind.requests(driver.default_address or 1, {})[0].data)
    except Rejection:
        return False
    return True
