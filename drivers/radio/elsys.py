"""Elsys ELT-2 with an ultrasonic or radar distance sensor: Elsys' types, each followed by its value, big-endian.

    n    1  type      n+1  …  value      and again

    01  2 s  temperature, 0.1 °C        0e  2    distance, mm             19  2 s  external temperature 2, 0.1 °C
    02  1    humidity, %                0f  1    movements                1a  1    digital input 2
    03  3 s  acceleration x y z, 1/63 g 10  4 s  infrared: inside, object 1b  4 s  analog input, uV
    04  2    light, lx                  11  1    occupied                 1c  2    TVOC, ppb
    05  1    motions                    12  1    leak                     3d  4    debug
    06  2    CO2, ppm                   13  65   grid of temperatures     3e  …    its settings: no reading
    07  2    battery, mV                14  4    air pressure, 0.001 hPa
    08  2    analog input, mV           15  2    sound, peak and mean
    09  6    position                   16  2    pulses 2
    0a  2    pulses                     17  4    pulses 2 in all
    0b  4    pulses in all              18  2    analog input 2, mV
    0c  2 s  external temperature, 0.1 °C
    0d  1    digital input

A type has its length by itself alone: an unknown one ends all. A distance of 0 is none.

Sources: Elsys payload document; TheThingsNetwork lorawan-devices vendor/elsys; akenza-io device-type-library.
"""

from __future__ import annotations

from functools import partial

from drivers.core.contract import Driver, FixedBits, Option, Options, Telling, Uplink
from drivers.radio._payload import MISSING, NO_LINE, WIRING, Moving, Payload, telling, tellings, with_probe

FPORT = 5
SETTINGS = 0x3E
_PROBES = ("none", "water_temperature", "soil_temperature", "air_temperature")

_VALUES: dict[int, tuple[int, bool, str, float]] = {
    0x01: (2, True, "device_temperature", 10),
    0x02: (1, False, "relative_humidity", 1),
    0x04: (2, False, "illuminance", 1),
    0x06: (2, False, "co2", 1),
    0x07: (2, False, "battery_voltage", 1000),
    0x0E: (2, False, "distance", 1000),
    0x14: (4, True, "air_pressure", 1000),
}
"""Type: bytes, sign, quantity, steps a unit."""
_PROBE_TYPE = 0x0C
_REPORTED = ("device_temperature", "relative_humidity", "battery_voltage", "distance", "air_pressure")
_INFO = {
    0x05: (1, "motions"),
    0x08: (2, "analog_mv"),
    0x0A: (2, "pulses"),
    0x0B: (4, "pulses_total"),
    0x0D: (1, "digital"),
    0x0F: (1, "movements"),
    0x11: (1, "occupied"),
    0x12: (1, "leak"),
    0x16: (2, "pulses2"),
    0x17: (4, "pulses2_total"),
    0x18: (2, "analog2_mv"),
    0x1A: (1, "digital2"),
    0x1C: (2, "tvoc_ppb"),
}
_LEFT_OUT = {0x03: 3, 0x09: 6, 0x10: 4, 0x13: 65, 0x15: 2, 0x19: 2, 0x1B: 4, 0x3D: 4}


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report; none where it tells its settings."""
    payload = Payload(data)
    values: dict[str, float] = {}
    quality: dict[str, int] = {}
    info: dict[str, str | int] = {}
    probe = str(options.get("probe", "none"))
    while payload.left:
        type_ = payload.number(1, "type")
        if type_ == SETTINGS and payload.at == 1:
            return ()
        if type_ == _PROBE_TYPE:
            raw = payload.number(2, "external temperature", signed=True)
            info["external_temperature_raw"] = raw
            if probe != "none":
                _add(values, probe, raw / 10)
        elif type_ in _VALUES:
            size, signed, name, per = _VALUES[type_]
            _add(values, name, payload.number(size, name, signed=signed) / per)
        elif type_ in _INFO:
            size, key = _INFO[type_]
            info[key] = payload.number(size, key)
        elif type_ in _LEFT_OUT:
            payload.take(_LEFT_OUT[type_], f"type {type_:02x}")
        else:
            raise FixedBits(f"type {type_:02x} at byte {payload.at - 1} has no known length")
    if values.get("distance") == 0:
        del values["distance"]
        quality["distance"] = MISSING
        info["distance_error"] = "no echo"
    return tellings([telling(values, quality, info)] if values or quality or info else [], "no echo")


def _add(values: dict[str, float], name: str, value: float) -> None:
    if name in values:
        raise FixedBits(f"it tells {name} twice")
    values[name] = value


class Simulator:
    """A box with its distance sensor under a bridge."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        moving = self._moving
        return (
            (b"\x01" + round(moving.box_c(t) * 10).to_bytes(2, "big", signed=True))
            + bytes((2, round(moving.near("humidity", t, 60, 15))))
            + (b"\x07" + round(moving.battery_v(t) * 1000).to_bytes(2, "big"))
            + (b"\x0e" + moving.distance_mm(t).to_bytes(2, "big"))
            + (b"\x14" + round(moving.near("pressure", t, 1008, 3) * 1000).to_bytes(4, "big"))
        )

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    Driver(
        name="elsys-elt2",
        title="Elsys ELT-2 with an ultrasonic or radar distance sensor",
        device_class="water",
        models=("ELT-2", "ELT-2 HP", "ELT Ultrasonic", "ELT Radar"),
        kind=Uplink(decode, FPORT),
        gives=partial(with_probe, (*_REPORTED, "illuminance", "co2")),
        quantities=_REPORTED,
        sometimes=("illuminance", "co2", *_PROBES[1:]),
        line=NO_LINE,
        sources=(
            "Elsys payload document",
            "github.com/TheThingsNetwork/lorawan-devices vendor/elsys/elsys.js",
            "github.com/akenza-io/device-type-library types/elsys",
        ),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options={"probe": Option("none", "what its external temperature probe measures, where it has one", _PROBES)},
        wiring=WIRING,
        quirks=(
            "Its thermometer and hygrometer are in its box: in the sun they tell the box's.",
            "Which distance means no target depends on its head (a MaxBotix: the top value): set the range in it.",
        ),
        period_s=600.0,
        simulate=Simulator,
        vectors=("drivers.radio", "elsys.vectors.toml"),
    ),
)
