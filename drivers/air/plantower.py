"""Plantower PMS5003, PMS7003, PMSA003 and PMS1003 laser dust sensors: a 32-byte frame about once a second.

9600 8N1, big-endian unsigned words:

     0  2  42 4D
     2  2  00 1C   bytes that follow, 28
     4  6  PM1, PM2.5, PM10 in ug/m3, CF=1 (factory calibration)
    10  6  PM1, PM2.5, PM10 in ug/m3, atmospheric: the headline
    16 12  particles per 0.1 L larger than 0.3, 0.5, 1, 2.5, 5, 10 um
    28  1  version
    29  1  error code, 0 = none
    30  2  sum of bytes 0 to 29

A command is answered by 8 bytes, `42 4D 00 04 CMD DATA` and the sum of bytes 0 to 5: a frame, but no reading.
Both columns agree up to about 30 ug/m3, above it the atmospheric one falls to about 2/3; smoke corrections are defined
on one named column, so both are kept. A DFRobot SEN0177 leaves the atmospheric words zero: they are not believed then.

Sources: Plantower PMS5003 series data manual, English V2.3; avaldebe/PyPMS src/pms/sensors/plantower; esphome
components/pmsx003; Open-Air-Foundation PR 236 (byte 28 is the firmware version); adafruit/Adafruit_PM25AQI issue 22.
"""

from __future__ import annotations

from math import pi, sin
from random import Random
from struct import Struct

from drivers.core.checksums import sum16
from drivers.core.commands import Command, Wear, named
from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Line, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import span_check

HEADER = b"\x42\x4d"
COMMANDS = named(
    {
        "passive_mode": Command(bytes.fromhex("424de100000170"), bytes.fromhex("424d0004e1000174")),
        "active_mode": Command(bytes.fromhex("424de100010171"), bytes.fromhex("424d0004e1010175")),
        "passive_read": Command(bytes.fromhex("424de200000171")),
        "sleep": Command(bytes.fromhex("424de400000173"), bytes.fromhex("424d0004e4000177")),
        "wake": Command(bytes.fromhex("424de400010174")),
    }
)
"""What the sensor is told. Wake has no reply: frames follow in active mode, nothing in passive mode."""

START = (COMMANDS["wake"], COMMANDS["active_mode"])
WEAR = Wear(warm_up_s=30, life_h=26_000, sleep=(COMMANDS["sleep"],))
"""Three years of running, as the makers say; no test of it was found."""
_SIZES = {b"\x00\x1c": 32, b"\x00\x04": 8}
_FRAME = Struct(">4x12HBB2x")
_QUANTITIES = (
    *("pm1_cf1", "pm2_5_cf1", "pm10_cf1", "pm1", "pm2_5", "pm10"),
    *("pn_above_0_3", "pn_above_0_5", "pn_above_1", "pn_above_2_5", "pn_above_5", "pn_above_10"),
)
_check_spans = span_check(_QUANTITIES)


def _size_of(head: bytes) -> int:
    return _SIZES.get(head[2:], 0)


def sum_holds(frame: bytes) -> bool:
    """Whether the frame's last two bytes are the sum of those before."""
    return sum(frame[:-2]) == frame[-2] << 8 | frame[-1]


def _framer(options: Options) -> Framer:
    return SyncFramer(HEADER, 4, _size_of, sum_holds, max_bytes=32)


def decode(frame: bytes, options: Options) -> Decoded | None:
    """One reading of a 32-byte frame; None for an acknowledgement."""
    if len(frame) != _FRAME.size:
        return None
    s1, s25, s10, a1, a25, a10, n03, n05, n1, n25, n5, n10, version, error = _FRAME.unpack(frame)
    if error:
        raise DeviceFault(f"the sensor reports error code 0x{error:02X}")
    values: dict[str, float] = {
        "pm1_cf1": float(s1),
        "pm2_5_cf1": float(s25),
        "pm10_cf1": float(s10),
        "pm1": float(a1),
        "pm2_5": float(a25),
        "pm10": float(a10),
        "pn_above_0_3": n03 / 100,
        "pn_above_0_5": n05 / 100,
        "pn_above_1": n1 / 100,
        "pn_above_2_5": n25 / 100,
        "pn_above_5": n5 / 100,
        "pn_above_10": n10 / 100,
    }
    _check_spans(values)
    info = {"version": version, "error_code": error}
    if s10 > 5 and not (a1 or a25 or a10):
        return Decoded(values, {"pm1": 4, "pm2_5": 4, "pm10": 4}, info)
    return Decoded(values, {}, info)


class Simulator:
    """A sensor in the burning season: smoke that comes and goes over hours, with the sensor's own noise."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self._base = Random(seed).uniform(35, 70)
        self._passive = False
        self.is_faulty = False

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`; nothing in passive mode."""
        return b"" if self._passive else self._frame(t)

    def answer(self, data: bytes, t: float) -> bytes:
        """Replies to the mode and read commands."""
        if len(data) != 7 or data[:2] != HEADER or sum16(data[:5]) != int.from_bytes(data[5:], "big"):
            return b""
        command, value = data[2], data[4]
        if command == 0xE2:
            return self._frame(t)
        if command == 0xE1:
            self._passive = value == 0
        elif command == 0xE4:
            self._passive = value == 0
            if value:
                return b""
        else:
            return b""
        return closed(HEADER + bytes((0, 4, command, value)))

    def _frame(self, t: float) -> bytes:
        return closed(HEADER + b"\x00\x1c" + packed(self.words(t)) + self.ending())

    def ending(self) -> bytes:
        """Version and error code."""
        return b"\x97\x02" if self.is_faulty else b"\x97\x00"

    def words(self, t: float) -> list[int]:
        """The six masses and six counts at `t` seconds, as the sensor sends them."""
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        pm25 = self._base * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 1.2)
        pm25 = max(0.0, pm25)
        thick = 1 + 0.5 * min(1.0, max(0.0, pm25 - 30) / 20)
        mass = [pm25 * 0.66, pm25, pm25 * 1.22 + max(0.0, dice.gauss(1, 1))]
        counts = [pm25 * k for k in (170, 49, 8.2, 0.8, 0.25, 0.1)]
        return [*(round(m * thick) for m in mass), *(round(m) for m in mass), *(round(n) for n in counts)]


def packed(words: list[int]) -> bytes:
    """Words of the frame, high byte first; what does not fit stands at its limit."""
    return b"".join(min(word, 65535).to_bytes(2, "big") for word in words)


def closed(data: bytes) -> bytes:
    """The bytes with their sum behind them."""
    return data + sum16(data).to_bytes(2, "big")


DRIVER = Driver(
    name="plantower-pmsx003",
    title="Plantower PMS5003/7003/A003 dust sensor",
    device_class="air",
    models=("PMS5003", "PMS7003", "PMSA003", "PMS1003"),
    kind=Listening(_framer, decode, START),
    quantities=_QUANTITIES,
    line=Line(baud=9600),
    sources=(
        "Plantower PMS5003 series data manual, English V2.3",
        "github.com/avaldebe/PyPMS src/pms/sensors/plantower",
        "github.com/esphome/esphome components/pmsx003",
    ),
    check_bits=16,
    silence_s=10.0,
    aliases=("pms5003", "pms7003", "pmsa003", "pms1003", "pmsx003"),
    wiring="VCC 5 V, but its data lines are 3.3 V and not 5 V tolerant; sensor TXD to host RXD; SET open or high.",
    quirks=(
        "Believe the values 30 s after power-up, when the fan has settled.",
        "Several identical frames in a row are normal.",
        "PMS5003T and PMS5003S send the same header and length with other contents: the model must be known.",
        "A sensor left in passive mode or asleep is silent; it is woken and set to active mode at every start.",
        "Its laser lasts about three years of running time.",
    ),
    period_s=1.0,
    wear=WEAR,
    simulate=Simulator,
    vectors=("drivers.air", "plantower.vectors.toml"),
)
DRIVERS = (DRIVER,)
