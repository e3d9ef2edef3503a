"""Panasonic SN-GCJA5 laser dust sensor: a 32-byte frame each second; it takes no commands.

9600 8E1, little-endian unsigned:

     0  1  02
     1 12  PM1, PM2.5, PM10, 4 bytes each, ug/m3 (option `mass_unit`)
    13  6  particles 0.3 to 0.5, 0.5 to 1, 1 to 2.5 um, 2 bytes each, the sensor's own count
    19  2  unused
    21  6  particles 2.5 to 5, 5 to 7.5, 7.5 to 10 um
    27  2  reserved
    29  1  status: bits 7-6 sensor, 5-4 photodiode, 3-2 laser, 1-0 fan; 0 = good
    30  1  exclusive or of bytes 1 to 29
    31  1  03

02 and 03 stand in the data too. A status that is not 0 makes the values suspect (3); photodiode or laser without
function (2), or a fan out of control (3), makes them fail (4).
Disputed: the data sheet divides the masses by 1000, but esphome found whole ug/m3 on the serial line. Disputed: which
two bytes are unused; esphome and the I2C map agree on 19 and 20. Disputed: whether the counts are of one size class or
of all above 0.3 um; so they keep the maker's name and count for no other sensor's.

Sources: Panasonic SN-GCJA5 communication specification; esphome components/gcja5; paulvha/SN-GCJA5_on_raspberry;
sparkfun/SparkFun_Particle_Sensor_SN-GCJA5 (status). No serial capture of a real one was found.
"""

from __future__ import annotations

from functools import reduce
from math import pi, sin
from operator import xor
from random import Random
from struct import Struct

from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Option, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import span_check

_SIZE = 32
_FRAME = Struct("<x3I3H2x3H2xBxx")
_MASSES = ("pm1", "pm2_5", "pm10")
_COUNTS = (
    *("x_panasonic_n0_3_0_5", "x_panasonic_n0_5_1_0", "x_panasonic_n1_0_2_5"),
    *("x_panasonic_n2_5_5_0", "x_panasonic_n5_0_7_5", "x_panasonic_n7_5_10"),
)
_UNITS = {"ug/m3": 1, "ng/m3": 1000}
_SUSPECT, _FAIL = 3, 4
_check_spans = span_check(_MASSES)


def _holds(frame: bytes) -> bool:
    return frame[31] == 3 and reduce(xor, frame[1:31]) == 0


def _framer(options: Options) -> Framer:
    return SyncFramer(b"\x02", 1, lambda head: _SIZE, _holds, max_bytes=_SIZE)


def decode(frame: bytes, options: Options) -> Decoded:
    """One reading of a frame."""
    *words, status = _FRAME.unpack(frame)
    divisor = _UNITS[str(options.get("mass_unit", "ug/m3"))]
    values = {name: mass / divisor for name, mass in zip(_MASSES, words[:3], strict=True)}
    _check_spans(values)
    values |= {name: float(count) for name, count in zip(_COUNTS, words[3:], strict=True)}
    parts = {"sensor_status": status >> 6, "pd_status": status >> 4 & 3, "ld_status": status >> 2 & 3}
    info = {"status": status, **parts, "fan_status": status & 3}
    flag = _FAIL if 2 in (parts["pd_status"], parts["ld_status"]) or status & 3 == 3 else _SUSPECT
    return Decoded(values, dict.fromkeys(values, flag) if status else {}, info)


class Simulator:
    """A sensor in the burning season."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self.is_faulty = False

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        pm2_5 = max(0.0, 50 * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 1.5))
        masses = [round(pm2_5 * k) for k in (0.7, 1.0, 1.2)]
        counts = [round(pm2_5 * k) for k in (26, 10, 3.3, 0.5, 0.16, 0.08)]
        data = bytearray(_FRAME.pack(*masses, *counts, 3 if self.is_faulty else 0))
        data[0], data[30], data[31] = 2, reduce(xor, data[1:30]), 3
        return bytes(data)

    def answer(self, data: bytes, t: float) -> bytes:
        """It has no commands."""
        return b""


DRIVERS = (
    Driver(
        name="panasonic-sn-gcja5",
        title="Panasonic SN-GCJA5 dust sensor",
        device_class="air",
        models=("SN-GCJA5", "SN-GCJA5L"),
        kind=Listening(_framer, decode),
        quantities=(*_MASSES, *_COUNTS),
        line=Line(baud=9600, parity="E"),
        sources=(
            "Panasonic SN-GCJA5 communication specification",
            "github.com/esphome/esphome components/gcja5",
            "github.com/paulvha/SN-GCJA5_on_raspberry",
        ),
        check_bits=8,
        silence_s=10.0,
        options={
            "mass_unit": Option("ug/m3", "what the masses come in; ng/m3 as the data sheet has it", tuple(_UNITS))
        },
        aliases=("sn-gcja5", "gcja5"),
        wiring="VCC 5 V; sensor TX to host RX; mind the even parity.",
        quirks=(
            "Believe the values 28 s after power-up.",
            "If the masses are a thousand times too large, set the option mass_unit to ng/m3.",
            "The meaning of its particle counts is disputed: compare them with nothing but themselves.",
        ),
        period_s=1.0,
        simulate=Simulator,
        vectors=("drivers.air", "panasonic_sn_gcja5.vectors.toml"),
    ),
)
