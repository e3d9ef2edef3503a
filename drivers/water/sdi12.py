"""Sensors that speak SDI-12 v1.4: VEGAPULS C, and any other, described by options. See `sdi12_wire` for the lines.

1200 baud 7E1 on one wire of inverse logic, 12 V; an adapter to USB or RS-232 does that and often the breaks.

VEGAPULS C 21 and C 22 give five values: stage m, distance m, electronics temperature Cel, echo dB, status. Status 0 is
good; 13 (no value), 17 (span), 25 (table) and 36 (software) make stage, distance and echo fail (4), whatever the
numbers; any other, such as 507 (settings), makes them suspect (3).

Sources: SDI-12 specification v1.4 as quoted in Vaisala and METER manuals; VEGA 58345-EN-200806 and 58342-EN-200121;
Campbell Scientific CS451 manual (units that a site has set).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Dialogue,
    Driver,
    Line,
    Option,
    Options,
    Rejection,
    Session,
    Truncated,
)
from drivers.water import sdi12_wire as wire
from drivers.water.sdi12_session import Sdi12Session
from drivers.water.sdi12_values import Meaning, Measurement, plan
from drivers.water.simulated_sdi12 import SimulatedSdi12

_SUSPECT, _FAIL = 3, 4
_VEGA = ("stage", "distance", "device_temperature", "echo_strength")
_VEGA_COUNT = 5
_VEGA_NONE = (13, 17, 25, 36)
_SPOILT = ("stage", "distance", "echo_strength")
_COMMANDS = tuple(letter + number for letter in "MC" for number in ("", *"123456789"))
_UNNAMED = tuple(f"x_sdi12_{number}" for number in range(1, 21))


def letter(address: int) -> str:
    """The address character: 0 to 9 stand for themselves, letters for their code, such as 97 for a."""
    return str(address) if 0 <= address <= 9 else chr(address)


def vega_meaning(values: tuple[float, ...], info: Mapping[str, str | int]) -> Decoded:
    """The five values of a VEGAPULS C; its status decides how good they are."""
    wire.complete(values, _VEGA_COUNT)
    status = int(values[4])
    flag = _FAIL if status in _VEGA_NONE else _SUSPECT
    named = dict(zip(_VEGA, values, strict=False))
    return Decoded(named, dict.fromkeys(_SPOILT, flag) if status else {}, {**info, "status_code": status})


def generic_plan(options: Options) -> tuple[Measurement, ...]:
    """What the options `values` and `command` say. Raises ValueError where it makes no sense."""
    return plan(str(options.get("values", "")), str(options.get("command", "M")))


def generic_names(options: Options) -> tuple[str, ...]:
    """Which quantities a described sensor gives; of one that is not described, the first few numbered ones."""
    return tuple(name for one in generic_plan(options) for name in one.names) or _UNNAMED[:3]


def generic_meaning(options: Options) -> Meaning:
    """What a lone answer says: as many values as the first measurement has that fits."""
    measurements = generic_plan(options)

    def meaning(values: tuple[float, ...], info: Mapping[str, str | int]) -> Decoded:
        for measurement in measurements[:-1]:
            try:
                return measurement.meaning(values, info)
            except Truncated:
                continue
        return measurements[-1].meaning(values, info)

    return meaning


def explain(meaning: Meaning, answer: bytes, options: Options) -> Decoded:
    """What a lone answer says: values, or what it answers to M, C and I. Raises a `Rejection`."""
    line = answer.removesuffix(wire.END)
    try:
        measure = wire.parse_measure(line)
    except Rejection:
        pass
    else:
        return Decoded({}, {}, {"address": measure.address, "ready_s": measure.ready_s, "count": measure.count})
    try:
        identity = wire.parse_identity(line)
    except Rejection:
        data = wire.parse_data(line)
        if not (data.values or data.is_checked):
            raise DeviceFault("an address alone: a service request, or there are no values") from None
        return meaning(data.values, {"address": data.address})
    return Decoded({}, {}, {"address": identity.address, **identity.info()})


def _vega_session(address: int, options: Options) -> Sdi12Session:
    command = str(options.get("command", "M"))
    return _session(address, options, (Measurement(command, vega_meaning, _VEGA),))


def _generic_session(address: int, options: Options) -> Sdi12Session:
    return _session(address, options, generic_plan(options))


def _session(address: int, options: Options, measurements: tuple[Measurement, ...]) -> Sdi12Session:
    return Sdi12Session(letter(address), measurements, str(options.get("crc", "auto")), breaks=_breaks(options))


def _midway(make: Callable[[int, Options], Sdi12Session], address: int, options: Options) -> tuple[Session, ...]:
    return tuple(make(address, options).knows(version) for version in (10, 13))


def _breaks(options: Options) -> bool:
    return options.get("breaks", "port") == "port"


_CRC = Option(
    "auto", "whether the CRC is asked for; auto: from SDI-12 1.3 on, as the sensor says", ("auto", "on", "off")
)
_BREAKS = Option(
    "port", "who makes the break before each command: our port, or the adapter by itself", ("port", "adapter")
)
_COMMAND = Option("M", "which measurement is asked for", _COMMANDS)
_LINE = Line(baud=1200, bits=7, parity="E")
_WIRING = "12 V, ground and one data wire to an SDI-12 adapter; a plain UART needs inversion and half duplex."
_BUS_QUIRKS = (
    "Its address is a character, 0 to 9, a to z or A to Z. Ask one sensor at a time who it is with ?!.",
    "A change of settings by another visitor stays unseen: look at its identity and units at each visit.",
)

DRIVERS = (
    Driver(
        name="vegapuls-c-sdi12",
        title="VEGAPULS C 21, C 22 radar level sensor (SDI-12)",
        device_class="water",
        models=("VEGAPULS C 21", "VEGAPULS C 22"),
        kind=Dialogue(
            _vega_session,
            lambda options: wire.line_framer(),
            partial(explain, vega_meaning),
            has_letter_address=True,
            needs_wires=_breaks,
            midway=partial(_midway, _vega_session),
        ),
        quantities=_VEGA,
        line=_LINE,
        sources=("VEGA 58345-EN-200806", "VEGA 58342-EN-200121", "SDI-12 specification v1.4"),
        silence_s=180.0,
        default_address=0,
        options={"command": _COMMAND, "crc": _CRC, "breaks": _BREAKS},
        wiring=_WIRING,
        quirks=(
            "Its stage holds from the reference that is stored in it (aXWSR): keep the distance beside it.",
            "With status 507 its numbers look normal and are not to be trusted.",
            *_BUS_QUIRKS,
        ),
        period_s=60.0,
        simulate=partial(SimulatedSdi12, "14VEGA    PSC 2100143210123", 5),
        vectors=("drivers.water", "vegapuls_c_sdi12.vectors.toml"),
    ),
    Driver(
        name="sdi12",
        title="Any SDI-12 sensor, described by options",
        device_class="water",
        models=("SDI-12 v1.0 to v1.4",),
        kind=Dialogue(
            _generic_session,
            lambda options: wire.line_framer(),
            lambda answer, options: explain(generic_meaning(options), answer, options),
            has_letter_address=True,
            needs_wires=_breaks,
            midway=partial(_midway, _generic_session),
        ),
        quantities=_UNNAMED[:3],
        sometimes=_UNNAMED[3:],
        gives=generic_names,
        line=_LINE,
        sources=(
            "SDI-12 specification v1.4",
            "Campbell Scientific CS451/CS456 manual",
            "github.com/EnviroDIY/Arduino-SDI-12",
        ),
        silence_s=180.0,
        default_address=0,
        options={
            "values": Option(
                "",
                'its values in order, such as "water_depth m, water_temperature Cel, -"; - leaves one out; of several '
                'commands "M: water_depth m; M1: battery_voltage V"',
            ),
            "command": _COMMAND,
            "crc": _CRC,
            "breaks": _BREAKS,
        },
        aliases=("sdi-12", "campbell-cs451", "meter-ctd10"),
        wiring=_WIRING,
        quirks=(
            "Without the option values its values are called x_sdi12_1 and on, and have no unit.",
            "The same command gives another unit on another post: read the sensor's settings, and write the unit here.",
            *_BUS_QUIRKS,
        ),
        period_s=60.0,
        simulate=partial(SimulatedSdi12, "13SIMULATEGAUGE 001", 3),
        vectors=("drivers.water", "sdi12.vectors.toml"),
    ),
)
