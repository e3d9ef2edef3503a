"""Other devices of Milesight, by the option `model`: channels, types and values as in `milesight`, little-endian.

    01 75  1  battery, %                03 c8  4  pulses of input 1   (UC501)      03 97  4  charge, 0.01 Ah  (CT101)
    03 67  2  temperature, 0.1 °C       04 c8  4  pulses of input 2   (UC501)      04 99  2  current, 0.1 A   (CT101)
    04 68  1  humidity, 0.5 %           03 7b  2  pressure, kPa       (EM500-PP)   02 82  2  distance, mm     (VS330)
    05 00  1  1 = leak    (EM300)       03 d4  6  angles x y z in 0.01 °, doubled, with a threshold's state (EM320-TILT)
    04 88  9  latitude, longitude in 0.000001 °, motion               (AT101)      03 8e  1  1 = occupied     (VS330)
    20 ce  …  of the log: seconds since 1970, then its fields as above; EM300-MLD: three bytes, leak

Source: github.com/Milesight-IoT/SensorDecoders, README and decoder of each device.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.core.contract import Driver, Option, Options, Telling, Uplink
from drivers.radio import _milesight as milesight
from drivers.radio._milesight import ABOUT, Field, Told, flagged, number, passed, past, state, text, together
from drivers.radio._payload import MISSING, NO_LINE, WIRING, Moving, Payload

DEFAULT = "em320-th"
_NO_CURRENT = 0xFFFF
_air = number("air_temperature", 2, 10, signed=True)
_humidity = number("relative_humidity", 1, 2)
_leak = state("leak")
_climate = together(_air, _humidity)


def _angles(payload: Payload, told: Told) -> None:
    for axis in "xyz":
        raw = payload.number(2, f"angle {axis}", signed=True)
        told.values[f"x_milesight_angle_{axis}"] = (raw >> 1) / 100
        told.info[f"threshold_{axis}"] = raw & 1


def _current(payload: Payload, told: Told) -> None:
    raw = payload.number(2, "current")
    if raw == _NO_CURRENT:
        told.quality["current"] = MISSING
        told.info["current_error"] = "failed"
    else:
        told.values["current"] = raw / 10


_place = together(number("latitude", 4, 1e6, signed=True), number("longitude", 4, 1e6, signed=True))
_climate_channels: Mapping[int, Field] = {**ABOUT, 0x0367: _air, 0x0468: _humidity, 0x20CE: past(_climate)}
MODELS: Mapping[str, Mapping[int, Field]] = {
    "em320-th": _climate_channels,
    "em300-th": _climate_channels,
    "am102": _climate_channels,
    "em300-zld": {**_climate_channels, 0x0500: _leak, 0x20CE: past(together(_climate, _leak))},
    "em300-mld": {**ABOUT, 0x0500: _leak, 0x20CE: past(together(passed(3), _leak))},
    "em320-tilt": {**ABOUT, 0x03D4: _angles},
    "em500-pp": {**ABOUT, 0x037B: number("water_pressure", 2), 0x20CE: past(number("water_pressure", 2))},
    "ts101": {**ABOUT, 0x0367: number("x_milesight_probe_temperature", 2, 10, signed=True)},
    "ct101": {**ABOUT, 0x0397: number("x_milesight_charge", 4, 100), 0x0499: _current},
    "uc501": {**ABOUT, 0x03C8: number("x_milesight_pulses_1", 4), 0x04C8: number("x_milesight_pulses_2", 4)},
    "at101": {
        **ABOUT,
        0x0367: milesight.temperature,
        0x0488: together(_place, state("motion")),
        0x0500: state("tilted"),
        0x0700: state("tamper"),
        0x8367: flagged(milesight.temperature, "temperature_alarm"),
        0x20CE: past(together(number("longitude", 4, 1e6, signed=True), number("latitude", 4, 1e6, signed=True))),
    },
    "vs330": {**ABOUT, 0x0282: milesight.distance, 0x038E: state("occupied"), 0x048E: state("calibrated")},
    "vs121": {**ABOUT, 0xFF08: text("serial", 6), 0xFF1F: text("firmware", 4)},
}


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The reports in a payload of the model: its log, oldest first, then what it measures now."""
    model = str(options.get("model", DEFAULT))
    return milesight.read(MODELS[model], model, data, options)


_CLIMATE = ("battery_level", "air_temperature", "relative_humidity")
_REPORTS = {
    "em300-mld": ("battery_level",),
    "em320-tilt": ("battery_level", *(f"x_milesight_angle_{axis}" for axis in "xyz")),
    "em500-pp": ("battery_level", "water_pressure"),
    "ts101": ("battery_level", "x_milesight_probe_temperature"),
    "ct101": ("current", "x_milesight_charge"),
    "uc501": ("battery_level", "x_milesight_pulses_1", "x_milesight_pulses_2"),
    "at101": ("battery_level", "device_temperature", "latitude", "longitude"),
    "vs330": ("battery_level", "distance"),
    "vs121": (),
}


def _names(options: Options) -> tuple[str, ...]:
    return _REPORTS.get(str(options.get("model", DEFAULT)), _CLIMATE)


class Simulator:
    """A thermometer and hygrometer on a wall."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        near = self._moving.near
        warm = round(near("air", t, 31, 4) * 10).to_bytes(2, "little", signed=True)
        damp = round(near("humidity", t, 66, 12) * 2)
        return (
            bytes((0x01, 0x75, round(near("level of battery", t, 93, 2)))) + b"\x03\x67" + warm + bytes((4, 0x68, damp))
        )

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    Driver(
        name="milesight-sensors",
        title="Milesight sensors of climate, leaks, pressure, current, pulses and place",
        device_class="place",
        models=tuple(name.upper() for name in MODELS),
        kind=Uplink(decode, milesight.FPORT),
        gives=_names,
        quantities=_CLIMATE,
        sometimes=(
            *("water_pressure", "current", "distance", "device_temperature", "latitude", "longitude"),
            *(f"x_milesight_angle_{axis}" for axis in "xyz"),
            *("x_milesight_probe_temperature", "x_milesight_charge", "x_milesight_pulses_1", "x_milesight_pulses_2"),
        ),
        line=NO_LINE,
        sources=("github.com/Milesight-IoT/SensorDecoders am102 to vs330",),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options={
            "model": Option(DEFAULT, "which device it is; its channels follow from it", tuple(MODELS)),
            "unknown": milesight.UNKNOWN,
        },
        wiring=WIRING,
        quirks=(
            "It looks like Cayenne LPP and is not: name the very model.",
            "Of VS121 and UC501 this reads what they are and the pulses; other channels are refused with their number.",
            "x_milesight_charge is in Ah, x_milesight_probe_temperature in °C, angles in degrees.",
        ),
        period_s=600.0,
        simulate=Simulator,
        vectors=("drivers.radio", "milesight_sensors.vectors.toml"),
    ),
)
