"""Nova SDS011, SDS018, SDS021 and SDS198 laser dust sensors: a ten-byte frame about once a second.

9600 8N1, little-endian unsigned words:

    0  1  AA
    1  1  C0, SDS198: CF         C5 is the reply to a command
    2  2  PM2.5, 0.1 ug/m3       SDS198: not documented
    4  2  PM10, 0.1 ug/m3        SDS198: PM100, ug/m3
    6  2  the sensor's own number
    8  1  low byte of the sum of bytes 2 to 7
    9  1  AB

A command has 19 bytes: AA B4, thirteen data bytes, FF FF for any sensor, the low byte of the sum of bytes 2 to 16, AB.
Its reply is AA C5 with the command's first data bytes; frames that were already on their way come before it. Reporting
mode and working period survive a power cut, so both are set at every start. The first wake is often lost in five noise
bytes: each command is said again until its reply comes.

Sources: Nova Laser Dust Sensor Control Protocol V1.3; avaldebe/PyPMS src/pms/sensors/novafitness; esphome issue 4572
(mask of the sum); lewapek/sds-dust-sensors-arduino-library issue 6 (noise at wake-up).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi, sin
from random import Random

from drivers.core.checksums import sum8
from drivers.core.commands import Command, Wear, named
from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import span_check

REPLY = 0xC5
_SIZE = 10
_ANY_SENSOR = b"\xff\xff"


def command(*data: int) -> bytes:
    """The 19 bytes of a command for any sensor."""
    body = bytes(data).ljust(13, b"\0") + _ANY_SENSOR
    return b"\xaa\xb4" + body + bytes((sum8(body), 0xAB))


def _acknowledged(*data: int, reply: tuple[int, ...] = ()) -> Command:
    return Command(command(*data), bytes((0xAA, REPLY, *(reply or data))))


COMMANDS = named(
    {
        "set_active_mode": _acknowledged(2, 1, 0),
        "set_query_mode": _acknowledged(2, 1, 1),
        "get_mode": _acknowledged(2, 0, reply=(2, 0)),
        "query_data": Command(command(4), b"\xaa\xc0"),
        "sleep": _acknowledged(6, 1, 0),
        "wake": _acknowledged(6, 1, 1),
        "get_sleep_work": _acknowledged(6, 0, reply=(6, 0)),
        "firmware": _acknowledged(7),
        "set_period_1min": _acknowledged(8, 1, 1),
        "set_period_continuous": _acknowledged(8, 1, 0),
        "get_period": _acknowledged(8, 0, reply=(8, 0)),
    }
)
START = tuple(COMMANDS[name] for name in ("wake", "set_active_mode", "set_period_continuous"))
WEAR = Wear(warm_up_s=30, life_h=8_000, sleep=(COMMANDS["sleep"],))


def _holds(frame: bytes) -> bool:
    return frame[9] == 0xAB and sum(frame[2:8]) & 0xFF == frame[8]


def _framer(data: int, options: Options) -> Framer:
    return SyncFramer(b"\xaa", 2, lambda head: _SIZE if head[1] in (data, REPLY) else 0, _holds, max_bytes=_SIZE)


_check_sds011 = span_check(("pm2_5", "pm10"))
_check_sds198 = span_check(("pm100",))


def decode_sds011(frame: bytes, options: Options) -> Decoded | None:
    """One reading; None for the reply to a command."""
    if frame[1] == REPLY:
        return None
    values = {"pm2_5": (frame[2] | frame[3] << 8) / 10, "pm10": (frame[4] | frame[5] << 8) / 10}
    _check_sds011(values)
    return Decoded(values, {}, {"device_id": frame[6:8].hex()})


def decode_sds198(frame: bytes, options: Options) -> Decoded | None:
    """One reading; None for the reply to a command."""
    if frame[1] == REPLY:
        return None
    values = {"pm100": float(frame[4] | frame[5] << 8)}
    _check_sds198(values)
    return Decoded(values, {}, {"device_id": frame[6:8].hex()})


class Simulator:
    """A sensor with mode, period and sleep; the first wake out of sleep is lost in noise, as with the real one."""

    def __init__(self, words: Callable[[float, Random], tuple[int, int]], data: int, seed: int, address: int) -> None:
        self._words = words
        self._data = data
        self._seed = seed
        self._id = Random(seed).randbytes(2)
        self._is_active = True
        self._is_asleep = False
        self._was_stirred = False
        self._period_min = 0

    def tick(self, t: float) -> bytes:
        """The frame for the second `t`; with a working period, one at the end of its thirty seconds of work."""
        if self._is_asleep or not self._is_active:
            return b""
        if self._period_min and int(t) % (60 * self._period_min) != 29:
            return b""
        return self._measured(t)

    def answer(self, data: bytes, t: float) -> bytes:
        """The reply to one command; asleep, it hears only wake and questions for its state."""
        if len(data) != 19 or data[:2] != b"\xaa\xb4" or sum8(data[2:17]) != data[17] or data[18] != 0xAB:
            return b""
        if data[15:17] not in (_ANY_SENSOR, self._id):
            return b""
        what, sets, value = data[2:5]
        if self._is_asleep and what != 6:
            return b""
        if what == 4:
            return self._measured(t)
        if what == 6:
            if sets and value and self._is_asleep and not self._was_stirred:
                self._was_stirred = True
                return bytes.fromhex("ad50105edd")
            self._is_asleep = not value if sets else self._is_asleep
            self._was_stirred = False
            return self._reply(what, sets, int(not self._is_asleep))
        if what == 7:
            return self._reply(what, 15, 7, 10)
        if what == 2:
            self._is_active = not value if sets else self._is_active
            return self._reply(what, sets, int(not self._is_active))
        if what == 8:
            self._period_min = value if sets else self._period_min
            return self._reply(what, sets, self._period_min)
        return b""

    def _measured(self, t: float) -> bytes:
        first, second = self._words(t, Random(f"{self._seed}/{int(t * 1000)}"))
        return self._closed(self._data, first.to_bytes(2, "little") + second.to_bytes(2, "little"))

    def _reply(self, *data: int) -> bytes:
        return self._closed(REPLY, bytes(data).ljust(4, b"\0"))

    def _closed(self, kind: int, data: bytes) -> bytes:
        body = data + self._id
        return bytes((0xAA, kind)) + body + bytes((sum8(body), 0xAB))


def _smoke(t: float, dice: Random) -> float:
    return max(0.0, 48 * (1 + 0.45 * sin(2 * pi * t / 5400) + 0.15 * sin(2 * pi * t / 410)) + dice.gauss(0, 1))


def _sds011_words(t: float, dice: Random) -> tuple[int, int]:
    pm2_5 = _smoke(t, dice)
    return round(10 * pm2_5), round(10 * (pm2_5 * 1.6 + max(0.0, dice.gauss(2, 1))))


def _sds198_words(t: float, dice: Random) -> tuple[int, int]:
    dust = _smoke(t, dice)
    return round(dust * 0.8), round(dust * 1.9)


_WIRING = "VCC 5 V; its data lines are 3.3 V; sensor TXD to host RXD, RXD to host TXD, or commands do not reach it."
_QUIRKS = (
    "Believe the values 30 s after it woke: zeros right after wake-up are placeholders.",
    "Its laser lasts 8000 h of running, less than a year: let it sleep between samples.",
    "Above 70 % relative humidity the values read high.",
    "Readings without answers to commands: only the line from the sensor to the host is connected.",
    "A sensor left in query mode or with a working period is silent; both are set back at every start.",
)
_driver = partial(
    Driver,
    device_class="air",
    line=Line(baud=9600),
    check_bits=8,
    silence_s=10.0,
    wiring=_WIRING,
    period_s=1.0,
    wear=WEAR,
    vectors=("drivers.air", "nova.vectors.toml"),
)
DRIVERS = (
    _driver(
        name="nova-sds011",
        title="Nova SDS011, SDS018, SDS021 dust sensor",
        models=("SDS011", "SDS018", "SDS021"),
        kind=Listening(partial(_framer, 0xC0), decode_sds011, START),
        quantities=("pm2_5", "pm10"),
        sources=(
            "Nova Laser Dust Sensor Control Protocol V1.3",
            "github.com/avaldebe/PyPMS src/pms/sensors/novafitness/sds01x.py",
            "github.com/lewapek/sds-dust-sensors-arduino-library issue 6",
        ),
        aliases=("sds011", "sds018", "sds021", "sds01x"),
        quirks=_QUIRKS,
        simulate=partial(Simulator, _sds011_words, 0xC0),
    ),
    _driver(
        name="nova-sds198",
        title="Nova SDS198 dust sensor (PM100)",
        models=("SDS198",),
        kind=Listening(partial(_framer, 0xCF), decode_sds198, START),
        quantities=("pm100",),
        sources=("github.com/avaldebe/PyPMS src/pms/sensors/novafitness/sds198.py",),
        aliases=("sds198",),
        quirks=_QUIRKS,
        simulate=partial(Simulator, _sds198_words, 0xCF),
    ),
)
