"""SunSpec meters, models 201 to 204: the meter itself tells where its values stand, and by which power of ten.

Modbus function 3. Two registers at 40000, 50000 or 0 hold `SunS`; behind them stand models, one after another:

    +0  1  model: 1 common, 201 one phase, 202 split phase, 203 wye, 204 delta, FFFF end of the list
    +1  1  length of what follows, 105 for a meter
    +2     points: int16, 8000 = not implemented; of a meter:

     2  4  current, L1, L2, L3            6  their power of ten
     7  8  voltage LN, L1 … L3, LL, L12 … 15  their power of ten
    16  1  frequency                     17  its power of ten
    18  4  active power, L1 … L3         22  their power of ten
    23  1  apparent power                27  its power of ten
    28  1  reactive power                32  its power of ten
    33  1  power factor                  37  its power of ten
    38  2  energy exported, Wh, 0 = not accumulated;  46  imported;  54  their power of ten

All big-endian. Disputed: the model says percent for the power factor, some meters send a ratio; the powers beside it
decide. Disputed: SolarEdge meters show export as positive power; the option `power_sign` turns it.

Sources: nmakel/solaredge_modbus:src/solaredge_modbus/__init__.py; SunSpec Alliance meter models 201 to 204.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from drivers.core import modbus
from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Driver,
    Exchange,
    FixedBits,
    Line,
    Option,
    Options,
    Polled,
    Request,
    Truncated,
)
from drivers.core.quantities import is_plausible
from drivers.energy.simulated_meter import load_model
from drivers.energy.simulated_sunspec import SimulatedSunSpec
from drivers.energy.sunspec_points import BASES, ENERGIES, LENGTH, METERS, POINTS, SCALES

_FUNCTION, _MARK, _END = 3, b"SunS", 0xFFFF
_NOT_IMPLEMENTED = -0x8000
_FAIL, _MISSING = 4, 9
_ABSENT = {201: ("_l2", "_l3", "_l12", "_l23", "_l31", "_ll_avg"), 202: ("_l3", "_l23", "_l31")}
"""Endings of what a model does not have at all."""
IMPORT, EXPORT = "import-positive", "export-positive"


def ask(data: bytes, options: Options) -> Request:
    """The request of a question's bytes."""
    size = modbus.parse_question(data).reply_bytes
    return Request(data, partial(modbus.ReplyFramer, data), size, timeout_s=0.5, gap_s=0.05)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """Where the search begins; or the model itself where the option `model_at` tells its place."""
    place = int(options.get("model_at", 0))
    return (_read(address, place, LENGTH + 2) if place else _read(address, BASES[0], 4),)


def follow(exchanges: tuple[Exchange, ...], options: Options) -> tuple[Request, ...]:
    """The next place of the search; nothing where the meter's model has been read, or there is none."""
    unit, bases, wanted = exchanges[0][0].data[0], iter(BASES[1:]), int(options.get("meter", 1))
    for request, reply in exchanges:
        read = modbus.parse_question(request.data)
        words = b"" if reply is None else modbus.reply_data(reply, read)
        at, is_base = read.start, read.count == 4
        if read.count > 4:
            return ()
        if is_base and not words.startswith(_MARK):
            base = next(bases, None)
            step = None if base is None else _read(unit, base, 4)
        else:
            at, words = (at + 2, words[4:]) if is_base else (at, words)
            step, wanted = _next(unit, at, words, wanted)
    return (step,) if step else ()


def _next(unit: int, at: int, head: bytes, wanted: int) -> tuple[Request | None, int]:
    """What to read after a model's head at this place, and how many meters are still to be passed."""
    if len(head) < 4:
        return None, wanted
    model, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big")
    wanted -= model in METERS
    if model in METERS and not wanted:
        return _read(unit, at, length + 2) if LENGTH <= length <= modbus.MAX_REGISTERS - 2 else None, wanted
    at += length + 2
    return None if model == _END or not length or at > 0xFFFE else _read(unit, at, 2), wanted


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """The meter's model. Raises `DeviceFault` where the search found none, `FixedBits` where this is none."""
    request, reply = exchanges[-1]
    read = modbus.parse_question(request.data)
    if reply is None or read.count <= 4:
        raise DeviceFault(f"no SunSpec meter was found: the search ended at register {read.start}")
    data = modbus.reply_data(reply, read)
    if len(data) < (LENGTH + 2) * 2:
        raise Truncated(f"a meter's model has {LENGTH + 2} registers, these are {len(data) // 2}")
    model, length = _word(data, 0), _word(data, 1)
    if model not in METERS or length < LENGTH:
        raise FixedBits(f"model {model & 0xFFFF} with {length} registers is no meter")
    values: dict[str, float] = {}
    quality: dict[str, int] = {}
    for name, value in _points(data).items():
        if value is not None:
            values[name] = value
            if not is_plausible(name, value):
                quality[name] = _FAIL
        elif not name.endswith(_ABSENT.get(model, ("-",))):
            quality[name] = _MISSING
    if not values:
        raise DeviceFault("the meter marks every value as not implemented")
    if options.get("power_sign", IMPORT) == EXPORT:
        values |= {name: -value for name, value in values.items() if name.startswith(("active_power", "reactive"))}
    return Decoded(values, quality, {"model": model, "model_at": read.start})


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The question of a lone answer; certain where it is a whole meter model, wherever that stands."""
    seen = modbus.find_reply(reply)
    if seen is None or seen.function != _FUNCTION:
        return requests(1, options)[0].data, False
    return _read(seen.unit, 40188, seen.count).data, seen.count >= LENGTH + 2


def _read(unit: int, start: int, count: int) -> Request:
    return ask(modbus.question(modbus.Read(unit, _FUNCTION, start, count)), {})


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at * 2 : at * 2 + 2], "big", signed=True)


def _points(data: bytes) -> dict[str, float | None]:
    """Every point by quantity; None where it is not implemented."""
    out: dict[str, float | None] = {}
    for name, (at, scale_at) in POINTS.items():
        out[name] = _scaled(_word(data, at), _NOT_IMPLEMENTED, _word(data, scale_at))
    for name, at in ENERGIES.items():
        count = int.from_bytes(data[at * 2 : at * 2 + 4], "big")
        wh = _scaled(count, 0, _word(data, SCALES["energy"]))
        out[name] = None if wh is None else wh / 1000
    out["power_factor"] = _power_factor(out)
    return out


def _scaled(number: int, none: int, power: int) -> float | None:
    if number == none or power == _NOT_IMPLEMENTED:
        return None
    if not -10 <= power <= 10:
        raise FixedBits(f"{power} is no power of ten that SunSpec knows")
    return float(number * 10**power if power >= 0 else number / 10**-power)


def _power_factor(points: Mapping[str, float | None]) -> float | None:
    """A ratio: what is above 1 is percent, what is not is whatever agrees better with the powers."""
    told, active, apparent = (points[name] for name in ("power_factor", "active_power", "apparent_power"))
    if told is None or abs(told) > 1:
        return None if told is None else told / 100
    ratio = abs((active or 0.0) / apparent) if apparent else 1.0
    return min((told, told / 100), key=lambda each: abs(abs(each) - ratio))


_QUANTITIES = (*POINTS, *ENERGIES)

DRIVERS = (
    Driver(
        name="sunspec-meter",
        title="SunSpec meter, models 201 to 204",
        device_class="energy",
        models=("201", "202", "203", "204"),
        kind=Polled(requests, decode, ask, guess, follow=follow),
        quantities=_QUANTITIES,
        line=Line(baud=9600),
        sources=(
            "nmakel/solaredge_modbus:src/solaredge_modbus/__init__.py",
            "SunSpec Alliance: meter models 201 to 204",
        ),
        silence_s=30.0,
        default_address=1,
        options={
            "meter": Option(1, "which of the meters behind one address, the first is 1"),
            "model_at": Option(0, "register where the meter's model begins; 0 searches for it in each round"),
            "power_sign": Option(IMPORT, "which flow its power shows as positive", (IMPORT, EXPORT)),
        },
        aliases=("sunspec-meter-201-204", "solaredge-meter"),
        wiring="RS-485: A to A, B to B, and the common ground; SolarEdge meters hang behind the inverter's address.",
        quirks=(
            "The search asks a few small questions in each round; model_at, told in each reading, saves them.",
            "SolarEdge meters show export as positive power: set power_sign to export-positive.",
            "An energy of 0 means that it is not counted: such an energy is missing.",
            "Meters of one phase give the values of phase 1 and the totals.",
        ),
        period_s=10.0,
        simulate=lambda seed, address: SimulatedSunSpec(load_model(_QUANTITIES, seed, address), address),
        vectors=("drivers.energy", "sunspec.vectors.toml"),
    ),
)
