"""Honeywell HPMA115S0 (standard) and HPMA115C0 (compact) laser dust sensors: a 32-byte frame each second.

9600 8N1, big-endian unsigned words in ug/m3. The frame of auto-send, in which the sensor starts:

     0  2  42 4D
     2  2  00 1C     bytes that follow, 28
     4 26  words: S0 reserved, PM2.5, PM10, reserved …      C0 PM1, PM2.5, PM4, PM10, reserved …
    30  2  sum of bytes 0 to 29

The answer to the question 68 01 04 93, also read here:

     0  2  40 LEN    S0: 05, C0: 0D (the datasheet prints 05 there too; real ones send 0D)
     2  1  04
     3  …  S0 PM2.5, PM10; C0 PM1, PM2.5, PM4, PM10, 4 bytes reserved
    -1  1  two's complement of the sum of all bytes before

Commands are 68 LEN CMD DATA and the same check. A5 A5 is yes and 96 96 is no: two bytes without a check, so they mean
something only while a command is open.

Sources: Honeywell HPM Series datasheet, tables 4 to 7; avaldebe/PyPMS issue 26 (LEN of the C0); jedp/PMSensor-HPMA115
(auto-send of the C0); Arduino forum topic 471975.
"""

from __future__ import annotations

from functools import partial
from math import pi, sin
from random import Random
from struct import Struct

from drivers.core.checksums import sum8, sum16
from drivers.core.commands import Command, Wear, named
from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Options
from drivers.core.mixed import FrameKind, MixedFramer
from drivers.core.quantities import span_check

YES, NO = b"\xa5\xa5", b"\x96\x96"
_READ, _COEFFICIENT = 0x04, 0x10


def closed(data: bytes) -> bytes:
    """The bytes and the check of commands and answers."""
    return data + bytes((-sum8(data) & 0xFF,))


COMMANDS = named(
    {
        "read": Command(closed(b"\x68\x01\x04"), b"\x40"),
        "start": Command(closed(b"\x68\x01\x01"), YES, NO),
        "stop": Command(closed(b"\x68\x01\x02"), YES, NO),
        "get_coefficient": Command(closed(b"\x68\x01\x10"), b"\x40\x02\x10"),
        "stop_auto_send": Command(closed(b"\x68\x01\x20"), YES, NO),
        "enable_auto_send": Command(closed(b"\x68\x01\x40"), YES, NO),
    }
)
START = (COMMANDS["start"], COMMANDS["enable_auto_send"])
WEAR = Wear(warm_up_s=6, life_h=20_000, sleep=(COMMANDS["stop"],))


def _upload_size(head: bytes) -> int:
    return 32 if head[2:] == b"\x00\x1c" else 0


def _upload_holds(frame: bytes) -> bool:
    return sum(frame[:-2]) == frame[-2] << 8 | frame[-1]


def _reply_holds(frame: bytes) -> bool:
    return sum(frame) & 0xFF == 0


class _Model:
    """One of the two: the words of its frames and their quantities."""

    def __init__(self, upload: str, reply: str, *quantities: str) -> None:
        self._upload = Struct(upload)
        self._reply = Struct(reply)
        self.quantities = quantities
        self._sizes = {self.head: self._reply.size, bytes((0x40, 2, _COEFFICIENT)): 5}
        self._check_spans = span_check(quantities)
        self._kinds = (
            FrameKind(b"\x42\x4d", 4, _upload_size, _upload_holds),
            FrameKind(b"\x40", 3, lambda head: self._sizes.get(head, 0), _reply_holds),
            FrameKind(YES, 2, len, lambda frame: True),
            FrameKind(NO, 2, len, lambda frame: True),
        )

    @property
    def head(self) -> bytes:
        """How its answer to read begins."""
        return bytes((0x40, self._reply.size - 3, _READ))

    def framer(self, options: Options) -> Framer:
        """Frames of auto-send, answers and acknowledgements."""
        return MixedFramer(self._kinds, max_bytes=32)

    def decode(self, frame: bytes, options: Options) -> Decoded | None:
        """One reading; None for an acknowledgement and for the coefficient."""
        if len(frame) == self._upload.size:
            words = self._upload.unpack(frame)
        elif frame.startswith(self.head):
            words = self._reply.unpack(frame)
        else:
            return None
        values = dict(zip(self.quantities, map(float, words), strict=True))
        self._check_spans(values)
        return Decoded(values)

    def upload(self, *words: int) -> bytes:
        """A frame of auto-send, for the simulated sensor."""
        data = bytearray(self._upload.pack(*words))
        data[:4], data[28] = b"\x42\x4d\x00\x1c", 0x51
        data[30:] = sum16(bytes(data[:30])).to_bytes(2, "big")
        return bytes(data)

    def reply(self, *words: int) -> bytes:
        """An answer to read, for the simulated sensor."""
        return closed(self.head + self._reply.pack(*words)[3:-1])


S0 = _Model(">6x2H22x", ">3x2Hx", "pm2_5", "pm10")
C0 = _Model(">4x4H20x", ">3x4H5x", "pm1", "pm2_5", "pm4", "pm10")


class Simulator:
    """A sensor that talks by itself until told otherwise."""

    def __init__(self, model: _Model, seed: int, address: int) -> None:
        self._model = model
        self._seed = seed
        self._measures = True
        self._talks = True

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`, while it measures and auto-send is on."""
        return self._model.upload(*self._words(t)) if self._measures and self._talks else b""

    def answer(self, data: bytes, t: float) -> bytes:
        """Replies to the commands; no to a question while it does not measure."""
        if len(data) < 4 or data[0] != 0x68 or len(data) != data[1] + 3 or not _reply_holds(data):
            return b""
        code = data[2]
        if code == _READ:
            return self._model.reply(*self._words(t)) if self._measures else NO
        if code == _COEFFICIENT:
            return closed(bytes((0x40, 2, _COEFFICIENT, 100)))
        if code in (0x01, 0x02):
            self._measures = code == 0x01
        elif code in (0x20, 0x40):
            self._talks = code == 0x40
        else:
            return NO
        return YES

    def _words(self, t: float) -> list[int]:
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        pm2_5 = max(0.0, 52 * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 1.5))
        factors = {"pm1": 0.72, "pm2_5": 1.0, "pm4": 1.08, "pm10": 1.2}
        return [round(pm2_5 * factors[name]) for name in self._model.quantities]


_driver = partial(
    Driver,
    device_class="air",
    line=Line(baud=9600),
    check_bits=8,
    silence_s=10.0,
    wiring="VCC 5 V, but its data lines are 3.3 V and 5 V destroys them; sensor TX to host RX, RX to host TX.",
    quirks=(
        "Believe the values 6 s after it was started.",
        "Its fan and laser last 20000 h.",
        "Auto-send is on again after every power cut, and is switched on at every start.",
        "Its own frames begin like a Plantower's: the model must be known.",
    ),
    period_s=1.0,
    wear=WEAR,
    vectors=("drivers.air", "honeywell.vectors.toml"),
)
DRIVERS = (
    _driver(
        name="honeywell-hpma115s0",
        title="Honeywell HPMA115S0 dust sensor (standard)",
        models=("HPMA115S0",),
        kind=Listening(S0.framer, S0.decode, START),
        quantities=S0.quantities,
        sources=(
            "Honeywell HPM Series datasheet, tables 4 to 6",
            "github.com/avaldebe/PyPMS src/pms/sensors/honeywell/hpma115s0.py",
            "Arduino forum topic 471975",
        ),
        aliases=("hpma115s0",),
        simulate=partial(Simulator, S0),
    ),
    _driver(
        name="honeywell-hpma115c0",
        title="Honeywell HPMA115C0 dust sensor (compact)",
        models=("HPMA115C0",),
        kind=Listening(C0.framer, C0.decode, START),
        quantities=C0.quantities,
        sources=(
            "Honeywell HPM Series datasheet, tables 4 to 7",
            "github.com/avaldebe/PyPMS issue 26",
            "github.com/jedp/PMSensor-HPMA115",
        ),
        aliases=("hpma115c0",),
        simulate=partial(Simulator, C0),
    ),
)
