"""Cayenne LPP and its common extensions: items one behind another, values big-endian.

    n    1  channel      n+1  1  type      n+2  …  value      and again

    type  bytes  what, step                     type  bytes  what, step
    00    1      digital input                  76    4      frequency, 1 Hz
    01    1      digital output                 78    1      percentage
    02    2 s    analog input, 0.01             79    2 s    altitude, 1 m
    03    2 s    analog output, 0.01            7a    3 s    load, 0.001
    64    4      generic                        7d    2      concentration, 1 ppm
    65    2      illuminance, 1 lx              80    2      power, 1 W
    66    1      presence                       82    4      distance, 1 mm
    67    2 s    temperature, 0.1 °C            83    4      energy, 0.001 kWh
    68    1      humidity, 0.5 %                84    2      direction, 1 °
    71    6 s    acceleration x y z, 0.001 g    85    4      time, s since 1970
    73    2      pressure, 0.1 hPa              86    6 s    rotation x y z, 0.01 °/s
    74    2      voltage, 0.01 V                87    3      colour r g b
    75    2      current, 0.001 A               88    9 s    latitude, longitude 0.0001 °, altitude 0.01 m
                                                8e    1      switch

s: signed. There is no length and no check, so an unknown type ends all. What a channel means only its maker knows: it
is called after its type and its number (`air_temperature__3`, `x_lpp_analog_input_1`) until `channels` names it.

Sources: Cayenne LPP document; github.com/ElectronicCats/CayenneLPP src/CayenneLPP.h; github.com/smlng/pycayennelpp.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.core.contract import Driver, FixedBits, Option, Options, Telling, Uplink
from drivers.radio._naming import by_number
from drivers.radio._payload import NO_LINE, WIRING, Moving, Payload, telling, tellings


@dataclass(frozen=True, slots=True)
class Kind:
    """A type: its name, the bytes and steps (1 / `per`) of its numbers, and what quantity it is, where that is sure."""

    name: str
    sizes: tuple[int, ...]
    per: tuple[int, ...]
    signed: bool = False
    quantities: tuple[str, ...] = ()


def _one(name: str, size: int, per: int = 1, quantity: str = "", *, signed: bool = False) -> Kind:
    return Kind(name, (size,), (per,), signed, (quantity,) if quantity else ())


KINDS = {
    0: _one("digital_input", 1),
    1: _one("digital_output", 1),
    2: _one("analog_input", 2, 100, signed=True),
    3: _one("analog_output", 2, 100, signed=True),
    100: _one("generic", 4),
    101: _one("luminosity", 2, 1, "illuminance"),
    102: _one("presence", 1),
    103: _one("temperature", 2, 10, "air_temperature", signed=True),
    104: _one("humidity", 1, 2, "relative_humidity"),
    113: Kind("acceleration", (2, 2, 2), (1000,) * 3, True),
    115: _one("barometer", 2, 10, "air_pressure"),
    116: _one("voltage", 2, 100),
    117: _one("current", 2, 1000),
    118: _one("frequency", 4),
    120: _one("percentage", 1),
    121: _one("altitude", 2, signed=True),
    122: _one("load", 3, 1000, signed=True),
    125: _one("concentration", 2),
    128: _one("power", 2),
    130: _one("distance", 4, 1000, "distance"),
    131: _one("energy", 4, 1000),
    132: _one("direction", 2),
    133: _one("unixtime", 4),
    134: Kind("rotation", (2, 2, 2), (100,) * 3, True),
    135: Kind("colour", (1, 1, 1), (1,) * 3),
    136: Kind("gps", (3, 3, 3), (10_000, 10_000, 100), True, ("latitude", "longitude", "x_lpp_altitude")),
    142: _one("switch", 1),
}
_AXES = {"acceleration": "xyz", "rotation": "xyz", "colour": "rgb"}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a payload: a number, or three."""

    channel: int
    type: int
    numbers: tuple[float, ...]

    @property
    def kind(self) -> Kind:
        """What its type says."""
        return KINDS[self.type]


def items(data: bytes, *, keep: bool = False) -> list[Item]:
    """The items in their order. Raises `Truncated`, and `FixedBits` at a type nobody knows unless `keep` is set."""
    payload, found = Payload(data), list[Item]()
    while payload.left:
        channel, type_ = payload.take(2, "channel and type")
        kind = KINDS.get(type_)
        if kind is None:
            if keep and found:
                break
            raise FixedBits(f"type {type_:02x} at byte {payload.at - 1} has no known length")
        numbers = (payload.number(size, kind.name, signed=kind.signed) for size in kind.sizes)
        found.append(
            Item(channel, type_, tuple(n if p == 1 else n / p for n, p in zip(numbers, kind.per, strict=True)))
        )
    return found


def _names(item: Item) -> list[str]:
    """What an item is called that nobody named."""
    kind = item.kind
    axes = [f"{kind.name}_{axis}" for axis in _AXES.get(kind.name, "")] or [kind.name]
    names = kind.quantities or [f"x_lpp_{axis}" for axis in axes]
    return [f"{name}_{item.channel}" if name.startswith("x_") else f"{name}__{item.channel}" for name in names]


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report of all items; none where there are none."""
    meanings = by_number(str(options.get("channels", "")))
    values: dict[str, float] = {}
    said: set[tuple[int, int]] = set()
    for item in items(data, keep=options.get("unknown") == "keep"):
        if (item.channel, item.type) in said:
            telling(values)  # a number that cannot be tells more about what is wrong than that it came twice
            raise FixedBits(f"channel {item.channel} tells {item.kind.name} twice")
        said.add((item.channel, item.type))
        if item.channel in meanings and len(item.numbers) == 1:
            named = meanings[item.channel]
            if named is None:
                continue
            if named.quantity in values:
                raise FixedBits(f"channel {item.channel} tells {named.quantity} twice")
            values[named.quantity] = named.value(item.numbers[0])
        else:
            values |= dict(zip(_names(item), item.numbers, strict=True))
    return tellings([telling(values)] if values else [])


def _named(options: Options) -> tuple[str, ...]:
    """What the site named; how the other channels are called is known when they come."""
    return tuple(named.quantity for named in by_number(str(options.get("channels", ""))).values() if named)


class Simulator:
    """A station with a thermometer, a hygrometer, a barometer and a gauge."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        near = self._moving.near
        air = round(near("air", t, 31, 4) * 10).to_bytes(2, "big", signed=True)
        pressure = round(near("pressure", t, 1008, 3) * 10).to_bytes(2, "big")
        return (
            (b"\x00\x67" + air)
            + bytes((1, 104, round(near("humidity", t, 66, 12) * 2)))
            + (b"\x02\x73" + pressure)
            + (b"\x03\x82" + self._moving.distance_mm(t).to_bytes(4, "big"))
        )

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


_SIMULATED = ("air_temperature__0", "relative_humidity__1", "air_pressure__2", "distance__3")
DRIVERS = (
    Driver(
        name="cayenne-lpp",
        title="Cayenne LPP payloads of any maker, channels named by options",
        device_class="place",
        models=("Cayenne LPP",),
        kind=Uplink(decode, 1, lambda options: by_number(str(options.get("channels", "")))),
        quantities=_SIMULATED,
        gives=_named,
        sometimes=(
            *(
                "air_temperature",
                "relative_humidity",
                "air_pressure",
                "illuminance",
                "distance",
                "latitude",
                "longitude",
            ),
            "x_lpp_altitude",
            *(f"x_lpp_{kind.name}" for kind in KINDS.values() if kind.name not in (*_AXES, "gps")),
            *(f"x_lpp_{name}_{axis}" for name, axes in _AXES.items() for axis in axes),
        ),
        line=NO_LINE,
        sources=(
            "Cayenne LPP document (myDevices)",
            "github.com/ElectronicCats/CayenneLPP src/CayenneLPP.h and test/aunit",
            "github.com/smlng/pycayennelpp",
        ),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options={
            "channels": Option(
                "", 'what its channels are, such as "1 = stage, 3 = water_temperature, 7 = water_depth cm, 9 = -"'
            ),
            "unknown": Option(
                "refuse", "an unknown type: refuse all, or keep what stands before it", ("refuse", "keep")
            ),
        },
        aliases=("lpp",),
        wiring=WIRING,
        quirks=(
            "A channel has no meaning of its own: name it, or it is called after its type and number.",
            "An analog input has steps of 0.01 and ends at 327.67: send a level in metres, not in millimetres.",
            "Milesight's payloads look like it and are not: they half decode before they fail.",
            "Old senders write a generic number (64) as signed; here it is unsigned, as in today's libraries.",
        ),
        period_s=1200.0,
        simulate=Simulator,
        vectors=("drivers.radio", "cayenne_lpp.vectors.toml"),
    ),
)
