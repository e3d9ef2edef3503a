"""Ultrasonic level sensors with the four-byte FF frame: A02YYUW, A01NYUB, ME007YS, JSN-SR04T, AJ-SR04M, most DYP.

9600 8N1 TTL, about every 100 to 300 ms:

    0  1  FF        a data byte may be FF too
    1  2  distance, sensor face to surface, mm, big-endian unsigned; 0 = no echo
    3  1  low byte of the sum of bytes 0 to 2; the AJ-SR04M leaves byte 0 out

The rule of the sum follows from the model, never from the frame: accepting either would halve an 8-bit check. Values at
or below the blind zone are not believed: the sensor clamps there, and the water may be at its face.

Sources: DFRobot wiki SEN0311, SEN0312, SEN0313; esphome components a02yyuw, a01nyub, jsn_sr04t; JSN-SR04T output modes.
"""

from __future__ import annotations

from math import pi, sin
from random import Random

from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Implausible, Line, Listening, Option, Options
from drivers.core.framing import SyncFramer

HEADER = b"\xff"
RANGES_MM = {
    "a02": (30, 4500),
    "a01": (280, 7500),
    "me007ys": (280, 4500),
    "jsn-sr04t": (200, 6000),
    "aj-sr04m": (200, 8000),
}
"""Blind zone and reach by variant: what lies above the first and not above the second is believed."""

DEFAULT = "a02"
_WITHOUT_HEADER = "aj-sr04m"


def _size_of(head: bytes) -> int:
    return 4


def _sum_with_header(frame: bytes) -> bool:
    return sum(frame[:3]) & 0xFF == frame[3]


def _sum_without_header(frame: bytes) -> bool:
    return (frame[1] + frame[2]) & 0xFF == frame[3]


def _framer(options: Options) -> Framer:
    holds = _sum_without_header if options.get("variant", DEFAULT) == _WITHOUT_HEADER else _sum_with_header
    return SyncFramer(HEADER, 1, _size_of, holds, max_bytes=4)


def decode(frame: bytes, options: Options) -> Decoded:
    """The distance in a frame whose sum holds."""
    blind_mm, reach_mm = RANGES_MM[str(options.get("variant", DEFAULT))]
    mm = frame[1] << 8 | frame[2]
    if mm == 0:
        raise DeviceFault("the sensor hears no echo")
    if mm <= blind_mm:
        raise Implausible(f"{mm} mm is inside the blind zone of {blind_mm} mm: the water may be at the sensor")
    if mm > reach_mm:
        raise Implausible(f"{mm} mm is beyond the sensor's reach of {reach_mm} mm")
    return Decoded({"distance": mm / 1000})


class Simulator:
    """A gauge over a canal: a slow tide, ripples and a few millimetres of the sensor's own noise."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False
        self._height_mm = Random(seed).uniform(1800, 2600)

    def tick(self, t: float) -> bytes:
        """The frame of the moment `t`."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        mm = self._height_mm + 320 * sin(2 * pi * t / 22_350) + 12 * sin(2 * pi * t / 71) + dice.gauss(0, 2)
        told = 0 if self.is_faulty else min(max(round(mm), 31), 4500)
        data = HEADER + told.to_bytes(2, "big")
        return data + bytes((sum(data) & 0xFF,))

    def answer(self, data: bytes, t: float) -> bytes:
        """It does not listen, but in trigger mode it answers the byte 55."""
        return self.tick(t) if data == b"\x55" else b""


DRIVER = Driver(
    name="ultrasonic-ff4",
    title="Ultrasonic level sensor, four-byte FF frame",
    device_class="water",
    models=("A02YYUW", "A01NYUB", "ME007YS", "JSN-SR04T", "AJ-SR04M", "DYP-A02", "DYP-A01"),
    kind=Listening(_framer, decode),
    quantities=("distance",),
    line=Line(baud=9600),
    sources=(
        "DFRobot wiki SEN0311 (A02YYUW), SEN0312 (ME007YS), SEN0313 (A01NYUB)",
        "github.com/esphome/esphome components/a02yyuw, a01nyub, jsn_sr04t",
    ),
    check_bits=8,
    silence_s=5.0,
    options={
        "variant": Option(DEFAULT, "the model: it decides the sum, the blind zone and the reach", tuple(RANGES_MM))
    },
    aliases=("a02yyuw",),
    wiring="3.3 to 5 V; sensor TX to host RX; A02: RX open filters. Mount it 0.5 m above the highest flood.",
    quirks=(
        "The JSN-SR04T needs 47 kOhm on its mode pads to talk by itself, and does not compensate for temperature.",
        "The SEN0627 sends the same frame in centimetres: not supported.",
    ),
    period_s=0.2,
    simulate=Simulator,
    vectors=("drivers.water", "ultrasonic_ff4.vectors.toml"),
)
DRIVERS = (DRIVER,)
