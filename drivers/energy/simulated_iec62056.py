"""Optical heads that are not there: one that is asked, in mode C, and one that pushes, in mode D."""

from __future__ import annotations

import re

from drivers.energy.iec62056_wire import ETX, STX, block_check
from drivers.energy.simulated_meter import load_model

QUANTITIES = ("energy_import", "energy_export", "active_power", "voltage_l1", "voltage_l2", "voltage_l3")
_HEARD_LIMIT = 256
_ACKNOWLEDGEMENT = re.compile(rb"\x060([05])0\r\n\Z")


class _Meter:
    """Its lines."""

    def __init__(self, seed: int, address: int) -> None:
        self._values = load_model(("voltage_l1",), seed, address)

    def lines(self, t: float) -> bytes:
        """What it shows at `t` seconds."""
        now = self._values(t)
        text = [
            f"1-0:1.8.0*255({now['energy_import']:012.4f}*kWh)",
            f"1-0:2.8.0*255({now['energy_export']:012.4f}*kWh)",
            f"1-0:1.7.0*255({now['active_power']:09.2f}*W)",
            *(f"1-0:{phase}2.7.0*255({now[f'voltage_l{(phase - 1) // 2}']:05.1f}*V)" for phase in (3, 5, 7)),
        ]
        return "".join(f"{line}\r\n" for line in text).encode()


class SimulatedHead:
    """It repeats the request, as heads do; hears at 300 baud, and speaks at 9600 where it is told to."""

    hears_baud = 300
    reaction_s = 0.2
    """As long as the standard wants."""

    def __init__(self, seed: int, address: int) -> None:
        self._meter = _Meter(seed, address)
        self._heard = b""
        self.speaks_baud = 300

    def tick(self, t: float) -> bytes:
        """It speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """Identification to a request, the block to an acknowledgement."""
        self._heard = (self._heard + data)[-_HEARD_LIMIT:]
        if self._heard.endswith(b"!\r\n"):
            self._heard, self.speaks_baud = b"", 300
            return data + b"/ISk5MT174-0001\r\n"
        acknowledged = _ACKNOWLEDGEMENT.search(self._heard)
        if acknowledged is None:
            return b""
        self._heard, self.speaks_baud = b"", 9600 if acknowledged[1] == b"5" else 300
        block = self._meter.lines(t) + b"!\r\n" + ETX
        return STX + block + bytes((block_check(block),))


class SimulatedPush:
    """It pushes its lines."""

    def __init__(self, seed: int, address: int) -> None:
        self._meter = _Meter(seed, address)

    def tick(self, t: float) -> bytes:
        """The telegram of the moment `t`."""
        return b"/ESY5Q3DA1004 V3.04\r\n\r\n" + self._meter.lines(t) + b"!\r\n"

    def answer(self, data: bytes, t: float) -> bytes:
        """It hears nothing."""
        return b""
