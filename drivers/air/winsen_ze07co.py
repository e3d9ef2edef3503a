"""Winsen ZE07-CO, and the frames of ZE03, ZE15-CO and ZE16B-CO: carbon monoxide each second, nine bytes.

9600 8N1. In initiative mode, as delivered:

    0  2  FF 04      04: carbon monoxide
    2  1  03         the unit, ppm
    3  1  decimals: values are divided by ten to this power
    4  2  concentration, big-endian; its highest bit says "sensor fault" on a ZE15-CO
    6  2  full range, big-endian, same scale
    8  1  two's complement of the sum of bytes 1 to 7

The answer to `FF 01 86` is FF 86, the concentration in 0.1 ppm (2 bytes), 4 bytes of no concern and the check. An older
manual page gives other places for it, which looks like a misprint. The manual's own sample, FF 04 03 01 00 25 13 88 25,
has a wrong check byte: 38 is right.

Sources: Winsen ZE07-CO manual V1.2; Bjk8kds/esphome-winsen-co-sensor components/ze07_co; a bench report.
"""

from __future__ import annotations

from math import pi, sin
from random import Random

from drivers.air import _winsen as winsen
from drivers.core.commands import Command
from drivers.core.contract import Decoded, DeviceFault, Driver, FixedBits, Framer, Line, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import span_check

COMMANDS = {
    "set_qa_mode": winsen.QUESTION_MODE,
    "set_initiative_mode": winsen.INITIATIVE_MODE,
    "read": Command(winsen.command(winsen.READ), b"\xff\x86"),
}
START = (COMMANDS["set_initiative_mode"],)

_CARBON_MONOXIDE = 4
_PPM = 3
_FAULT = 0x8000
_check_spans = span_check(("co",))


def _size_of(head: bytes) -> int:
    return winsen.SIZE if head[1] in (_CARBON_MONOXIDE, winsen.READ) else 0


def _framer(options: Options) -> Framer:
    return SyncFramer(b"\xff", 2, _size_of, winsen.holds, max_bytes=winsen.SIZE)


def decode(frame: bytes, options: Options) -> Decoded:
    """One reading of either frame."""
    info: dict[str, str | int] = {}
    raw, divisor = frame[2] << 8 | frame[3], 10
    if frame[1] == _CARBON_MONOXIDE:
        unit, decimals = frame[2], frame[3]
        if unit != _PPM or decimals > 3:
            raise FixedBits(f"unit {unit} with {decimals} decimals; ppm, 3, with 0 to 3 is expected")
        raw, divisor = frame[4] << 8 | frame[5], 10**decimals
        full = (frame[6] << 8 | frame[7]) / divisor
        info = {"unit_code": unit, "decimals": decimals, "full_range_ppm": f"{full:g}"}
    if raw & _FAULT:
        raise DeviceFault("the sensor reports a fault of its cell")
    values = {"co": raw / divisor}
    _check_spans(values)
    return Decoded(values, {}, info)


class Simulator:
    """A sensor at a roadside where smoke drifts by."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False
        self._talks = True

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`, in initiative mode."""
        if not self._talks:
            return b""
        raw = self._tenths(t) | (_FAULT if self.is_faulty else 0)
        return winsen.reply(_CARBON_MONOXIDE, _PPM, 1, *divmod(raw, 256), 0x13, 0x88)

    def answer(self, data: bytes, t: float) -> bytes:
        """The reply to read; the mode command has none."""
        code, said = winsen.heard(data)
        if code == 0x78 and said[0] in (0x40, 0x41):
            self._talks = said[0] == 0x40
        return winsen.reply(winsen.READ, *divmod(self._tenths(t), 256)) if code == winsen.READ else b""

    def _tenths(self, t: float) -> int:
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        ppm = 2.4 * (1 + 0.6 * sin(2 * pi * t / 5400) + 0.25 * sin(2 * pi * t / 410)) + dice.gauss(0, 0.05)
        return min(5000, max(0, round(10 * ppm)))


DRIVERS = (
    Driver(
        name="winsen-ze07co",
        title="Winsen ZE07-CO carbon monoxide sensor",
        device_class="air",
        models=("ZE07-CO", "ZE15-CO", "ZE16B-CO"),
        kind=Listening(_framer, decode, START),
        quantities=("co",),
        line=Line(baud=9600),
        sources=(
            "Winsen ZE07-CO manual V1.2",
            "github.com/Bjk8kds/esphome-winsen-co-sensor components/ze07_co",
        ),
        check_bits=8,
        silence_s=10.0,
        aliases=("ze07-co", "ze07co", "ze15-co"),
        wiring="VIN 5 to 12 V; its data lines are 3.3 V and not 5 V tolerant; sensor TXD to host RXD.",
        quirks=(
            "Believe the values 3 minutes after power-up.",
            "Alcohol and hydrogen read as carbon monoxide.",
            "It is no life-safety device.",
            "The sample frame in its manual has a wrong check byte and is rightly refused.",
        ),
        period_s=1.0,
        simulate=Simulator,
        vectors=("drivers.air", "winsen_ze07co.vectors.toml"),
    ),
)
