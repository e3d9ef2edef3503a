"""Winsen MH-Z19, MH-Z19B and MH-Z19C carbon dioxide sensors: nine bytes when asked.

9600 8N1. Question FF 01 86 00 00 00 00 00 79, answer:

    0  2  FF 86
    2  2  carbon dioxide, ppm, big-endian unsigned
    4  1  temperature + 40 Cel, undocumented; always 0 on an MH-Z19C and on firmware 5: then it fails (4)
    5  1  status, undocumented
    6  2  undocumented
    8  1  two's complement of the sum of bytes 1 to 7

FF 79 acknowledges the self-calibration command and may come late: it never passes for an answer. Some units are stuck
in a stream of 16-byte frames, 42 4D … and the low byte of the sum, and answer nothing: that is told as a device fault.
The zero calibration, FF 01 87, takes the present air for 400 ppm: it is not among the commands here.

Sources: Winsen MH-Z19B manual; Erriez/ErriezMHZ19B; strange-v/MHZ19 issue 14, WifWaf/MH-Z19 issues 36 and 43 (byte 4);
letscontrolit/ESPEasy issue 2394 (late acknowledgement); UedaTakeyuki/mh-z19 issue 52 (stuck stream).
"""

from __future__ import annotations

from functools import partial
from math import pi, sin
from random import Random

from drivers.air import _winsen as winsen
from drivers.core.checksums import sum8
from drivers.core.commands import Command, named
from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Driver,
    Exchange,
    FixedBits,
    Framer,
    Integrity,
    Line,
    Option,
    Options,
    Polled,
    Rejection,
    Request,
    Truncated,
)
from drivers.core.mixed import FrameKind, MixedFramer, SiftedFramer
from drivers.core.quantities import span_check

SELF_CALIBRATION = 0x79
COMMANDS = named(
    {
        "read_co2": Command(winsen.command(winsen.READ), b"\xff\x86"),
        "abc_on": Command(winsen.command(SELF_CALIBRATION, 0xA0), b"\xff\x79\x01"),
        "abc_off": Command(winsen.command(SELF_CALIBRATION, 0), b"\xff\x79\x01"),
    }
)
_QUANTITIES = ("co2", "device_temperature")
_FAIL = 4
_STUCK_SIZE = 16
_check_spans = span_check(_QUANTITIES)


def _stuck_holds(frame: bytes) -> bool:
    return sum8(frame[:-1]) == frame[-1]


def _framer(code: int) -> Framer:
    """Answers to the command `code`."""
    known = (code, winsen.READ, SELF_CALIBRATION)
    kinds = (
        FrameKind(b"\xff", 2, lambda head: winsen.SIZE if head[1] in known else 0, winsen.holds),
        FrameKind(b"\x42\x4d", 2, lambda head: _STUCK_SIZE, _stuck_holds),
    )

    def sift(frame: bytes) -> bytes | Rejection | None:
        if len(frame) == _STUCK_SIZE:
            return DeviceFault("it streams 16-byte frames and answers no question; no cure is known but a power cycle")
        return frame if frame[1] == code else None

    return SiftedFramer(MixedFramer(kinds, max_bytes=_STUCK_SIZE), sift)


def ask(data: bytes, options: Options) -> Request:
    """The request of a command's bytes."""
    if len(data) != winsen.SIZE:
        raise Truncated(f"a question has {winsen.SIZE} bytes, this has {len(data)}")
    if data[0] != 0xFF:
        raise FixedBits(f"a question begins with FF: {data.hex(' ')}")
    if not winsen.holds(data):
        raise Integrity(f"the check does not hold: {data.hex(' ')}")
    return Request(data, partial(_framer, data[2]), winsen.SIZE, timeout_s=0.3, gap_s=0.02)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """One question; the sensor's number is 1 on all that are known."""
    return (ask(winsen.command(winsen.READ, sensor=address), options),)


def start(options: Options) -> tuple[Command, ...]:
    """The switch of the self-calibration, which the sensor keeps, where the options say how it is to stand."""
    wanted = options.get("self_calibration", "as-is")
    return () if wanted == "as-is" else (COMMANDS[f"abc_{wanted}"],)


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The command that a lone reply answers."""
    is_acknowledgement = b"\xff\x79" in reply and b"\xff\x86" not in reply
    return COMMANDS["abc_on" if is_acknowledgement else "read_co2"].data, b"\xff\x86" in reply


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """The reading of an answer; an acknowledgement has no values."""
    reply = next(answer for _, answer in exchanges if answer is not None)
    if reply[1] != winsen.READ:
        return Decoded({}, {}, {"acknowledged": f"{reply[1]:02x}"})
    values = {"co2": float(reply[2] << 8 | reply[3]), "device_temperature": float(reply[4] - 40)}
    _check_spans(values)
    quality = {} if reply[4] else {"device_temperature": _FAIL}
    return Decoded(values, quality, {"status": reply[5], "u_value": reply[6] << 8 | reply[7]})


class Simulator:
    """A sensor in a classroom; it hears its own number only, and calibrates when told."""

    def __init__(self, seed: int, address: int) -> None:
        self._seed = seed
        self._address = address
        self._offset = 0
        self.is_faulty = False
        """It is stuck in its stream."""

    def tick(self, t: float) -> bytes:
        """It speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """Replies to read and to the self-calibration switch; zero calibration and range have none."""
        if len(data) != winsen.SIZE or data[0] != 0xFF or data[1] != self._address or not winsen.holds(data):
            return b""
        if self.is_faulty:
            frame = b"\x42\x4d" + bytes(13)
            return frame + bytes((sum8(frame),))
        if data[2] == winsen.READ:
            ppm = min(5000, max(0, self._ppm(t) + self._offset))
            return winsen.reply(winsen.READ, *divmod(ppm, 256), 40 + round(29 + 3 * sin(2 * pi * t / 86_400)))
        if data[2] == 0x87:
            self._offset = 400 - self._ppm(t)
        return winsen.reply(SELF_CALIBRATION, 1) if data[2] == SELF_CALIBRATION else b""

    def _ppm(self, t: float) -> int:
        dice = Random(f"{self._seed}/{int(t * 1000)}")
        return round(900 + 420 * sin(2 * pi * t / 5400) + dice.gauss(0, 6))


DRIVERS = (
    Driver(
        name="winsen-mhz19",
        title="Winsen MH-Z19, MH-Z19B, MH-Z19C carbon dioxide sensor",
        device_class="air",
        models=("MH-Z19", "MH-Z19B", "MH-Z19C"),
        kind=Polled(requests, decode, ask, guess, start=start),
        quantities=_QUANTITIES,
        line=Line(baud=9600),
        sources=(
            "Winsen MH-Z19B manual",
            "github.com/Erriez/ErriezMHZ19B",
            "github.com/letscontrolit/ESPEasy issue 2394",
            "github.com/UedaTakeyuki/mh-z19 issue 52",
        ),
        check_bits=8,
        silence_s=60.0,
        default_address=winsen.SENSOR,
        options={
            "self_calibration": Option(
                "as-is",
                "off where no fresh air comes in; firmware older than 5 obeys without a word",
                ("as-is", "on", "off"),
            ),
        },
        aliases=("mh-z19", "mh-z19b", "mh-z19c", "mhz19b", "mhz19c"),
        wiring="VIN 5 V; its data lines are 3.3 V and not 5 V tolerant; sensor TXD to host RXD, RXD to host TXD.",
        quirks=(
            "Believe the values 3 minutes after power-up: 410 and 1215 ppm are placeholders.",
            "Ask every 5 s at most.",
            "Self-calibration takes the lowest of each day for 400 ppm: switch it off where no fresh air comes.",
            "The temperature is undocumented, and missing on an MH-Z19C.",
            "A unit that streams frames beginning 42 4D answers nothing.",
        ),
        period_s=10.0,
        simulate=Simulator,
        vectors=("drivers.air", "winsen_mhz19.vectors.toml"),
    ),
)
