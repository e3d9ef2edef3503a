"""Benewake TF-Luna, TFmini-S, TFmini Plus and TFmini lidars: nine bytes, 100 times a second.

115200 8N1 TTL 3.3 V, little-endian:

    0  2  59 59
    2  2  distance, cm (mm where its format was set so: option `unit`); 0, FFFC, FFFE, FFFF and 4500 cm = none
    4  2  strength; below 100 too weak, FFFF over-exposed
    6  2  chip temperature, raw / 8 - 256 Cel; the first TFmini has its mode here (option `temperature`)
    8  1  low byte of the sum of bytes 0 to 7

Sources: opensensinglab/tfmini PR 16 and issue 2; budryerson/TFMini-Plus issues 11, 15, 44; ArduPilot issue 23269.
"""

from __future__ import annotations

from math import pi, sin
from random import Random
from struct import Struct

from drivers.core.checksums import sum8
from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Implausible, Line, Listening, Option, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import span_check

HEADER = b"\x59\x59"
_SIZE = 9
_FRAME = Struct("<2x3Hx")
_NONE = {0: "no distance", 0xFFFF: "the signal is weak", 0xFFFE: "the signal is saturated", 0xFFFC: "ambient light"}
_WEAK, _OVEREXPOSED = 100, 0xFFFF
_NONE_CM = 4500
_REACH_M = 12.0
_STEPS = {"cm": 100, "mm": 1000}
CHIP, NO_TEMPERATURE = "chip", "none"
_check_spans = span_check(("device_temperature",))


def _holds(frame: bytes) -> bool:
    return sum8(frame[:8]) == frame[8]


def _framer(options: Options) -> Framer:
    return SyncFramer(HEADER, 2, lambda head: _SIZE, _holds, max_bytes=_SIZE)


def decode(frame: bytes, options: Options) -> Decoded:
    """Distance and strength in a frame whose sum holds."""
    raw, strength, temperature = _FRAME.unpack(frame)
    steps = _STEPS[str(options.get("unit", "cm"))]
    if raw in _NONE or raw * 100 == _NONE_CM * steps:
        raise DeviceFault(f"{_NONE.get(raw, 'nothing in reach')}: distance {raw}, strength {strength}")
    if strength < _WEAK or strength == _OVEREXPOSED:
        raise DeviceFault(f"strength {strength} is {'too weak' if strength < _WEAK else 'over-exposed'}")
    if raw > _REACH_M * steps:
        raise Implausible(f"{raw / steps:g} m is beyond its reach of {_REACH_M:g} m: cm and mm mixed up?")
    values = {"distance": raw / steps, "echo_strength": float(strength)}
    if options.get("temperature", CHIP) == CHIP:
        values["device_temperature"] = temperature / 8 - 256
        _check_spans(values)
    return Decoded(values)


class Simulator:
    """A lidar over a float in a stilling tube."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False
        self._middle_cm = Random(seed).uniform(200, 300)

    def tick(self, t: float) -> bytes:
        """The frame of the moment `t`."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        cm = round(self._middle_cm + 60 * sin(2 * pi * t / 22_350) + dice.gauss(0, 0.5))
        strength = 20 if self.is_faulty else 2400 + dice.randrange(200)
        data = HEADER + _FRAME.pack(cm, strength, (48 + 256) * 8)[2:8]
        return data + bytes((sum8(data),))

    def answer(self, data: bytes, t: float) -> bytes:
        """Its commands are left to its maker's tool."""
        return b""


DRIVERS = (
    Driver(
        name="benewake-tf",
        title="Benewake TF-Luna, TFmini-S, TFmini Plus lidar",
        device_class="water",
        models=("TF-Luna", "TFmini-S", "TFmini Plus", "TFmini"),
        kind=Listening(_framer, decode),
        quantities=("distance", "echo_strength", "device_temperature"),
        line=Line(baud=115200),
        sources=(
            "github.com/opensensinglab/tfmini PR 16, issue 2",
            "github.com/budryerson/TFMini-Plus issues 11, 15, 44",
            "github.com/ArduPilot/ardupilot issue 23269",
        ),
        check_bits=8,
        silence_s=5.0,
        options={
            "unit": Option("cm", "what its format counts the distance in", tuple(_STEPS)),
            "temperature": Option(CHIP, "none for the first TFmini, which has its mode there", (CHIP, NO_TEMPERATURE)),
        },
        aliases=("tf-luna", "tfmini-s", "tfmini-plus", "tfmini"),
        wiring="5 V, data lines 3.3 V; sensor TX to host RX.",
        quirks=(
            "Its light goes into clear or calm water and mirrors off it: use a float or a stilling tube.",
            "Serial links of it are known to lose and shift bytes.",
            "Its temperature is the chip's, not that of air or water.",
        ),
        period_s=0.01,
        simulate=Simulator,
        vectors=("drivers.water", "benewake_tf.vectors.toml"),
    ),
)
