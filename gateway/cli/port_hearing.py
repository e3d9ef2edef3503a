"""Which drivers accept what comes over a line: all listening ones are fed the same bytes side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.core import modbus
from drivers.core.contract import Decoded, Driver, Line, Listening
from drivers.core.listening import Listener

SAMPLE_BYTES = 96
_MODBUS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Hit:
    """A driver that found readings in the stream: how many, and how much it refused."""

    driver: Driver
    readings: int
    refused: int
    last: Decoded


class Hearing:
    """Bytes heard at one line setting. Holds a frame for each driver, and the first few bytes."""

    def __init__(self, line: Line, drivers: Iterable[Driver]) -> None:
        self.line = line
        self.bytes = 0
        self.sample = b""
        self._start = b""
        self._listeners = [(each, Listener(each)) for each in drivers if isinstance(each.kind, Listening)]
        self._last: dict[str, Decoded] = {}

    def feed(self, data: bytes) -> None:
        """Bytes that have just come."""
        self.bytes += len(data)
        self.sample = (self.sample + data)[:SAMPLE_BYTES]
        self._start = (self._start + data)[:_MODBUS_BYTES]
        for driver, listener in self._listeners:
            for item in listener.feed(data):
                if isinstance(item, Decoded):
                    self._last[driver.name] = item

    @property
    def hits(self) -> list[Hit]:
        """Drivers with readings, the likeliest first: most readings, fewest refusals and flags, strongest check."""
        found = [
            Hit(driver, listener.readings, sum(listener.rejected.values()), self._last[driver.name])
            for driver, listener in self._listeners
            if listener.readings
        ]
        return sorted(found, key=_doubts)

    @property
    def modbus_frames(self) -> int:
        """Questions and answers of Modbus in what came first: somebody else asks on this line."""
        return len(modbus_frames(self._start))


def _doubts(hit: Hit) -> tuple[int, ...]:
    """Sisters with the same frames cannot be told apart; of those, the driver of more models comes first."""
    flagged = sum(flag != 1 for flag in hit.last.quality.values())
    return -hit.readings, hit.refused, flagged, -hit.driver.check_bits, -len(hit.driver.models)


def modbus_frames(data: bytes) -> list[bytes]:
    """Whole questions and answers of Modbus among other bytes."""
    found, at = [], 0
    while at < len(data) - 4:
        size = _modbus_size(data, at)
        if size:
            found.append(data[at : at + size])
        at += size or 1
    return found


def _modbus_size(data: bytes, at: int) -> int:
    """Bytes of the Modbus frame that begins here; 0 for none."""
    if not 1 <= data[at] <= 247 or data[at + 1] & 0x7F not in (*modbus.READ_FUNCTIONS, 6, 16):
        return 0
    answer = modbus.EXCEPTION_BYTES if data[at + 1] & 0x80 else data[at + 2] + 5
    for size in (modbus.QUESTION_BYTES, answer):
        if at + size <= len(data) and modbus.holds(data[at : at + size]):
            return size
    return 0
