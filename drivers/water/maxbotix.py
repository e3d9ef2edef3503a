"""MaxBotix HRXL-MaxSonar-WR ultrasonic level sensors, MB7360 to MB7389: a line of text some six times a second.

9600 8N1, TTL (MB738x) or RS-232 polarity of 0 V to VCC (MB736x):

    0  1  52 ("R")
    1  4  distance, sensor face to surface, four ASCII digits, mm
    5  1  0D; a blank before it and FF bytes anywhere are dropped

There is no check: a turned bit in a digit is another digit. The top value of a model (5000 or 9999) means that nothing
was heard, so the model must be told. The lowest (300 or 500) is a clamp: the water may be at the sensor, so it is
suspect (3) and `at_min_range` says why. At power-up it sends five lines of text, one of which begins with R.

Sources: MaxBotix PD11500 and PD12141 data sheets; EnviroDIY/ModularSensors MaxBotixSonar; esphome hrxl_maxsonar_wr.
"""

from __future__ import annotations

import re
from math import pi, sin
from random import Random

from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Implausible, Line, Listening, Option, Options
from drivers.core.patterned import PatternFramer

_SUSPECT = 3
_FRAME = re.compile(rb"R\xff{0,2}(?:[0-9]\xff{0,2}){4} ?\xff{0,2}\r")
_BEGINNING = re.compile(rb"R\xff{0,2}(?:[0-9]\xff{0,2}){0,4} ?\xff{0,2}\Z")
_RANGES_MM = {"5 m": (300, 5000), "5 m from 0.5 m": (500, 5000), "10 m": (500, 9999)}
_MODELS = {
    **dict.fromkeys(("mb7360", "mb7369", "mb7380", "mb7389"), "5 m"),
    **dict.fromkeys(("mb7354", "mb7374"), "5 m from 0.5 m"),
    **dict.fromkeys(("mb7363", "mb7366", "mb7383", "mb7386"), "10 m"),
}
DEFAULT = "mb7389"


def _framer(options: Options) -> Framer:
    return PatternFramer(_FRAME, _BEGINNING)


def decode(frame: bytes, options: Options) -> Decoded:
    """The distance in a line."""
    low, high = _RANGES_MM[_MODELS[str(options.get("model", DEFAULT))]]
    mm = int(frame.replace(b"\xff", b"")[1:5])
    if mm == high:
        raise DeviceFault(f"no target: {mm} mm is this model's top value")
    if not low <= mm < high:
        raise Implausible(f"{mm} mm is outside {low} to {high} mm: another model?")
    is_clamped = mm == low
    return Decoded({"distance": mm / 1000}, {"distance": _SUSPECT} if is_clamped else {}, {"at_min_range": is_clamped})


class Simulator:
    """A sensor under a bridge; at power-up it tells what it is."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False
        self._height_mm = Random(seed).uniform(1800, 2600)

    def tick(self, t: float) -> bytes:
        """The line of the moment `t`."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        mm = self._height_mm + 320 * sin(2 * pi * t / 22_350) + 12 * sin(2 * pi * t / 71) + dice.gauss(0, 1)
        return b"R%04d\r" % (5000 if self.is_faulty else min(max(round(mm), 300), 4999))

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens to a level on a pin only."""
        return b""


DRIVERS = (
    Driver(
        name="maxbotix-mb73xx",
        title="MaxBotix HRXL-MaxSonar-WR ultrasonic level sensor",
        device_class="water",
        models=tuple(name.upper() for name in _MODELS),
        kind=Listening(_framer, decode),
        quantities=("distance",),
        line=Line(baud=9600),
        sources=(
            "MaxBotix PD11500 (HRXL-MaxSonar-WR) and PD12141 data sheets",
            "github.com/EnviroDIY/ModularSensors src/sensors/MaxBotixSonar",
            "github.com/esphome/esphome components/hrxl_maxsonar_wr",
        ),
        check_bits=0,
        silence_s=5.0,
        options={"model": Option(DEFAULT, "it decides the range, and which value means no target", tuple(_MODELS))},
        aliases=("maxbotix", *_MODELS),
        wiring="3.3 to 5 V; pin 5 to host RX; MB736x: through an RS-232 receiver or inverter; pin 4 open: it talks.",
        quirks=(
            "It has no check sum: take the median of several readings.",
            "No data at all is often an inverted line: MB736x have the polarity of RS-232.",
            "Its lowest value is a clamp: the water may be at its face. Mount it 0.5 m above the highest flood.",
            "Sun on its housing warms its thermometer: the distance is then wrong by 0.17 percent a kelvin.",
        ),
        period_s=0.15,
        simulate=Simulator,
        vectors=("drivers.water", "maxbotix.vectors.toml"),
    ),
)
