"""Milesight level and distance devices: channels, each with its type and its value, one behind another.

    n    1  channel      n+1  1  type      n+2  …  value, little-endian      and again

    01 75  1  battery, %                         03 67  2  temperature, int16, 0.1 °C   (EM400, EM410)
    03 82  2  distance, mm     (EM310, EM500)    04 82  2  distance, mm                 (EM400, EM410)
    04 00  1  1 = tilted       (EM310)           05 00  1  1 = tilted                   (EM400, EM410)
    03 77  2  depth, cm        (EM500-SWL)       06 c7  2  radar signal, int16, 0.01    (EM410)
    83 67  3  temperature, alarm                 84 82  3  distance, alarm              (EM400, EM410)
    94 82  5  distance, change, alarm            b4 82  3  distance, exception          (EM410)
    20 ce  6  of the log: seconds since 1970, distance or depth; EM410 of an old firmware: 11, see `history_bytes`
    ff …      what it is: 01 protocol, 09 hardware, 0a firmware, 0b start, 0f class, 16 serial number, fe reset, ff TSL
    fe, f8, f9  answers to a command: no reading

FFFF (failed), FFFE (switched off) and FFFD (no target, out of range) are no distance and no depth. A tilted sensor
looks elsewhere: its distance is suspect. A channel has its length by its type alone, so an unknown one ends all.

Source: github.com/Milesight-IoT/SensorDecoders em-series, README and decoder of each device.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from drivers.core.contract import Driver, Option, Options, Telling, Uplink
from drivers.radio import _milesight as milesight
from drivers.radio._payload import NO_LINE, WIRING, Moving

_RDL: Mapping[int, milesight.Field] = {
    **milesight.ABOUT,
    0x01B9: milesight.text("voltage_raw", 2),
    0x0367: milesight.temperature,
    0x0482: milesight.radar,
    0x0500: milesight.tilt,
    0x06C7: milesight.signal,
    0x8482: milesight.flagged(milesight.radar, "distance_alarm"),
    0x9482: milesight.changed,
    0xB482: milesight.flagged(milesight.radar, "distance_exception"),
    0x20CE: milesight.past(milesight.radar),
}
_FIELDS: Mapping[str, Mapping[int, milesight.Field]] = {
    "em310-udl": {**milesight.ABOUT, 0x0382: milesight.distance, 0x0400: milesight.tilt},
    "em400-udl": {
        **milesight.ABOUT,
        0x0367: milesight.temperature,
        0x0482: milesight.distance,
        0x0500: milesight.tilt,
        0x8367: milesight.flagged(milesight.temperature, "temperature_alarm"),
        0x8482: milesight.flagged(milesight.distance, "distance_alarm"),
    },
    "em410-rdl": _RDL,
    "em500-udl": {
        **milesight.ABOUT,
        0x0382: milesight.distance,
        0x83E9: milesight.scaleless_alarm,
        0x20CE: milesight.past(milesight.distance),
    },
    "em500-swl": {**milesight.ABOUT, 0x0377: milesight.depth, 0x20CE: milesight.past(milesight.depth)},
}
_OLD_RDL = {**_RDL, 0x20CE: milesight.past(milesight.radar, rest=5)}


def decode(device: str, data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The reports in a payload: its log, oldest first, then what it measures now."""
    fields = _OLD_RDL if options.get("history_bytes") == "11" else _FIELDS[device]
    return milesight.read(fields, device, data, options)


class Simulator:
    """A device under a bridge."""

    def __init__(self, device: str, seed: int, address: int) -> None:
        self._device = device
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        moving = self._moving
        out = bytes((0x01, 0x75, round(moving.near("level of battery", t, 93, 2))))
        level = moving.distance_mm(t).to_bytes(2, "little")
        warm = round(moving.box_c(t) * 10).to_bytes(2, "little", signed=True)
        if self._device == "em500-swl":
            return out + b"\x03\x77" + round(moving.depth_m(t) * 100).to_bytes(2, "little")
        if self._device in ("em310-udl", "em500-udl"):
            return out + b"\x03\x82" + level + b"\x04\x00\x00" * (self._device == "em310-udl")
        signal = round(moving.near("signal", t, 800, 100)).to_bytes(2, "little")
        radar = b"\x06\xc7" + signal if self._device == "em410-rdl" else b""
        return out + b"\x03\x67" + warm + b"\x04\x82" + level + b"\x05\x00\x00" + radar

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


_HISTORY = Option("6", "length of a record of its log; firmware of before 2024 may send 11", ("6", "11"))
_QUIRKS = (
    "It looks like Cayenne LPP and is not: name the driver of the very model.",
    "Records of its log come with the time of its own clock; set that once with ToolBox.",
)


def _driver(device: str, title: str, quantities: tuple[str, ...], *quirks: str) -> Driver:
    options = {"unknown": milesight.UNKNOWN} | ({"history_bytes": _HISTORY} if device == "em410-rdl" else {})
    return Driver(
        name=f"milesight-{device}",
        title=f"Milesight {device.upper()} {title}",
        device_class="water",
        models=(device.upper(),),
        kind=Uplink(partial(decode, device), milesight.FPORT),
        quantities=("battery_level", *quantities),
        line=NO_LINE,
        sources=(f"github.com/Milesight-IoT/SensorDecoders em-series/{device}",),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options=options,
        wiring=WIRING,
        quirks=(*quirks, *_QUIRKS),
        period_s=1200.0,
        simulate=partial(Simulator, device),
        vectors=("drivers.radio", "milesight.vectors.toml"),
    )


_BOX = "Its thermometer is in its housing: in the sun it tells the housing's temperature."
DRIVERS = (
    _driver("em310-udl", "ultrasonic distance sensor", ("distance",)),
    _driver("em400-udl", "ultrasonic distance sensor", ("device_temperature", "distance"), _BOX),
    _driver("em410-rdl", "radar distance sensor", ("device_temperature", "distance", "x_milesight_radar_signal"), _BOX),
    _driver("em500-udl", "ultrasonic level sensor", ("distance",)),
    _driver("em500-swl", "submersible level sensor", ("water_depth",)),
)
