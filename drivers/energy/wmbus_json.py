"""Meters on wireless M-Bus, as the program wmbusmeters reads and decodes them: one JSON object a line.

    {"_":"telegram","media":"electricity","meter":"omnipower","name":"shop","id":"32666857",
     "total_energy_consumption_kwh":7.94,"current_power_consumption_kw":0.003,"timestamp":"2026-03-20T09:46:40Z"}

wmbusmeters listens to the radio, knows the keys and checks the telegrams; what comes here is a pipe's text without a
check of its own. Several meters may come on one line: the option `id` picks
one. See `wmbus_fields` for the names.

Sources: wmbusmeters/wmbusmeters README, drivers/src/*.xmq.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from drivers.core.contract import Decoded, DeviceFault, Driver, FixedBits, Framer, Line, Listening, Option, Options
from drivers.core.patterned import PatternFramer
from drivers.core.quantities import is_plausible
from drivers.energy.simulated_wmbus import QUANTITIES, SimulatedWmbus
from drivers.energy.wmbus_fields import named, parse_own

_LINE_BYTES = 4096
_FRAME = re.compile(rb"(?<![^\r\n])\{[^\r\n]{1,%d}\}\r?\n" % (_LINE_BYTES - 4))
_BEGINNING = re.compile(rb"(?<![^\r\n])\{[^\r\n]{0,%d}\r?\Z" % (_LINE_BYTES - 4))
_SUSPECT, _FAIL, _MISSING = 3, 4, 9
_FACTS = {
    "id": "serial",
    "meter": "model",
    "name": "name",
    "media": "media",
    "status": "status",
    "timestamp": "heard_at",
}
_FACT_LETTERS = 100
_SOMETIMES = (
    *(f"energy_{way}{tariff}" for way in ("import", "export") for tariff in ("", "_t1", "_t2", "_t3", "_t4")),
    *(f"{kind}_energy_{way}" for kind in ("reactive", "apparent") for way in ("import", "export")),
    *(f"{name}_l{phase}" for name in ("voltage", "current") for phase in (1, 2, 3)),
    *("frequency", "heat_energy", "volume_flow", "supply_temperature", "return_temperature"),
    *("water_volume", "gas_volume"),
)


def _framer(options: Options) -> Framer:
    return PatternFramer(_FRAME, _BEGINNING, idle=b"\r\n")


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number")


def decode(frame: bytes, options: Options) -> Decoded | None:
    """The values of a line; None where it is another meter's. Raises `FixedBits`, and `DeviceFault` without a value."""
    try:
        told: Any = json.loads(frame, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FixedBits(f"no JSON: {error}") from None
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in ("id", "meter")):
        raise FixedBits("an object without the meter's id and kind")
    wanted = str(options.get("id", ""))
    if wanted and told["id"].lower() != wanted.lower():
        return None
    fields: dict[str, float | None] = {}
    for key, value in told.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or (is_number and -1e15 < value < 1e15 and isfinite(value)):
            fields[key] = None if value is None else float(value)
    media = told.get("media")
    numbers = named(fields, media if isinstance(media, str) else "", parse_own(str(options.get("values", ""))))
    values = {name: number for name, number in numbers.items() if number is not None}
    if not values:
        raise DeviceFault(f"none of its fields is known here: {', '.join(sorted(fields))[:_FACT_LETTERS]}")
    quality = {name: _MISSING for name, number in numbers.items() if number is None}
    quality |= {name: _FAIL for name, value in values.items() if not is_plausible(name, value)}
    if told.get("status", "OK") not in ("OK", "", None):
        quality = {**dict.fromkeys(values, _SUSPECT), **quality}
    info: dict[str, str | int] = {
        ours: told[key][:_FACT_LETTERS] for key, ours in _FACTS.items() if isinstance(told.get(key), str)
    }
    rssi = told.get("rssi_dbm")
    if isinstance(rssi, int) and not isinstance(rssi, bool):
        info["rssi_dbm"] = rssi
    return Decoded(values, quality, info)


def gives(options: Options) -> tuple[str, ...]:
    """What a meter may give: what is known of all, and what the site says of its own."""
    own = (name for name, _, _ in parse_own(str(options.get("values", ""))).values())
    return tuple(dict.fromkeys((*QUANTITIES, *_SOMETIMES, *own)))


DRIVERS = (
    Driver(
        name="wmbus-json",
        title="Meter on wireless M-Bus, read by wmbusmeters",
        device_class="energy",
        models=("every meter that wmbusmeters decodes",),
        kind=Listening(_framer, decode),
        quantities=QUANTITIES,
        sometimes=tuple(name for name in _SOMETIMES if name not in QUANTITIES),
        gives=gives,
        line=Line(baud=115200),
        sources=("github.com/wmbusmeters/wmbusmeters README", "github.com/wmbusmeters/wmbusmeters drivers/src/*.xmq"),
        check_bits=0,
        frame_bytes=_LINE_BYTES,
        silence_s=7200.0,
        options={
            "id": Option("", "the meter's id as wmbusmeters shows it, where several come on one line"),
            "values": Option(
                "", 'fields that have no name here yet, such as "total_m3 water_volume; room_c air_temperature"'
            ),
        },
        aliases=("wmbusmeters",),
        wiring="A receiver of 868 MHz for wmbusmeters, and its lines on a port of their own: deploy/wmbus/README.md.",
        quirks=(
            "A meter whose status is not OK gives suspect values.",
            "wmbusmeters says nothing while it hears nothing: a silence may be the radio's, the key's or the meter's.",
        ),
        period_s=16.0,
        simulate=SimulatedWmbus,
        vectors=("drivers.energy", "wmbus_json.vectors.toml"),
    ),
)
