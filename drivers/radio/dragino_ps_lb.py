"""Dragino PS-LB/LS: a 4 to 20 mA probe for level or pressure.

    fPort 2, 9 bytes (13 with its pulse counter), big-endian
    0  2  battery, mV
    2  1  probe: 0 level, 1 pressure, 2 differential pressure
    3  1  its range: metres for a level (0: never set), a code for pressures
    4  2  loop current, uA          6  2  voltage input, mV
    8  1  bit 3 IN1, bit 2 IN2, bit 1 interrupt pin, bit 0 sent by interrupt; bits 7 to 4 rate of change
    9  4  pulses

    fPort 3, records of 11 bytes: probe and range, current, voltage, flags as above, seconds since 1970
    fPort 5  a status, see `_dragino`       fPort 7, 8  currents without probe and times: not read

    level = (mA - 4) / 16 x range;  pressure = (mA - 4) x kPa of the code;  a code with both signs counts from 12 mA

A loop below 3.6 mA is broken and one above 21 mA shorted: there is no level then, and no empty river.

Source: github.com/dragino/dragino-end-node-decoder PS-LB, its issue 13; no capture is published.
"""

from __future__ import annotations

from drivers.core.contract import Options, Telling
from drivers.radio import _dragino as dragino
from drivers.radio._payload import MISSING, Moving, Payload, exactly, telling, tellings

_LOOP_UA = (3600, 21_000)
_LEVEL, _PRESSURE, _DIFFERENCE = range(3)
_NAMES = {_LEVEL: "water_depth", _PRESSURE: "water_pressure", _DIFFERENCE: "x_dragino_differential_pressure"}
_KPA_MA = {
    1: 37.5,
    2: 62.5,
    3: 100,
    4: 156.25,
    5: 625,
    6: 2500,
    7: 3750,
    8: -6.25,
    9: 12.5,
    10: 0.3125,
    11: 3.125,
    12: 6.25,
}
"""kPa a milliampere. The maker's decoder of 1.2.7 calls the MPa of codes 1 to 9 kPa; that of 1.1 has them right."""
_PA_MA = {1: 6.25, 2: 12.5, 3: 18.75, 4: 62.5, 5: 125, 6: 187.5, 7: 250, 8: 312.5, 9: 625, 10: 12.5, 11: 25, 12: 125}
_FROM_12_MA = {(_PRESSURE, 9), (_DIFFERENCE, 10), (_DIFFERENCE, 11), (_DIFFERENCE, 12)}


def _probe(probe: int, span: int, current_ua: int) -> tuple[dict[str, float], dict[str, int], dict[str, str | int]]:
    """What the probe measures, or why nothing."""
    name, ma = _NAMES.get(probe), current_ua / 1000
    if name is None:
        return {}, {}, {"probe_error": f"probe {probe} is not known"}
    low, high = _LOOP_UA
    if not low <= current_ua <= high:
        return {}, {name: MISSING}, {"loop_fault": "under range" if current_ua < low else "over range"}
    per_ma = span / 16 if probe == _LEVEL else (_KPA_MA if probe == _PRESSURE else _PA_MA).get(span, 0)
    if not per_ma:
        return (
            {},
            {name: MISSING},
            {"probe_error": "its range was never set" if not span else f"range {span} is not known"},
        )
    return {name: (ma - (12 if (probe, span) in _FROM_12_MA else 4)) * per_ma}, {}, {}


def _measured(payload: Payload) -> tuple[dict[str, float], dict[str, int], dict[str, str | int]]:
    probe, span = payload.number(1, "probe"), payload.number(1, "range")
    current_ua, millivolt = payload.number(2, "current"), payload.number(2, "voltage")
    flags = payload.number(1, "flags")
    values, quality, info = _probe(probe, span, current_ua)
    values |= {"current_dc": current_ua / 1e6, "voltage_dc": millivolt / 1000}
    pins = {name: flags >> bit & 1 for name, bit in (("in1", 3), ("in2", 2), ("interrupt_pin", 1), ("interrupt", 0))}
    return values, quality, {**info, **pins, "probe": probe, "probe_range": span}


def _record(record: bytes) -> Telling:
    payload = Payload(record)
    values, quality, info = _measured(payload)
    return telling(values, quality, info, at_s=payload.number(4, "time"))


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The report of the moment, or the records of its log."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    if fport == dragino.LOGGED:
        return dragino.log(data, _record)
    if fport not in (None, dragino.MEASURED):
        raise dragino.unread(fport, "currents without probe and times are not read")
    exactly(data, (9, 13), "a measurement")
    payload = Payload(data)
    battery = payload.number(2, "battery") / 1000
    values, quality, info = _measured(payload)
    if payload.left:
        info["pulses"] = payload.number(4, "pulses")
    return tellings([telling({**values, "battery_voltage": battery}, quality, info)])


class Simulator:
    """A probe of five metres in a canal."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        current_ua = 4000 + round(self._moving.depth_m(t) / 5 * 16_000)
        battery = round(self._moving.battery_v(t) * 1000).to_bytes(2, "big")
        return battery + b"\x00\x05" + current_ua.to_bytes(2, "big") + b"\x00\x00\x00"

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    dragino.driver(
        "dragino-ps-lb",
        "Dragino PS-LB/LS level and pressure probe (4 to 20 mA)",
        ("PS-LB", "PS-LS"),
        decode,
        quantities=("water_depth", "current_dc", "voltage_dc"),
        sometimes=("water_pressure", "x_dragino_differential_pressure"),
        sources=(
            "github.com/dragino/dragino-end-node-decoder PS-LB, V1.1 to v1.2.7 and issue 13",
            "Dragino PS-LB user manual",
        ),
        quirks=(
            "Set the probe's range in it (AT+PROBE): with range 0 there is no level, whatever the current.",
            "The maker's decoder calls a broken loop a level of 0; here it is missing.",
            "x_dragino_differential_pressure is in Pa.",
        ),
        simulate=Simulator,
        vectors="dragino.vectors.toml",
    ),
)
