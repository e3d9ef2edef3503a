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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from drivers.core.contract import Driver, FixedBits, Option, Options, Telling, Uplink
from drivers.radio._payload import MISSING, NO_LINE, SUSPECT, WIRING, Moving, Payload, telling, tellings

FPORT = 85
_ERRORS = {0xFFFF: "failed", 0xFFFE: "switched off", 0xFFFD: "no target or out of range"}
_ANSWERS = {0xFE, 0xF8, 0xF9}


@dataclass(slots=True)
class _Told:
    """What a payload has told so far; `past` is its log."""

    values: dict[str, float] = field(default_factory=dict)
    quality: dict[str, int] = field(default_factory=dict)
    info: dict[str, str | int] = field(default_factory=dict)
    past: list[Telling] = field(default_factory=list)

    def level(self, name: str, raw: int, per_metre: int) -> None:
        """A distance or depth, or the code that says why there is none."""
        if raw in _ERRORS:
            self.quality[name] = MISSING
            self.info[f"{name}_error"] = _ERRORS[raw]
        else:
            self.values[name] = raw / per_metre


Field = Callable[[Payload, _Told], None]


def _battery(payload: Payload, told: _Told) -> None:
    told.values["battery_level"] = payload.number(1, "battery")


def _temperature(payload: Payload, told: _Told) -> None:
    told.values["device_temperature"] = payload.number(2, "temperature", signed=True) / 10


def _distance(payload: Payload, told: _Told) -> None:
    told.level("distance", payload.number(2, "distance"), 1000)


def _depth(payload: Payload, told: _Told) -> None:
    told.level("water_depth", payload.number(2, "depth"), 100)


def _tilt(payload: Payload, told: _Told) -> None:
    told.info["tilted"] = payload.number(1, "position")


def _signal(payload: Payload, told: _Told) -> None:
    told.values["x_milesight_radar_signal"] = payload.number(2, "radar signal", signed=True) / 100


def _flagged(field: Field, key: str) -> Field:
    """A field with an alarm's state behind it."""

    def read(payload: Payload, told: _Told) -> None:
        field(payload, told)
        told.info[key] = payload.number(1, key)

    return read


def _changed(payload: Payload, told: _Told) -> None:
    _distance(payload, told)
    told.info["distance_change_mm"] = payload.number(2, "change", signed=True)
    told.info["distance_alarm"] = payload.number(1, "alarm")


def _scaleless_alarm(payload: Payload, told: _Told) -> None:
    payload.take(4, "distance alarm")  # its scale is 0.1 mm by the maker's decoder, 1 mm everywhere else
    told.quality["distance"] = MISSING
    told.info |= {"distance_alarm": payload.number(1, "alarm"), "distance_error": "an alarm's, of unknown scale"}


def _past(field: Field, rest: int = 0) -> Field:
    """A record of its log: when, and a field; `rest` bytes behind it are left out."""

    def read(payload: Payload, told: _Told) -> None:
        at_s, then = payload.number(4, "time of the log"), _Told()
        field(payload, then)
        payload.take(rest, "record of the log")
        told.past.append(telling(then.values, then.quality, then.info, at_s=at_s))

    return read


def _text(key: str, size: int) -> Field:
    def read(payload: Payload, told: _Told) -> None:
        told.info[key] = payload.take(size, key).hex()

    return read


_ABOUT: Mapping[int, Field] = {
    0xFF01: _text("protocol", 1),
    0xFF09: _text("hardware", 2),
    0xFF0A: _text("firmware", 2),
    0xFF0B: _text("started", 1),
    0xFF0F: _text("lorawan_class", 1),
    0xFF16: _text("serial", 8),
    0xFFFE: _text("reset", 1),
    0xFFFF: _text("tsl", 2),
    0x0175: _battery,
}
_RDL: Mapping[int, Field] = {
    **_ABOUT,
    0x01B9: _text("voltage_raw", 2),
    0x0367: _temperature,
    0x0482: _distance,
    0x0500: _tilt,
    0x06C7: _signal,
    0x8482: _flagged(_distance, "distance_alarm"),
    0x9482: _changed,
    0xB482: _flagged(_distance, "distance_exception"),
    0x20CE: _past(_distance),
}
_FIELDS: Mapping[str, Mapping[int, Field]] = {
    "em310-udl": {**_ABOUT, 0x0382: _distance, 0x0400: _tilt},
    "em400-udl": {
        **_ABOUT,
        0x0367: _temperature,
        0x0482: _distance,
        0x0500: _tilt,
        0x8367: _flagged(_temperature, "temperature_alarm"),
        0x8482: _flagged(_distance, "distance_alarm"),
    },
    "em410-rdl": _RDL,
    "em500-udl": {**_ABOUT, 0x0382: _distance, 0x83E9: _scaleless_alarm, 0x20CE: _past(_distance)},
    "em500-swl": {**_ABOUT, 0x0377: _depth, 0x20CE: _past(_depth)},
}
_OLD_RDL = {**_RDL, 0x20CE: _past(_distance, rest=5)}


def decode(device: str, data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The reports in a payload: its log, oldest first, then what it measures now."""
    fields = _OLD_RDL if options.get("history_bytes") == "11" else _FIELDS[device]
    payload, told = Payload(data, "little"), _Told()
    while payload.left:
        at = payload.at
        if data[at] in _ANSWERS:
            break
        key = int.from_bytes(payload.take(2, "channel and type"), "big")
        if key not in fields:
            if options.get("unknown") == "keep" and (told.values or told.past):
                told.info["unknown_channel"] = f"{key:04x}"
                break
            raise FixedBits(f"channel {key >> 8:02x} type {key & 255:02x} at byte {at} is none of {device.upper()}'s")
        fields[key](payload, told)
    if told.info.get("tilted") and "distance" in told.values:
        told.quality["distance"] = SUSPECT
    reports = told.past
    if told.values or told.quality or told.info:
        reports = [*reports, telling(told.values, told.quality, told.info)]
    errors = [str(text) for one in reports for key, text in one.decoded.info.items() if key.endswith("_error")]
    return tellings(reports, "; ".join(errors[:1]))


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


_UNKNOWN = Option(
    "refuse", "a channel that is not known here: refuse all, or keep what stands before it", ("refuse", "keep")
)
_HISTORY = Option("6", "length of a record of its log; firmware of before 2024 may send 11", ("6", "11"))
_QUIRKS = (
    "It looks like Cayenne LPP and is not: name the driver of the very model.",
    "Records of its log come with the time of its own clock; set that once with ToolBox.",
)


def _driver(device: str, title: str, quantities: tuple[str, ...], *quirks: str) -> Driver:
    options = {"unknown": _UNKNOWN} | ({"history_bytes": _HISTORY} if device == "em410-rdl" else {})
    return Driver(
        name=f"milesight-{device}",
        title=f"Milesight {device.upper()} {title}",
        device_class="water",
        models=(device.upper(),),
        kind=Uplink(partial(decode, device), FPORT),
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
