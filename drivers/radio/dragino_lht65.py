"""Dragino LHT65: a thermometer and hygrometer with a socket for a second thermometer.

    fPort 2, 11 bytes, big-endian
    0  2  bits 15 to 14 battery state; battery, mV in the lower 14 bits
    2  2  temperature, int16, 0.01 °C
    4  2  humidity, 0.1 %
    6  1  what is in the socket: 1 a DS18B20
    7  2  its temperature, int16, 0.01 °C; 7FFF: none there
    9  2  reserved (7FFF)

    fPort 5  a status, see `_dragino`

Other things in the socket (interrupt, light, ADC, counter) put other fields into bytes 7 to 10: they are refused.

Sources: Dragino LHT65 user manual; TheThingsNetwork lorawan-devices vendor/dragino/lht65.
"""

from __future__ import annotations

from functools import partial

from drivers.core.contract import Option, Options, Telling
from drivers.radio import _dragino as dragino
from drivers.radio._payload import MISSING, Moving, Payload, exactly, telling, tellings, with_probe

_NOTHING, _THERMOMETER = 0, 1
_NO_PROBE = 0x7FFF
_STATES = ("ultra low", "low", "ok", "good")
_PROBES = ("none", "water_temperature", "soil_temperature", "air_temperature__probe")


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report; the probe's temperature where `probe` says what it is of."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    if fport not in (None, dragino.MEASURED):
        raise dragino.unread(fport, "is not known")
    exactly(data, (11,), "a measurement")
    payload = Payload(data)
    battery = payload.number(2, "battery")
    values = {
        "air_temperature": payload.number(2, "temperature", signed=True) / 100,
        "relative_humidity": payload.number(2, "humidity") / 10,
        "battery_voltage": (battery & 0x3FFF) / 1000,
    }
    socket, raw = payload.number(1, "socket") & 0x7F, payload.number(2, "probe", signed=True)
    if socket not in (_NOTHING, _THERMOMETER):
        raise dragino.unread(fport, f"what is in its socket ({socket}) is not read")
    quality: dict[str, int] = {}
    probe = str(options.get("probe", "none"))
    if probe != "none" and (raw == _NO_PROBE or socket == _NOTHING):
        quality[probe] = MISSING
    elif probe != "none":
        values[probe] = raw / 100
    info: dict[str, str | int] = {"battery_state": _STATES[battery >> 14], "socket": socket, "probe_raw": raw}
    return tellings([telling(values, quality, info)])


class Simulator:
    """A box on a roof with nothing in its socket."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        near = self._moving.near
        battery = 0xC000 | round(near("battery", t, 3.0, 0.02) * 1000)
        warm = round(near("air", t, 31, 4) * 100).to_bytes(2, "big", signed=True)
        damp = round(near("humidity", t, 66, 12) * 10).to_bytes(2, "big")
        return battery.to_bytes(2, "big") + warm + damp + b"\x01\x7f\xff\x7f\xff"

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    dragino.driver(
        "dragino-lht65",
        "Dragino LHT65 thermometer and hygrometer with a second probe",
        ("LHT65",),
        decode,
        gives=partial(with_probe, ("air_temperature", "relative_humidity", "battery_voltage")),
        quantities=("air_temperature", "relative_humidity"),
        sometimes=_PROBES[1:],
        options={"probe": Option("none", "what its second thermometer measures, where it has one", _PROBES)},
        sources=("Dragino LHT65 user manual", "github.com/TheThingsNetwork/lorawan-devices vendor/dragino/lht65"),
        quirks=(
            "327.67 degrees of its second thermometer mean that none is there: it is missing then.",
            "LHT65N and LHT52 have other payloads.",
        ),
        simulate=Simulator,
        vectors="dragino.vectors.toml",
        device_class="weather",
    ),
)
