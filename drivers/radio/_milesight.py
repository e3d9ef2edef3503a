"""Milesight's channels: fields of a payload, and how a payload is read with them. `milesight` draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drivers.core.contract import FixedBits, Option, Options, Telling
from drivers.radio._payload import MISSING, SUSPECT, Payload, telling, tellings

FPORT = 85
_ERRORS = {0xFFFF: "failed", 0xFFFE: "switched off", 0xFFFD: "no target or out of range"}
_ANSWERS = {0xFE, 0xF8, 0xF9}


@dataclass(slots=True)
class Told:
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


Field = Callable[[Payload, Told], None]


def number(name: str, size: int, per: float = 1, *, signed: bool = False) -> Field:
    """A quantity in steps of 1 / `per`."""

    def read(payload: Payload, told: Told) -> None:
        told.values[name] = payload.number(size, name, signed=signed) / per

    return read


def state(name: str) -> Field:
    """A state that is no quantity, one byte."""

    def read(payload: Payload, told: Told) -> None:
        told.info[name] = payload.number(1, name)

    return read


def together(*fields: Field) -> Field:
    """Fields one behind another."""

    def read(payload: Payload, told: Told) -> None:
        for one in fields:
            one(payload, told)

    return read


def passed(size: int) -> Field:
    """Bytes that are left out."""

    def read(payload: Payload, told: Told) -> None:
        payload.take(size, "reserved bytes")

    return read


def battery(payload: Payload, told: Told) -> None:
    """Battery, %."""
    told.values["battery_level"] = payload.number(1, "battery")


def temperature(payload: Payload, told: Told) -> None:
    """Temperature in its housing, 0.1 °C."""
    told.values["device_temperature"] = payload.number(2, "temperature", signed=True) / 10


def distance(payload: Payload, told: Told) -> None:
    """Distance, mm, or why there is none."""
    told.level("distance", payload.number(2, "distance"), 1000)


def radar(payload: Payload, told: Told) -> None:
    """Distance, int16, mm, or why there is none: a calibration can make it negative, which is no distance."""
    raw = payload.number(2, "distance")
    told.level("distance", raw if raw in _ERRORS else raw - (raw >> 15 << 16), 1000)


def depth(payload: Payload, told: Told) -> None:
    """Depth, cm, or why there is none."""
    told.level("water_depth", payload.number(2, "depth"), 100)


def tilt(payload: Payload, told: Told) -> None:
    """1 where it hangs askew."""
    told.info["tilted"] = payload.number(1, "position")


def signal(payload: Payload, told: Told) -> None:
    """Strength of the radar's echo, 0.01."""
    told.values["x_milesight_radar_signal"] = payload.number(2, "radar signal", signed=True) / 100


def flagged(field: Field, key: str) -> Field:
    """A field with an alarm's state behind it."""

    def read(payload: Payload, told: Told) -> None:
        field(payload, told)
        told.info[key] = payload.number(1, key)

    return read


def changed(payload: Payload, told: Told) -> None:
    """A radar's distance, its change and an alarm's state."""
    radar(payload, told)
    told.info["distance_change_mm"] = payload.number(2, "change", signed=True)
    told.info["distance_alarm"] = payload.number(1, "alarm")


def scaleless_alarm(payload: Payload, told: Told) -> None:
    """An alarm's distance, whose scale nobody published."""
    payload.take(4, "distance alarm")  # its scale is 0.1 mm by the maker's decoder, 1 mm everywhere else
    told.quality["distance"] = MISSING
    told.info |= {"distance_alarm": payload.number(1, "alarm"), "distance_error": "an alarm's, of unknown scale"}


def past(field: Field, rest: int = 0) -> Field:
    """A record of its log: when, and a field; `rest` bytes behind it are left out."""

    def read(payload: Payload, told: Told) -> None:
        at_s, then = payload.number(4, "time of the log"), Told()
        field(payload, then)
        payload.take(rest, "record of the log")
        told.past.append(telling(then.values, then.quality, then.info, at_s=at_s))

    return read


def text(key: str, size: int) -> Field:
    """Bytes that say what it is, in hexadecimal."""

    def read(payload: Payload, told: Told) -> None:
        told.info[key] = payload.take(size, key).hex()

    return read


ABOUT: Mapping[int, Field] = {
    0xFF01: text("protocol", 1),
    0xFF09: text("hardware", 2),
    0xFF0A: text("firmware", 2),
    0xFF0B: text("started", 1),
    0xFF0F: text("lorawan_class", 1),
    0xFF16: text("serial", 8),
    0xFFFE: text("reset", 1),
    0xFFFF: text("tsl", 2),
    0x0175: battery,
}


def read(fields: Mapping[int, Field], model: str, data: bytes, options: Options) -> tuple[Telling, ...]:
    """The reports in a payload: its log, oldest first, then what it measures now."""
    payload, told = Payload(data, "little"), Told()
    while payload.left:
        at = payload.at
        if data[at] in _ANSWERS:
            break
        key = int.from_bytes(payload.take(2, "channel and type"), "big")
        if key not in fields:
            if options.get("unknown") == "keep" and (told.values or told.past):
                told.info["unknown_channel"] = f"{key:04x}"
                break
            raise FixedBits(f"channel {key >> 8:02x} type {key & 255:02x} at byte {at} is none of {model.upper()}'s")
        fields[key](payload, told)
    if told.info.get("tilted") and "distance" in told.values:
        told.quality["distance"] = SUSPECT
    reports = told.past
    if told.values or told.quality or told.info:
        reports = [*reports, telling(told.values, told.quality, told.info)]
    errors = [str(text) for one in reports for key, text in one.decoded.info.items() if key.endswith("_error")]
    return tellings(reports, "; ".join(errors[:1]))


UNKNOWN = Option(
    "refuse", "a channel that is not known here: refuse all, or keep what stands before it", ("refuse", "keep")
)
