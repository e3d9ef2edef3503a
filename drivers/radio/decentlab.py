"""Decentlab devices: a version, a number, a mask of sensors, and for each sensor in it a few 16-bit words, big-endian.

    0  1  02            protocol version
    1  2  device number
    3  2  mask          bit 0: the sensor below, bit 1: the battery
    5  2n words         x0, x1, …; battery: mV

    DL-MBX       x0 distance, mm               x1 valid samples (0: the distance is none)
    DL-PR21/26   x0 pressure, (x0 - 16384) / 32768 of the range p_min … p_max, bar      x1 (x1 - 384) / 320 - 50 °C
    DL-PR36      x0 pressure, (x0 - 32768) / kp, bar                                    x1 (x1 - 32768) / 256 °C
    DL-PR36CTD   as DL-PR36, x1 the electronics', x2 the PT1000's °C                    x3 (x3 - 32768) / 1024 mS/cm
    DL-CTD10     x0 - 32768 depth, mm          x1 (x1 - 32768) / 10 °C    x2 conductivity, uS/cm    x3 1 = it freezes
    DL-TBRG      x0 tips since the last        x1 of how many seconds     x2 + 65536 x3 tips in all; x resolution, mm
    DL-SHT35     x0 175 x0 / 65535 - 45 °C     x1 100 x1 / 65535 % humidity
    DL-DLR2-004  x0 loop current, 3 / 2 V x (x0 - 32768) / 32768 / R

There is no check. What a device would have told and did not is missing: its sensor did not answer. On any fPort.

Source: github.com/decentlab/decentlab-decoders, one folder a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from drivers.core.contract import Driver, FixedBits, Option, Options, Telling, Truncated, Uplink
from drivers.radio import _decentlab_words as words
from drivers.radio._decentlab_words import Numbers, Words
from drivers.radio._payload import MISSING, NO_LINE, SUSPECT, WIRING, Moving, Payload, telling, tellings

VERSION = 2
_ZERO = words.ZERO
_BAR_KPA = 100
_LOOP_A = (0.0036, 0.021)
"""Outside it a 4 to 20 mA loop is broken or shorted (NAMUR NE 43)."""

Report = tuple[dict[str, float], dict[str, int], dict[str, "str | int"]]


@dataclass(frozen=True, slots=True)
class Device:
    """One model: how many words its sensor has, what they mean, and words for a simulated one."""

    title: str
    words: int
    quantities: tuple[str, ...]
    read: Callable[[Words, Numbers], Report]
    simulate: Callable[[Moving, float, Numbers], Words]
    parameters: Mapping[str, tuple[float, str]]
    device_class: Literal["water", "weather"] = "water"
    quirks: tuple[str, ...] = ()


def _mbx(x: Words, p: Numbers) -> Report:
    info: dict[str, str | int] = {"valid_samples": x[1]}
    return ({"distance": x[0] / 1000}, {}, info) if x[1] else ({}, {"distance": MISSING}, info)


def _range(x: Words, p: Numbers) -> Report:
    share = (x[0] - 16384) / 32768
    bar = share * (p["p_max"] - p["p_min"]) + p["p_min"]
    values = {"water_pressure": bar * _BAR_KPA, "water_temperature": (x[1] - 384) * 0.003125 - 50}
    return values, {}, {"range": f"{p['p_min']:g} to {p['p_max']:g} bar"}


def _keller36(x: Words, p: Numbers) -> Report:
    bar, warm = (x[0] - _ZERO) / p["kp"], (x[1] - _ZERO) / 256
    return {"water_pressure": bar * _BAR_KPA, "water_temperature": warm}, {}, {"kp": f"{p['kp']:g}"}


def _keller36ctd(x: Words, p: Numbers) -> Report:
    values = {
        "water_pressure": (x[0] - _ZERO) / p["kp"] * _BAR_KPA,
        "device_temperature": (x[1] - _ZERO) / 256,
        "water_temperature": (x[2] - _ZERO) / 256,
        "conductivity": (x[3] - _ZERO) * 1000 / 1024,
    }
    return values, {}, {"kp": f"{p['kp']:g}"}


def _ctd10(x: Words, p: Numbers) -> Report:
    values = {
        "water_depth": (x[0] - _ZERO) / 1000,
        "water_temperature": (x[1] - _ZERO) / 10,
        "conductivity": float(x[2]),
    }
    return values, ({"water_depth": SUSPECT} if x[3] else {}), {"freezing": x[3]}


def _rain(x: Words, p: Numbers) -> Report:
    mm = p["resolution"]
    return {"rain": x[0] * mm, "rain_counter": (x[2] + 65536 * x[3]) * mm}, {}, {"rain_interval_s": x[1]}


def _loop(x: Words, p: Numbers) -> Report:
    ampere = 3 * (x[0] - _ZERO) / _ZERO / 2 / p["shunt_ohm"]
    low, high = _LOOP_A
    if low <= ampere <= high:
        return {"current_dc": ampere}, {}, {}
    return {"current_dc": ampere}, {"current_dc": SUSPECT}, {"loop_fault": "broken" if ampere < low else "over range"}


def _climate(x: Words, p: Numbers) -> Report:
    return {"air_temperature": 175 * x[0] / 65535 - 45, "relative_humidity": 100 * x[1] / 65535}, {}, {}


_P_MIN, _P_MAX = "lowest pressure of the range it was ordered with, bar", "highest pressure of that range, bar"
_KP = {"kp": (8192.0, "steps a bar: the number behind kp= in its order")}
_ORDER = "What its bytes mean stands in its order, not in them: on another range they are another pressure."
DEVICES = {
    "dl-mbx": Device(
        title="ultrasonic level sensor (MaxBotix head)",
        words=2,
        quantities=("distance",),
        read=_mbx,
        simulate=lambda moving, t, p: (moving.distance_mm(t), 10),
        parameters={},
    ),
    "dl-pr21": Device(
        title="pressure and temperature sensor with a pipe thread",
        words=2,
        quantities=("water_pressure", "water_temperature"),
        read=_range,
        simulate=words.of_range,
        parameters={"p_min": (-1.0, _P_MIN), "p_max": (10.0, _P_MAX)},
        quirks=(_ORDER,),
    ),
    "dl-pr26": Device(
        title="level and temperature sensor (KELLER 26Y)",
        words=2,
        quantities=("water_pressure", "water_temperature"),
        read=_range,
        simulate=words.of_range,
        parameters={"p_min": (0.0, _P_MIN), "p_max": (1.0, _P_MAX)},
        quirks=(_ORDER,),
    ),
    "dl-pr36": Device(
        title="high-precision level and temperature sensor (KELLER 36)",
        words=2,
        quantities=("water_pressure", "water_temperature"),
        read=_keller36,
        simulate=words.of_kp,
        parameters=_KP,
        quirks=(_ORDER,),
    ),
    "dl-pr36ctd": Device(
        title="high-precision level, temperature and conductivity sensor (KELLER 36)",
        words=4,
        quantities=("water_pressure", "device_temperature", "water_temperature", "conductivity"),
        read=_keller36ctd,
        simulate=lambda moving, t, p: (
            *(words.of_kp(moving, t, p)),
            _ZERO + round(moving.water_c(t) * 256),
            _ZERO + round(moving.near("salt", t, 0.4, 0.1) * 1024),
        ),
        parameters=_KP,
        quirks=(_ORDER,),
    ),
    "dl-ctd10": Device(
        title="level, temperature and conductivity sensor",
        words=4,
        quantities=("water_depth", "water_temperature", "conductivity"),
        read=_ctd10,
        simulate=lambda moving, t, p: (
            _ZERO + round(moving.depth_m(t) * 1000),
            _ZERO + round(moving.water_c(t) * 10),
            round(moving.near("salt", t, 400, 100)),
            0,
        ),
        parameters={},
        quirks=("While it freezes its depth is suspect.",),
    ),
    "dl-tbrg": Device(
        title="tipping bucket rain gauge",
        words=4,
        quantities=("rain", "rain_counter"),
        read=_rain,
        simulate=lambda moving, t, p: words.tips(int(t) // 600),
        parameters={"resolution": (0.1, "mm of rain a tip: 0.1 or 0.2, on its label")},
        device_class="weather",
        quirks=("An uplink that is lost loses its rain, not its counter: add up from rain_counter.",),
    ),
    "dl-sht35": Device(
        title="thermometer and hygrometer",
        words=2,
        quantities=("air_temperature", "relative_humidity"),
        read=_climate,
        simulate=lambda moving, t, p: (
            round((moving.near("air", t, 31, 4) + 45) / 175 * 65535),
            round(moving.near("humidity", t, 66, 12) / 100 * 65535),
        ),
        parameters={},
        device_class="weather",
    ),
    "dl-dlr2-004": Device(
        title="4 to 20 mA input",
        words=1,
        quantities=("current_dc",),
        read=_loop,
        simulate=lambda moving, t, p: (
            _ZERO + round(moving.near("loop", t, 0.012, 0.005) * p["shunt_ohm"] / 1.5 * _ZERO),
        ),
        parameters={"shunt_ohm": (10.0, "its measuring resistor, ohm: the number behind R= in its order")},
        quirks=("Below 3.6 mA the loop is broken, not the tank empty: such a current is suspect.",),
    ),
}


def _numbers(device: Device, options: Options) -> dict[str, float]:
    """The numbers of its order. Raises ValueError where they make no sense."""
    numbers = {name: float(options.get(name, default)) for name, (default, _) in device.parameters.items()}
    if "p_min" in numbers:
        if not numbers["p_min"] < numbers["p_max"]:
            raise ValueError(f"p_max = {numbers['p_max']:g} is not above p_min = {numbers['p_min']:g}")
    elif any(value <= 0 for value in numbers.values()):
        raise ValueError(f"{min(numbers)} must be above 0")
    return numbers


def decode(device: Device, data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report; what its sensor would have told and did not is missing."""
    numbers = _numbers(device, options)
    payload = Payload(data)
    version = payload.number(1, "version")
    if version != VERSION:
        raise FixedBits(f"protocol version {version} is not 2")
    number, mask = payload.number(2, "device number"), payload.number(2, "mask")
    if mask & ~0b11:
        raise FixedBits(f"mask {mask:04x} has sensors that this model has not")
    size = 2 * ((mask & 1) * device.words + (mask >> 1))
    if payload.left != size:
        why = f"mask {mask:04x} promises {size} bytes, {payload.left} follow"
        raise Truncated(why) if payload.left < size else FixedBits(why)
    values: dict[str, float] = {}
    quality = dict.fromkeys(device.quantities, MISSING)
    info: dict[str, str | int] = {}
    if mask & 1:
        values, quality, info = device.read(tuple(payload.number(2, "word") for _ in range(device.words)), numbers)
    if mask & 2:
        values = {**values, "battery_voltage": payload.number(2, "battery") / 1000}
    return tellings([telling(values, quality, {"device_number": number, **info})])


class Simulator:
    """A device in a canal, or on a roof."""

    def __init__(self, device: Device, seed: int, address: int) -> None:
        self._device, self._moving, self._number = device, Moving(seed), 1000 + seed % 1000

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        words = (
            *self._device.simulate(self._moving, t, _numbers(self._device, {})),
            round(self._moving.battery_v(t) * 1000),
        )
        return b"\x02" + b"".join(word.to_bytes(2, "big") for word in (self._number, 3, *words))

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


def _driver(name: str, device: Device) -> Driver:
    return Driver(
        name=f"decentlab-{name}",
        title=f"Decentlab {name.upper()} {device.title}",
        device_class=device.device_class,
        models=(name.upper(),),
        kind=Uplink(partial(decode, device), 1, partial(_numbers, device)),
        quantities=(*device.quantities, "battery_voltage"),
        line=NO_LINE,
        sources=(f"github.com/decentlab/decentlab-decoders {name.upper()}",),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options={key: Option(default, help) for key, (default, help) in device.parameters.items()},
        wiring=WIRING,
        quirks=(*device.quirks, "A payload with its battery alone means that its sensor did not answer."),
        period_s=600.0,
        simulate=partial(Simulator, device),
        vectors=("drivers.radio", "decentlab.vectors.toml"),
    )


DRIVERS = tuple(_driver(name, device) for name, device in DEVICES.items())
