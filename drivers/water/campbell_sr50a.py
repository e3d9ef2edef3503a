"""Campbell Scientific SR50A sonic distance sensor: a line of text with a check sum.

RS-232 or RS-485, 9600 8N1:

    02 aa;D;QQQ;VVVVV;CC 0D 0A 03

    aa     address        D  distance, sensor face to target, in the unit it is set to (option `unit`)
    QQQ    quality: 162 good to 600 poor, above 300 suspect (3); 0 = no echo        VVVVV  diagnosis
    CC     two upper-case hex digits: two's complement of the low byte of the sum of all from 02 to the last `;` and
           of 0D, 0A and 03

A distance of 0 or -999 is no reading.

Source: Campbell Scientific SR50A manual, RS-232 and RS-485 output and its check sum example.
"""

from __future__ import annotations

import re
from math import pi, sin
from random import Random

from drivers.core.checksums import sum8
from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Implausible, Line, Listening, Option, Options
from drivers.core.patterned import PatternFramer

_FRAME = re.compile(rb"\x02[0-9A-Za-z]{1,2};-?[0-9.]{1,8};[0-9]{1,3};[0-9]{1,6};[0-9A-F]{2}\r\n\x03")
_BEGINNING = re.compile(rb"\x02[0-9A-Za-z;.-]{0,30}\r?\n?\Z")
_STEPS_PER_M = {"mm": 1000.0, "cm": 100.0, "m": 1.0, "in": 1 / 0.0254, "ft": 1 / 0.3048}
_MIN_M, _MAX_M = 0.5, 10.0
_GOOD_UP_TO, _SUSPECT = 300, 3


def check_of(text: bytes) -> bytes:
    """The two digits that close a line whose bytes from 02 to the last `;` are these."""
    return b"%02X" % (-sum8(text + b"\r\n\x03") & 0xFF)


def _holds(frame: bytes) -> bool:
    return check_of(frame[:-5]) == frame[-5:-3]


def _framer(options: Options) -> Framer:
    return PatternFramer(_FRAME, _BEGINNING, _holds)


def decode(frame: bytes, options: Options) -> Decoded:
    """The distance in a line whose check sum holds."""
    address, distance, quality, diagnosis = frame[1:-6].decode("ascii").split(";")
    try:
        told = float(distance)
    except ValueError:
        raise Implausible(f"{distance!r} is no number") from None
    if told in (0, -999) or int(quality) == 0:
        raise DeviceFault(f"no echo: distance {distance}, quality {quality}, diagnosis {diagnosis}")
    unit = str(options.get("unit", "mm"))
    metres = told / _STEPS_PER_M[unit]
    if not _MIN_M <= metres <= _MAX_M:
        raise Implausible(f"{distance} {unit} is outside {_MIN_M:g} to {_MAX_M:g} m: is it set to another unit?")
    flags = {"distance": _SUSPECT} if int(quality) > _GOOD_UP_TO else {}
    return Decoded({"distance": metres}, flags, {"address": address, "quality": int(quality), "diagnosis": diagnosis})


class Simulator:
    """A sensor over a weir's pool."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False
        self._middle_mm = Random(seed).uniform(1500, 2500)

    def tick(self, t: float) -> bytes:
        """The line of the moment `t`."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        mm = round(self._middle_mm + 300 * sin(2 * pi * t / 22_350) + dice.gauss(0, 1))
        told = (0, 0) if self.is_faulty else (mm, 165 + dice.randrange(30))
        text = b"\x0233;%d;%d;11011;" % told
        return text + check_of(text) + b"\r\n\x03"

    def answer(self, data: bytes, t: float) -> bytes:
        """It is set to talk by itself."""
        return b""


DRIVERS = (
    Driver(
        name="campbell-sr50a",
        title="Campbell Scientific SR50A sonic distance sensor",
        device_class="water",
        models=("SR50A", "SR50AT"),
        kind=Listening(_framer, decode),
        quantities=("distance",),
        line=Line(baud=9600),
        sources=("Campbell Scientific SR50A manual, RS-232 and RS-485 output",),
        check_bits=8,
        silence_s=200.0,
        options={"unit": Option("mm", "the unit that its output is set to", tuple(_STEPS_PER_M))},
        aliases=("sr50a",),
        wiring="9 to 18 V; RS-232 or RS-485 by its jumpers; set to send by itself.",
        quirks=(
            "Without its own thermometer (SR50AT) its distance holds at 0 Cel: multiply by the root of T/273.15 K.",
            "Give the unit: 1838 in mm and 1.838 in m are one distance.",
        ),
        period_s=60.0,
        simulate=Simulator,
        vectors=("drivers.water", "campbell_sr50a.vectors.toml"),
    ),
)
