"""DSMR P1: the telegram that Dutch, Belgian, Swedish, Hungarian and Luxembourg meters send each second or ten.

115200 8N1 (DSMR 4 and 5), 9600 7E1 (2.2 and 3); text, lines end with CR LF:

    /KFM5KAIFA-METER              identification
    1-0:1.8.1(001581.123*kWh)     OBIS lines, see `obis`
    !6796                         CRC, four hex digits; one meter leaves a leading zero away; DSMR 2.2 and 3 have none

CRC-16/ARC of everything from / to !, CR LF included; so a reader that turns line ends breaks it. A telegram without a
CRC is taken only where it does not say version 4 or 5, and not at all with `crc = "required"`.

Sources: Netbeheer Nederland P1 companion standard 5.0.2; ndokter/dsmr_parser; toreamun/amshan; lvzon/dsmr-p1-parser.
"""

from __future__ import annotations

import re

from drivers.core.checksums import crc16_arc
from drivers.core.contract import Decoded, Driver, Framer, Integrity, Line, Listening, Option, Options
from drivers.core.patterned import PatternFramer
from drivers.energy import obis
from drivers.energy.simulated_p1 import QUANTITIES, SimulatedP1

_FRAME_BYTES = 4096
_FRAME = re.compile(rb"/[^/!\x80-\xff]{6,%d}\n!(?:[0-9A-F]{4}|[0-9A-F]{3}\r\n|\r\n)" % (_FRAME_BYTES - 16))
_BEGINNING = re.compile(rb"/[\x00-\x7f]{0,%d}\Z" % (_FRAME_BYTES - 16))
_HAS_CRC_SINCE = 40
AUTO, REQUIRED = "auto", "required"


def _holds(frame: bytes) -> bool:
    text, _, told = frame.rstrip(b"\r\n").rpartition(b"!")
    return not told or crc16_arc(text + b"!") == int(told, 16)


def _framer(options: Options) -> Framer:
    return PatternFramer(_FRAME, _BEGINNING, _holds, idle=b"\r\n")


def decode(frame: bytes, options: Options) -> Decoded:
    """The values of a telegram. Raises `Integrity` where it should have a CRC, and `DeviceFault` without a value."""
    head, _, body = frame.decode("ascii").partition("\r\n")
    lines = obis.entries(body)
    version = next((line.fields[0] for line in lines if line.code == "0.2.8"), "")
    has_crc = not frame.rstrip(b"\r\n").endswith(b"!")
    if not has_crc and (
        options.get("crc", AUTO) == REQUIRED or (version[:2].isdigit() and int(version[:2]) >= _HAS_CRC_SINCE)
    ):
        raise Integrity("the telegram has no CRC, and should have one")
    return obis.decode(lines, {"identification": head})


DRIVERS = (
    Driver(
        name="dsmr-p1",
        title="Smart meter with a DSMR P1 port",
        device_class="energy",
        models=("DSMR 2.2 to 5.0", "Fluvius", "Landis+Gyr E360", "Iskra IE5", "Kaifa MA304"),
        kind=Listening(_framer, decode),
        quantities=QUANTITIES,
        sometimes=(
            *("energy_import", "energy_export", "energy_sum", "reactive_energy_import", "reactive_energy_export"),
            *("reactive_power", "reactive_power_l1", "reactive_power_l2", "reactive_power_l3", "power_demand"),
            *("water_volume", "heat_energy", "frequency", "power_factor"),
        ),
        line=Line(baud=115200),
        sources=(
            "Netbeheer Nederland: P1 companion standard 5.0.2",
            "github.com/ndokter/dsmr_parser",
            "github.com/toreamun/amshan",
            "github.com/lvzon/dsmr-p1-parser",
        ),
        silence_s=45.0,
        options={"crc": Option(AUTO, "required refuses every telegram without a CRC", (AUTO, REQUIRED))},
        aliases=("p1", "dsmr"),
        wiring="RJ12: 5 V to the request line, ground; the signal is inverted, open collector: a P1 cable inverts it.",
        quirks=(
            "DSMR 2.2 and 3 send 9600 7E1 and have no CRC: damage of their telegrams goes unnoticed.",
            "Gas, water and heat are of the hour or of five minutes before: their own time stands in the facts.",
            "Luxembourg and some Austrian meters encrypt: those are not read.",
            "Times are local: W is winter, S summer.",
        ),
        period_s=1.0,
        frame_bytes=_FRAME_BYTES,
        simulate=SimulatedP1,
        vectors=("drivers.energy", "dsmr_p1.vectors.toml"),
    ),
)
