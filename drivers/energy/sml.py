"""Electricity meters that push SML from their optical head, as German ones do. See `sml_wire` for the bytes.

9600 8N1, every 1 to 4 s. A value is number × 10^scaler in a unit by its DLMS number (30 Wh, 27 W, 35 V, 33 A, 44 Hz);
its OBIS code tells which quantity it is, see `obis`. 16.7.0 is signed, import positive; 15.7.0 is a sum without a sign.

Sources: as `sml_wire`; DLMS UA blue book (units).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial

from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Option, Options
from drivers.core.patterned import PatternFramer
from drivers.energy import obis, sml_wire
from drivers.energy.simulated_sml import QUANTITIES, SimulatedSml
from drivers.energy.sml_wire import Entry, Number

_NAME = re.compile(r"1-0:(\d+\.\d+\.\d+)\*255")
_UNITS = {27: "W", 28: "VA", 29: "VAr", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}
_SCALERS = range(-12, 13)
_POWER, _SUM_POWER, _ENERGY = "16.7.0", "15.7.0", "1.8.0"
_MAKERS = ("1-0:96.50.1*1", "129-129:199.130.3*255")
_IGNORE, _IMPORT = "ignore", "import"
_DZG = "445a47"
_DZG_FAULTY = (range(42_000_000, 49_000_000), range(55_000_000, 59_000_000))
_SOMETIMES = (
    *(f"energy_{way}{tariff}" for way in ("import", "export") for tariff in ("", "_t1", "_t2", "_t3", "_t4")),
    *(f"{name}_l{phase}" for name in ("voltage", "current", "active_power", "power_factor") for phase in (1, 2, 3)),
    *("energy_sum", "reactive_energy_import", "reactive_energy_export", "reactive_power", "apparent_power"),
    *("active_power", "frequency", "power_factor", "current_n"),
)


def _framer(options: Options) -> Framer:
    kind = str(options.get("crc", sml_wire.X25))
    return PatternFramer(sml_wire.FRAME, sml_wire.BEGINNING, partial(_holds, kind), idle=b"\0")


def _holds(kind: str, frame: bytes) -> bool:
    return sml_wire.holds(frame, kind)


def decode(frame: bytes, options: Options) -> Decoded:
    """The values of a frame whose check holds. Raises `FixedBits`, `Truncated`, and `DeviceFault` without a value."""
    server, told = sml_wire.entries(frame)
    info: dict[str, str | int] = {"serial": server}
    is_faulty = _has_faulty_power(server)
    lines: list[obis.Entry] = []
    for entry in told:
        if entry.name in _MAKERS and isinstance(entry.value, bytes):
            info["manufacturer"] = entry.value.decode("ascii", "replace")
        match = _NAME.fullmatch(entry.name)
        if match is None or not isinstance(entry.value, Number):
            continue
        code = match[1]
        if code == _ENERGY and entry.status is not None:
            info["status_code"] = entry.status
        if code == _SUM_POWER and options.get("absolute_power", _IGNORE) == _IMPORT:
            code = _POWER
        field = _field(entry, entry.value, repairs=is_faulty and code == _POWER)
        lines.append(obis.Entry(0, code, (field,)))
    return obis.decode(lines, info)


def _field(entry: Entry, number: Number, *, repairs: bool) -> str:
    """The value as OBIS text has it, `137.1*W`; without a unit or with a scaler that cannot be, no value."""
    value = number.value
    if repairs and number.is_signed and number.width <= 2 and value < 0:
        value += 1 << 8 * number.width
    unit = _UNITS.get(entry.unit or 0)
    if unit is None or entry.scaler not in _SCALERS:
        return ""
    return f"{Decimal(value).scaleb(entry.scaler):f}*{unit}"


def _has_faulty_power(server: str) -> bool:
    """DZG meters of some serial numbers call a short unsigned power signed (libsml, sml_list.c)."""
    return server[4:10] == _DZG and any(int(server[-8:], 16) in numbers for numbers in _DZG_FAULTY)


DRIVERS = (
    Driver(
        name="sml",
        title="Electricity meter with an optical head that pushes SML",
        device_class="energy",
        models=("EMH eHZ, ED300L", "ISKRA MT175, MT631, MT691", "Holley DTZ541", "DZG DVS74", "ITRON OpenWay 3.HZ"),
        kind=Listening(_framer, decode),
        quantities=QUANTITIES,
        sometimes=tuple(name for name in _SOMETIMES if name not in QUANTITIES),
        line=Line(baud=9600),
        sources=("BSI TR-03109-1 Anlage IV", "github.com/volkszaehler/libsml", "github.com/devZer0/libsml-testing"),
        silence_s=30.0,
        options={
            "crc": Option(sml_wire.X25, "kermit: for Holley DTZ541 meters of some firmware", ("x25", "kermit")),
            "absolute_power": Option(
                _IGNORE,
                "import takes 15.7.0, a sum without a sign, as the power of a meter that only imports",
                (_IGNORE, _IMPORT),
            ),
        },
        aliases=("ehz",),
        wiring="Optical head on the meter's window, cable down; it only listens.",
        quirks=(
            "Without the owner's PIN many meters give whole kWh and no power: enter it with a torch.",
            "DZG meters of some serial numbers call a short power signed though it is not: that is put right here.",
            "Some DTZ541 use another CRC: set crc to kermit where every frame is refused for its check.",
        ),
        period_s=1.0,
        frame_bytes=sml_wire.FRAME_BYTES,
        simulate=SimulatedSml,
        vectors=("drivers.energy", "sml.vectors.toml"),
    ),
)
