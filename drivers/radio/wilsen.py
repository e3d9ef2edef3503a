"""Pepperl+Fuchs WILSEN.sonic.level: packages with their length, one behind another, big-endian.

    n    1  length of what follows      n+1  2  identifier      n+3  …  value      and again

    0b 01  2  distance, cm                   50 01  4 s  latitude, 0.000001 °       31 01  2  LoRa telegrams sent
    0b 06  1  fill level, %                  50 02  4 s  longitude, 0.000001 °      31 02  2  GPS fixes
    02 01  4  temperature, float32 °C        2a 25  14   serial number, ASCII       31 03  4  measurements
    51 01  1  battery, 0.1 V

Payload 1 has distance, fill level, temperature and battery, payload 2 its position too, payload 3 counters. A package
that nobody knows is passed over by its length.

Sources: Pepperl+Fuchs, Description of the Payload WILSEN.sonic.level (tdoct7056, 2020); akenza-io/device-type-library
types/pepperlFuchs/wilsenSonicLevel.
"""

from __future__ import annotations

from math import isfinite
from struct import pack, unpack

from drivers.core.contract import Driver, FixedBits, Options, Telling, Truncated, Uplink
from drivers.radio._payload import MISSING, NO_LINE, WIRING, Moving, Payload, telling, tellings

_NUMBERS: dict[int, tuple[int, bool, str, float]] = {
    0x0B01: (2, False, "distance", 100),
    0x0B06: (1, False, "fill_level", 1),
    0x5101: (1, False, "battery_voltage", 10),
    0x5001: (4, True, "latitude", 1e6),
    0x5002: (4, True, "longitude", 1e6),
}
"""Identifier: bytes, sign, quantity, steps a unit."""
_COUNTS = {0x3101: (2, "lora_count"), 0x3102: (2, "gps_count"), 0x3103: (4, "measurement_count")}
_TEMPERATURE, _SERIAL = 0x0201, 0x2A25


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report of all its packages."""
    payload = Payload(data)
    values: dict[str, float] = {}
    quality: dict[str, int] = {}
    info: dict[str, str | int] = {}
    while payload.left:
        length = payload.number(1, "length")
        if length < 2:
            raise FixedBits(f"a package of {length} bytes at byte {payload.at - 1} has no identifier")
        package = payload.take(length, "package")
        id_, value = int.from_bytes(package[:2], "big"), package[2:]
        if id_ in _NUMBERS:
            size, signed, name, per = _NUMBERS[id_]
            _sized(id_, value, size)
            if name in values:
                raise FixedBits(f"it tells {name} twice")
            values[name] = int.from_bytes(value, "big", signed=signed) / per
        elif id_ == _TEMPERATURE:
            _sized(id_, value, 4)
            (number,) = unpack(">f", value)
            if isfinite(number):
                values["device_temperature"] = number
            else:
                quality["device_temperature"] = MISSING
        elif id_ in _COUNTS:
            size, key = _COUNTS[id_]
            _sized(id_, value, size)
            info[key] = int.from_bytes(value, "big")
        elif id_ == _SERIAL:
            info["serial"] = value.decode("ascii", "replace")
        else:
            info[f"package_{id_:04x}"] = value.hex()
    return tellings([telling(values, quality, info)] if values or quality or info else [])


def _sized(id_: int, value: bytes, size: int) -> None:
    if len(value) != size:
        why = f"package {id_:04x} has {size} bytes, here {len(value)}"
        raise Truncated(why) if len(value) < size else FixedBits(why)


class Simulator:
    """A sensor above a canal that it takes for a container three metres deep."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """Payload 1 of the moment `t`."""
        cm = round(self._moving.distance_mm(t) / 10)
        return (
            (b"\x04\x0b\x01" + cm.to_bytes(2, "big"))
            + (b"\x03\x0b\x06" + bytes((min(100, max(0, 100 - cm // 3)),)))
            + (b"\x06\x02\x01" + pack(">f", round(self._moving.box_c(t), 1)))
            + (b"\x03\x51\x01" + bytes((round(self._moving.battery_v(t) * 10),)))
        )

    def answer(self, data: bytes, t: float) -> bytes:
        """It takes no commands."""
        return b""


DRIVERS = (
    Driver(
        name="pepperl-fuchs-wilsen-sonic",
        title="Pepperl+Fuchs WILSEN.sonic.level ultrasonic level sensor",
        device_class="water",
        models=("WILSEN.sonic.level",),
        kind=Uplink(decode, 1),
        quantities=("distance", "fill_level", "device_temperature", "battery_voltage"),
        sometimes=("latitude", "longitude"),
        line=NO_LINE,
        sources=(
            "Pepperl+Fuchs tdoct7056, Description of the Payload WILSEN.sonic.level, 2020",
            "github.com/akenza-io/device-type-library types/pepperlFuchs/wilsenSonicLevel",
        ),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        aliases=("wilsen-sonic-level", "wilsen"),
        wiring=WIRING,
        quirks=(
            "Its distance has steps of a centimetre, its fill level counts on the container's height set in its app.",
            "It sends confirmed uplinks only: the network server must answer, or it repeats itself.",
        ),
        period_s=3600.0,
        simulate=Simulator,
        vectors=("drivers.radio", "wilsen.vectors.toml"),
    ),
)
