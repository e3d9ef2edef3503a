"""Winsen ZH03B and ZH06-I laser dust sensors: a 24-byte frame each second, or nine bytes when asked.

9600 8N1, big-endian unsigned words in ug/m3. In initiative mode, as delivered:

     0  2  42 4D
     2  2  00 14   bytes that follow, 20
     4  6  reserved
    10  6  PM1, PM2.5, PM10
    16  6  reserved
    22  2  sum of bytes 0 to 21

The answer to `FF 01 86`, in another order:

     0  2  FF 86
     2  6  PM2.5, PM10, PM1
     8  1  two's complement of the sum of bytes 1 to 7

FF A7 01 acknowledges dormant on and off. Both frames are read; at start the sensor is woken and set to initiative mode.

Sources: Winsen ZH03B manual; avaldebe/PyPMS; Bjk8kds/esphome-zh03b-sensor; Theoi-Meteoroi/Winsen_ZH03B. No capture of
a real one was found.
"""

from __future__ import annotations

from math import pi, sin
from random import Random
from struct import Struct

from drivers.air import _winsen as winsen
from drivers.core.checksums import sum16
from drivers.core.commands import Command, Wear
from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Options
from drivers.core.mixed import FrameKind, MixedFramer
from drivers.core.quantities import span_check

COMMANDS = {
    "set_qa_mode": winsen.QUESTION_MODE,
    "set_initiative_mode": winsen.INITIATIVE_MODE,
    "read": Command(winsen.command(winsen.READ), b"\xff\x86"),
    "dormant_on": winsen.DORMANT_ON,
    "dormant_off": winsen.DORMANT_OFF,
}
START = (COMMANDS["dormant_off"], COMMANDS["set_initiative_mode"])

_UPLOAD = Struct(">10x3H8x")
_REPLY = Struct(">2x3Hx")
_QUANTITIES = ("pm1", "pm2_5", "pm10")
_check_spans = span_check(_QUANTITIES)


def _upload_size(head: bytes) -> int:
    return 24 if head[2:] == b"\x00\x14" else 0


def _sum_holds(frame: bytes) -> bool:
    return sum(frame[:-2]) == frame[-2] << 8 | frame[-1]


def _reply_size(head: bytes) -> int:
    return winsen.SIZE if head[1] in (winsen.READ, 0xA7) else 0


_KINDS = (
    FrameKind(b"\x42\x4d", 4, _upload_size, _sum_holds),
    FrameKind(b"\xff", 2, _reply_size, winsen.holds),
)


def _framer(options: Options) -> Framer:
    return MixedFramer(_KINDS, max_bytes=24)


def decode(frame: bytes, options: Options) -> Decoded | None:
    """One reading of either frame; None for an acknowledgement."""
    if len(frame) == _UPLOAD.size:
        pm1, pm2_5, pm10 = _UPLOAD.unpack(frame)
    elif frame[1] == winsen.READ:
        pm2_5, pm10, pm1 = _REPLY.unpack(frame)
    else:
        return None
    values = {"pm1": float(pm1), "pm2_5": float(pm2_5), "pm10": float(pm10)}
    _check_spans(values)
    return Decoded(values)


class Simulator:
    """A sensor with both modes and sleep."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self._talks = True
        self._is_dormant = False

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`, in initiative mode and awake."""
        if self._is_dormant or not self._talks:
            return b""
        words = b"".join(word.to_bytes(2, "big") for word in self._masses(t))
        data = b"\x42\x4d\x00\x14" + words + words + bytes(6)
        return data + sum16(data).to_bytes(2, "big")

    def answer(self, data: bytes, t: float) -> bytes:
        """Replies to read and dormant; the mode command has none."""
        code, said = winsen.heard(data)
        if code == 0xA7:
            self._is_dormant = said[0] == 1
            return winsen.reply(0xA7, 1)
        if code == 0x78 and said[0] in (0x40, 0x41):
            self._talks = said[0] == 0x40
        if code != winsen.READ or self._is_dormant:
            return b""
        pm1, pm2_5, pm10 = (word.to_bytes(2, "big") for word in self._masses(t))
        return winsen.closed(b"\xff\x86" + pm2_5 + pm10 + pm1)

    def _masses(self, t: float) -> tuple[int, int, int]:
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        pm2_5 = max(0.0, 55 * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 1.5))
        return round(pm2_5 * 0.7), round(pm2_5), round(pm2_5 * 1.15)


DRIVERS = (
    Driver(
        name="winsen-zh03b",
        title="Winsen ZH03B, ZH06-I dust sensor",
        device_class="air",
        models=("ZH03B", "ZH06-I"),
        kind=Listening(_framer, decode, START),
        quantities=_QUANTITIES,
        line=Line(baud=9600),
        sources=(
            "Winsen ZH03B manual",
            "github.com/avaldebe/PyPMS src/pms/sensors/winsen/zh0xx.py",
            "github.com/Bjk8kds/esphome-zh03b-sensor",
            "github.com/Theoi-Meteoroi/Winsen_ZH03B",
        ),
        check_bits=8,
        silence_s=10.0,
        aliases=("zh03b", "zh06-i"),
        wiring="VCC 5 V, but its data lines are 3.3 V and not 5 V tolerant; sensor TXD to host RXD, RXD to host TXD.",
        quirks=(
            "Believe the values 30 s after it left the dormant state.",
            "The answer to a question and the frame of its own have different orders.",
            "A sensor left in question mode or dormant is silent; both are set back at every start.",
        ),
        period_s=1.0,
        wear=Wear(warm_up_s=30, sleep=(COMMANDS["dormant_on"],)),
        simulate=Simulator,
        vectors=("drivers.air", "winsen_zh03b.vectors.toml"),
    ),
)
