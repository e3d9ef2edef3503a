"""Plantower's sister sensors, whose frames look like the PMS5003's but hold other things: the model must be known.

9600 8N1, big-endian words, sum of all bytes before in the last two; bytes 4 to 15 as in the PMS5003:

    PMS3003, PMS2003   42 4D 00 14, 24 bytes; it takes no commands
    16  6  reserved, not always zero
    22  2  sum

    PMS5003T           42 4D 00 1C, 32 bytes: header and length of a PMS5003
    16  8  particles per 0.1 L larger than 0.3, 0.5, 1, 2.5 um
    24  2  temperature, 0.1 Cel, signed
    26  2  relative humidity, 0.1 %
    28  1  version
    29  1  error code, 0 = none
    30  2  sum

    PMS5003ST          42 4D 00 24, 40 bytes
    16 12  particles per 0.1 L larger than 0.3, 0.5, 1, 2.5, 5, 10 um
    28  2  formaldehyde, ug/m3
    30  2  temperature, 0.1 Cel, signed
    32  2  relative humidity, 0.1 %
    34  2  reserved
    36  1  version
    37  1  error code, 0 = none
    38  2  sum

A temperature or humidity outside its span fails (4), and the dust values still count.

Sources: avaldebe/PyPMS src/pms/sensors/plantower and issue 8 (signed temperature); esphome components/pmsx003;
avaldebe/PMserial issue 16 (order of the PMS5003ST's words); Plantower data manuals.
"""

from __future__ import annotations

from functools import partial
from math import pi, sin
from operator import truediv
from struct import Struct

from drivers.air.plantower import HEADER, START, WEAR, Simulator, closed, packed, sum_holds
from drivers.core.commands import Wear
from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Line, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.quantities import is_plausible, span_check

_MASSES = ("pm1_cf1", "pm2_5_cf1", "pm10_cf1", "pm1", "pm2_5", "pm10")
_COUNTS = ("pn_above_0_3", "pn_above_0_5", "pn_above_1", "pn_above_2_5", "pn_above_5", "pn_above_10")
_CLIMATE = ("air_temperature", "relative_humidity")
_DIVISORS = dict.fromkeys(_MASSES, 1) | dict.fromkeys(_COUNTS, 100) | dict.fromkeys(_CLIMATE, 10) | {"hcho": 1}
_FAIL = 4


class _Layout:
    """One model's frame: its size, its words, and whether version and error code follow them."""

    def __init__(self, form: str, *quantities: str, has_error: bool = True) -> None:
        self.words = Struct(form)
        self.quantities = quantities
        self.size = self.words.size
        self.length = (self.size - 4).to_bytes(2, "big")
        self._divisors = [_DIVISORS[name] for name in quantities]
        self._has_error = has_error
        self._sizes = {self.length: self.size} | ({b"\x00\x04": 8} if has_error else {})
        self._dust = tuple(name for name in quantities if name not in _CLIMATE)
        self._climate = tuple(name for name in quantities if name in _CLIMATE)
        self._check_spans = span_check(self._dust)

    def framer(self, options: Options) -> Framer:
        """Frames of this model, and acknowledgements where it knows commands."""
        return SyncFramer(HEADER, 4, lambda head: self._sizes.get(head[2:], 0), sum_holds, max_bytes=self.size)

    def decode(self, frame: bytes, options: Options) -> Decoded | None:
        """One reading of a frame; None for an acknowledgement."""
        if len(frame) != self.size:
            return None
        words: tuple[int, ...] = self.words.unpack(frame)
        info = {}
        if self._has_error:
            version, error = words[-2:]
            words = words[:-2]
            if error:
                raise DeviceFault(f"the sensor reports error code 0x{error:02X}")
            info = {"version": version, "error_code": error}
        values = dict(zip(self.quantities, map(truediv, words, self._divisors), strict=True))
        self._check_spans(values)
        return Decoded(values, {n: _FAIL for n in self._climate if not is_plausible(n, values[n])}, info)


PMS3003 = _Layout(">4x6H6x2x", *_MASSES, has_error=False)
PMS5003T = _Layout(">4x10HhHBB2x", *_MASSES, *_COUNTS[:4], *_CLIMATE)
PMS5003ST = _Layout(">4x13HhH2xBB2x", *_MASSES, *_COUNTS, "hcho", *_CLIMATE)


class SimulatedPms3003(Simulator):
    """Streams for ever and hears nothing."""

    def __init__(self, seed: int, address: int) -> None:
        super().__init__(seed, address)
        del self.is_faulty  # it has no error code

    def answer(self, data: bytes, t: float) -> bytes:
        """It has no commands."""
        return b""

    def _frame(self, t: float) -> bytes:
        return closed(HEADER + PMS3003.length + packed(self.words(t)[:6]) + bytes(6))


class SimulatedPms5003t(Simulator):
    """With the warmth of its own case."""

    def _frame(self, t: float) -> bytes:
        return closed(HEADER + PMS5003T.length + packed(self.words(t)[:10]) + _climate(t) + self.ending())


class SimulatedPms5003st(Simulator):
    """With formaldehyde of a room that is aired now and then."""

    def _frame(self, t: float) -> bytes:
        hcho = round(22 + 15 * sin(2 * pi * t / 7200))
        words = packed([*self.words(t), hcho])
        return closed(HEADER + PMS5003ST.length + words + _climate(t) + b"\0\0" + self.ending())


def _climate(t: float) -> bytes:
    warm = sin(2 * pi * t / 86_400)
    return packed([round(10 * (31 + 5 * warm)), round(10 * (52 - 18 * warm))])


_WIRING = "VCC 5 V, but its data lines are 3.3 V and not 5 V tolerant; sensor TXD to host RXD; SET open or high."
_SETTLE = "Believe the values 30 s after power-up, when the fan has settled."
_WARM = "The temperature is that of the case and reads high, the humidity accordingly low."
_driver = partial(
    Driver,
    device_class="air",
    line=Line(baud=9600),
    check_bits=16,
    silence_s=10.0,
    wiring=_WIRING,
    period_s=1.0,
    vectors=("drivers.air", "plantower_sisters.vectors.toml"),
)
DRIVERS = (
    _driver(
        name="plantower-pms3003",
        title="Plantower PMS3003 dust sensor",
        models=("PMS3003", "PMS2003", "SEN0177 (early)"),
        kind=Listening(PMS3003.framer, PMS3003.decode),
        quantities=PMS3003.quantities,
        sources=(
            "github.com/avaldebe/PyPMS src/pms/sensors/plantower/pms3003.py",
            "Plantower PMS3003 series data manual",
        ),
        aliases=("pms3003", "pms2003"),
        quirks=(_SETTLE, "It knows no commands: only its SET and RESET pins stop it."),
        wear=Wear(warm_up_s=30, life_h=26_000),
        simulate=SimulatedPms3003,
    ),
    _driver(
        name="plantower-pms5003t",
        title="Plantower PMS5003T dust, temperature and humidity sensor",
        models=("PMS5003T",),
        kind=Listening(PMS5003T.framer, PMS5003T.decode, START),
        quantities=PMS5003T.quantities,
        sources=(
            "github.com/avaldebe/PyPMS issue 8 and src/pms/sensors/plantower/pms5003t.py",
            "github.com/esphome/esphome components/pmsx003",
        ),
        aliases=("pms5003t",),
        quirks=(
            _SETTLE,
            _WARM,
            "Header and length are a PMS5003's: read as one it shows a few hundred large particles.",
        ),
        wear=WEAR,
        simulate=SimulatedPms5003t,
    ),
    _driver(
        name="plantower-pms5003st",
        title="Plantower PMS5003ST dust, formaldehyde, temperature and humidity sensor",
        models=("PMS5003ST",),
        kind=Listening(PMS5003ST.framer, PMS5003ST.decode, START),
        quantities=PMS5003ST.quantities,
        sources=(
            "github.com/avaldebe/PyPMS src/pms/sensors/plantower/pms5003st.py",
            "github.com/esphome/esphome components/pmsx003",
            "github.com/avaldebe/PMserial issue 16",
        ),
        aliases=("pms5003st",),
        quirks=(_SETTLE, _WARM, "No capture of a real one was found: the layout is that of two other programs."),
        wear=WEAR,
        simulate=SimulatedPms5003st,
    ),
)
