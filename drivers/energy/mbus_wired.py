"""Meters on a wired M-Bus. See `mbus_wire` for the bytes, `mbus_values` for their meaning.

Each round: reset the link (e5), then ask for data with the toggling bit set, and again with it turned over for as long
as the meter says that more follows and does not repeat itself.

Sources: as `mbus_wire`.
"""

from __future__ import annotations

import re

from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Driver,
    Exchange,
    FixedBits,
    Framer,
    Line,
    Option,
    Options,
    Polled,
    Rejection,
    Request,
)
from drivers.core.mixed import FrameKind, MixedFramer
from drivers.core.quantities import is_plausible
from drivers.energy import mbus_wire as wire
from drivers.energy.mbus_values import named, parse_meanings
from drivers.energy.simulated_mbus import QUANTITIES, SimulatedMbus

_SUSPECT, _FAIL, _MISSING = 3, 4, 9
_STATUS_FAULT = 0x1B
"""Application busy or in error, permanent and temporary error; 04 is a weak battery."""

_THINKING_S = 1.3
"""330 bit times and 50 ms: 1.15 s at 300 baud."""

_GAP_S = 0.03
_SECONDARY = re.compile("[0-9A-F]{16}")
_TOLD_LETTERS = 400
_SOMETIMES = (
    *(f"energy_{way}{tariff}" for way in ("import", "export") for tariff in ("", "_t1", "_t2", "_t3", "_t4")),
    *(f"{name}_l{phase}" for name in ("energy_import", "active_power") for phase in (1, 2, 3)),
    *("voltage", "current", "heat_energy", "volume_flow", "supply_temperature", "return_temperature"),
    *("water_volume", "gas_volume"),
)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """Reset, or choose by the secondary address where there is one, and the first question. Raises ValueError.

    A reset of the chosen one would have no answer as long as nobody is.
    """
    parse_meanings(str(options.get("values", "")))
    secondary = str(options.get("secondary", "")).upper()
    if secondary and not _SECONDARY.fullmatch(secondary):
        raise ValueError("a secondary address has 16 hex digits: id 8, maker 4, version 2, medium 2; F is any")
    at = wire.SELECTED if secondary else address
    give = ask(wire.short_frame(wire.GIVE, at), options)
    if secondary:
        raw = bytes.fromhex(secondary)
        return ask(wire.select(raw[3::-1] + raw[5:3:-1] + raw[6:]), options), give
    return (ask(wire.short_frame(wire.RESET, at), options), give) if options.get("reset", True) else (give,)


def ask(data: bytes, options: Options) -> Request:
    """A question and how its answer begins. Raises `FixedBits` for what is none."""
    gives = data[:1] == b"\x10" and len(data) == 5 and data[1] in (wire.GIVE, wire.GIVE_NEXT)
    if gives:
        address = None if data[2] >= wire.SELECTED else data[2]
        return Request(data, lambda: wire.reply_framer(address), wire.FRAME_BYTES, _THINKING_S, _GAP_S)
    if not (data[:2] == b"\x10\x40" or (data[:1] == b"\x68" and data[6:7] == b"\x52")):
        raise FixedBits(f"{data.hex(' ')} is no question that is asked here")
    return Request(data, _acknowledged, 1, _THINKING_S, _GAP_S)


def _acknowledged() -> Framer:
    return MixedFramer((FrameKind(wire.ACK, 1, lambda head: 1, lambda frame: True),), wire.FRAME_BYTES)


def follow(exchanges: tuple[Exchange, ...], options: Options) -> tuple[Request, ...]:
    """The next question where the last answer says that more follows, and was not said before."""
    told = [(request.data, reply) for request, reply in exchanges if reply is not None and len(reply) > 1]
    if not told or exchanges[-1][1] is None or len(told) >= int(options.get("telegrams", 4)):
        return ()
    question, _ = told[-1]
    try:
        telegrams = [wire.parse(reply) for _, reply in told]
    except Rejection:
        return ()
    repeats = telegrams[-1].records in [one.records for one in telegrams[:-1]]
    if not telegrams[-1].follows or repeats:
        return ()
    turned = wire.GIVE_NEXT if question[1] == wire.GIVE else wire.GIVE
    return (ask(wire.short_frame(turned, question[2]), options),)


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """One reading of all telegrams. Raises `DeviceFault` where no value is known among them."""
    telegrams = [wire.parse(reply) for _, reply in exchanges if reply is not None and len(reply) > 1]
    if not telegrams:
        raise DeviceFault("the meter acknowledges, but gives no data")
    first = telegrams[0]
    records = dict.fromkeys(record for one in telegrams for record in one.records) if len(telegrams) > 1 else None
    numbers, others = named(records or first.records, first.medium, parse_meanings(str(options.get("values", ""))))
    values = {name: float(number) for name, number in numbers.items() if number is not None}
    if not values:
        raise DeviceFault(f"none of its records is known here: {', '.join(others)[:_TOLD_LETTERS]}")
    quality = {name: _MISSING for name, number in numbers.items() if number is None}
    quality |= {name: _FAIL for name, value in values.items() if not is_plausible(name, value)}
    if first.status & _STATUS_FAULT:
        quality = {**dict.fromkeys(values, _SUSPECT), **quality}
    info: dict[str, str | int] = {"serial": first.id, "manufacturer": first.maker, "version": first.version}
    info |= {"medium": first.medium, "status_code": first.status}
    if others:
        info["others"] = ", ".join(others)[:_TOLD_LETTERS]
    return Decoded(values, quality, info)


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The question that an answer belongs to; there is only one."""
    at = reply.find(b"\x68")
    address = reply[at + 5] if 0 <= at < len(reply) - 5 else wire.SELECTED
    return wire.short_frame(wire.GIVE, address), True


def gives(options: Options) -> tuple[str, ...]:
    """What a meter may give: what is known of all, and what the site says of its own."""
    own = parse_meanings(str(options.get("values", ""))).values()
    return tuple(dict.fromkeys((*QUANTITIES, *_SOMETIMES, *own)))


DRIVERS = (
    Driver(
        name="mbus-wired",
        title="Meter on a wired M-Bus",
        device_class="energy",
        models=("Saia-Burgess ALE3", "Finder 7E.23", "Schneider iEM3135", "NZR DHZ 5/63", "Kamstrup Multical 302"),
        kind=Polled(requests, decode, ask, guess, follow=follow),
        quantities=QUANTITIES,
        sometimes=tuple(name for name in _SOMETIMES if name not in QUANTITIES),
        gives=gives,
        line=Line(baud=2400, parity="E"),
        sources=(
            "EN 13757-2, EN 13757-3",
            "github.com/rscada/libmbus test/test-frames",
            "github.com/ganehag/pyMeterBus",
        ),
        check_bits=8,
        frame_bytes=wire.FRAME_BYTES,
        silence_s=2700.0,
        default_address=1,
        options={
            "secondary": Option("", "its 16 digits of id, maker, version and medium, where several share an address"),
            "reset": Option(True, "false leaves the reset of the link away, for meters that do not answer it"),
            "telegrams": Option(4, "how many telegrams are asked for at most, where more follow"),
            "values": Option(
                "",
                'records that only its maker knows, such as "fd47 voltage_l1; fd47#2 voltage_l2; 2b/1 reactive_power"',
            ),
        },
        aliases=("m-bus", "mbus"),
        wiring="Two wires, either way round, from an M-Bus level converter (36 V): a plain RS-485 adapter does not do.",
        quirks=(
            "Battery meters count how often they are read: ask hourly at most.",
            "Which record is which phase only its maker says: `driver decode` shows raw names for the option values.",
            "Eastron meters send only energy until CI b1 was asked for, with another tool: nothing is written here.",
        ),
        period_s=900.0,
        simulate=SimulatedMbus,
        vectors=("drivers.energy", "mbus_wired.vectors.toml"),
    ),
)
