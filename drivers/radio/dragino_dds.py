"""Dragino ultrasonic level sensors LDDS75/45/20 (firmware 1.1.4 and later) and DDS75/45/20-LB/LS; LDDS04 and DDS04-LB.

    DDS, fPort 2, 8 bytes, big-endian                     DDS04, fPort 2, 11 bytes
    0  2  battery, mV in the lower 14 bits                0  2  battery, mV in the lower 14 bits; bit 15 interrupt
    2  2  distance, mm; 0: no sensor                      2  8  four distances, mm; 0: no sensor
    4  1  1 = sent by the interrupt pin                   10 1  message type
    5  2  DS18B20, int16, see `probe_step`
    7  1  1 = sensor found

    fPort 3, records of 11 bytes, the last four seconds since 1970
        DDS    0  2 + 2 + 2: see `datalog`    6  1  flags        7  4  when
        DDS04  0  1  flags      1  6  the first three distances, mm      7  4  when
    fPort 5  a status, see `_dragino`         fPort 6  distances without times: not read

A distance outside the model's range is none. What the DDS sends for a probe it has not is 0 or 327.x °C, so a
temperature is told only where `probe` says what it is of. The maker's decoders disagree on the order in the DDS's log
(battery, temperature, distance against another), and on the step of its temperature (0.1 nearly everywhere, 0.01 in
one of 2025): both are settings.

Sources: Dragino LDDS75, LDDS04, DDS75-LB manuals; github.com/dragino/dragino-end-node-decoder; TheThingsNetwork
lorawan-devices vendor/dragino; akenza-io/device-type-library types/dragino.
"""

from __future__ import annotations

from functools import partial

from drivers.core.contract import Option, Options, Telling
from drivers.radio import _dragino as dragino
from drivers.radio._payload import MISSING, Moving, Payload, exactly, telling, tellings, with_probe

_BATTERY = 0x3FFF
_RANGES_MM = {"dds75": (280, 7500), "dds45": (30, 4500), "dds20": (20, 2000)}
_PROBES = ("none", "air_temperature", "water_temperature", "soil_temperature")
_LOGS = ("refuse", "battery temperature distance", "battery distance temperature")
_CHANNELS = 4
_HEAD_MM = (20, 7500)
"""The four-channel device takes heads of several models: the widest of their ranges."""


def _level(name: str, mm: int, low: int, high: int) -> tuple[dict[str, float], dict[str, int], dict[str, str | int]]:
    if low <= mm <= high:
        return {name: mm / 1000}, {}, {}
    why = "no sensor" if mm == 0 else "below range" if mm < low else "above range"
    return {}, {name: MISSING}, {f"{name}_error": why}


def _told(mm: int, battery: int, raw: int, options: Options, info: dict[str, str | int], at_s: int | None) -> Telling:
    values, quality, more = _level("distance", mm, *_RANGES_MM[str(options.get("model", "dds75"))])
    values["battery_voltage"] = (battery & _BATTERY) / 1000
    probe = str(options.get("probe", "none"))
    if probe != "none" and raw >= dragino.NO_PROBE:
        quality[probe] = MISSING
    elif probe != "none":
        values[probe] = raw * (0.01 if options.get("probe_step") == "0.01" else 0.1)
    return telling(values, quality, {**info, **more, "temperature_raw": raw}, at_s=at_s)


def decode_dds(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The report of the moment, or the records of its log."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    if fport == dragino.LOGGED:
        order = str(options.get("datalog", "refuse"))
        if order == "refuse":
            raise dragino.unread(fport, "its log's order is not certain: set the option datalog")
        return dragino.log(data, lambda record: _record(record, order, options))
    if fport not in (None, dragino.MEASURED):
        raise dragino.unread(fport, "distances without times are not read")
    exactly(data, (8,), "a measurement")
    payload = Payload(data)
    battery, mm, interrupt = payload.number(2, "battery"), payload.number(2, "distance"), payload.number(1, "interrupt")
    raw, found = payload.number(2, "temperature", signed=True), payload.number(1, "sensor flag")
    info: dict[str, str | int] = {"interrupt": interrupt & 1, "sensor_found": found & 1}
    return tellings([_told(mm, battery, raw, options, info, None)], "no sensor, or nothing in its range")


def _record(record: bytes, order: str, options: Options) -> Telling:
    payload = Payload(record)
    battery, second, third = (payload.number(2, "word") for _ in range(3))
    raw, mm = (second, third) if order.endswith("distance") else (third, second)
    payload.take(1, "flags")
    raw -= (raw >> 15) << 16
    return _told(mm, battery, raw, options, {}, payload.number(4, "time"))


def decode_dds04(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The four distances of the moment, or the three of each record of its log."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    if fport == dragino.LOGGED:
        return dragino.log(data, lambda record: _four(record[1:7], {}, {}, int.from_bytes(record[7:], "big")))
    if fport not in (None, dragino.MEASURED):
        raise dragino.unread(fport, "is not known")
    exactly(data, (11,), "a measurement")
    battery = int.from_bytes(data[:2], "big")
    info: dict[str, str | int] = {"interrupt": battery >> 15, "message_type": data[10]}
    return tellings([_four(data[2:10], {"battery_voltage": (battery & _BATTERY) / 1000}, info, None)])


def _four(data: bytes, values: dict[str, float], info: dict[str, str | int], at_s: int | None) -> Telling:
    quality: dict[str, int] = {}
    for number in range(len(data) // 2):
        mm = int.from_bytes(data[2 * number : 2 * number + 2], "big")
        good, bad, why = _level(f"distance__{number + 1}", mm, *_HEAD_MM)
        values, quality, info = values | good, quality | bad, info | why
    return telling(values, quality, info, at_s=at_s)


class Simulator:
    """A sensor under a bridge, or four."""

    def __init__(self, heads: int, seed: int) -> None:
        self._heads, self._moving = heads, Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        battery = round(self._moving.battery_v(t) * 1000).to_bytes(2, "big")
        mm = self._moving.distance_mm(t)
        if self._heads == 1:
            return battery + mm.to_bytes(2, "big") + b"\x00\x00\x00\x01"
        return battery + b"".join((mm // 2 + 7 * head).to_bytes(2, "big") for head in range(self._heads)) + b"\x01"

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


_SOURCES = (
    "Dragino LDDS75, LDDS45, LDDS04, DDS75-LB/LS, DDS45-LB/LS, DDS20-LB/LS, DDS04-LB/LS user manuals",
    "github.com/dragino/dragino-end-node-decoder DDS75-LB, DDS04-LB, LDDS04",
    "github.com/TheThingsNetwork/lorawan-devices vendor/dragino",
)
DRIVERS = (
    dragino.driver(
        "dragino-dds",
        "Dragino LDDS/DDS ultrasonic level sensor",
        ("LDDS75", "LDDS45", "LDDS20", "DDS75-LB", "DDS75-LS", "DDS45-LB", "DDS45-LS", "DDS20-LB", "DDS20-LS"),
        decode_dds,
        gives=partial(with_probe, ("distance", "battery_voltage")),
        quantities=("distance",),
        sometimes=_PROBES[1:],
        options={
            "model": Option("dds75", "it decides the range outside of which a distance is none", tuple(_RANGES_MM)),
            "probe": Option("none", "what its DS18B20 measures, where it has one", _PROBES),
            "probe_step": Option(
                "0.1", "kelvin a step of that temperature; one firmware of 2025 sends 0.01", ("0.1", "0.01")
            ),
            "datalog": Option("refuse", "the order in a record of its log, as its firmware sends it", _LOGS),
        },
        sources=_SOURCES,
        quirks=(
            "Firmware before 1.1.4 sends four bytes: update it.",
            "Its log is refused until `datalog` says its order: poll one record whose values you know.",
            "Its log keeps the time that the network set (DeviceTime): it is wrong until that was answered.",
        ),
        simulate=lambda seed, address: Simulator(1, seed),
        vectors="dragino.vectors.toml",
        aliases=(
            "dragino-ldds75",
            "dragino-ldds45",
            "dragino-ldds20",
            "dragino-dds75-lb",
            "dragino-dds45-lb",
            "dragino-dds20-lb",
        ),
    ),
    dragino.driver(
        "dragino-dds04",
        "Dragino LDDS04/DDS04-LB four-channel ultrasonic sensor",
        ("LDDS04", "DDS04-LB", "DDS04-LS"),
        decode_dds04,
        quantities=tuple(f"distance__{number + 1}" for number in range(_CHANNELS)),
        sources=_SOURCES,
        quirks=("Its log has the first three distances only.", "A channel without its sensor is missing."),
        simulate=lambda seed, address: Simulator(_CHANNELS, seed),
        vectors="dragino.vectors.toml",
        aliases=("dragino-ldds04", "dragino-dds04-lb"),
    ),
)
