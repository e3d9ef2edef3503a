"""KELLER ADT1 and ARC1: level and pressure transmitters with LoRaWAN.

    function 1, measurements (fPort 1, 2), big-endian          function 12, the device (fPort 4), 20 bytes
    0  1  01                                                   0   1  0c       1  1  version
    1  1  connection type: which sensors are attached          2   2  class and group
    2  2  mask of channels, bit 0 the first                    4   2  software
    4  4n float32 for each channel in the mask: bar, °C, …     6   4  serial number
                                                               10  4  its local time, seconds since 2000
                                                               14  4  battery, float32 V      18  1  battery, %
                                                               19  1  humidity in its housing, %

A connection type gives channels their meaning. Vented probes tell the water's pressure as P1; absolute ones as Pd, P1
less the air's: the option `pressure` says which. What is no finite number was not measured. Channels that are no
quantity here are called x_keller_… after the maker's names, in the maker's units.

Sources: KELLER LoRa data communication protocol; TheThingsNetwork lorawan-devices vendor/keller (kellerpayload.js).
"""

from __future__ import annotations

from math import isfinite
from struct import pack, unpack

from drivers.core.contract import Driver, FixedBits, Implausible, Option, Options, Telling, Truncated, Uplink
from drivers.radio._payload import MISSING, NO_LINE, WIRING, Moving, Payload, exactly, telling, tellings

MEASURED, DEVICE = 1, 12
_BASIC = ("p1", "p2", "t", "tob1", "tob2")
_AIR, _INPUTS = ("pbaro", "tbaro"), ("volt_1", "volt_2")
_COND = ("p1", "p2", "t_cond", "tob1", "tob2", *_AIR, *_INPUTS, "cond", "cond_raw")
_FIVE = ("p1", "tob1", "p1_2", "tob1_2", "p1_3", "tob1_3", "p1_4", "tob1_4", "p1_5", "tob1_5", *_INPUTS, *_AIR)
CHANNELS: dict[int, tuple[str, ...]] = {
    0: ("pd", *_BASIC),
    1: ("pd", *_BASIC),
    2: ("pd_baro", *_BASIC, *_AIR),
    3: ("pd_baro", *_BASIC, *_AIR),
    4: ("pd", *_BASIC, *_AIR, *_INPUTS),
    5: ("pd_baro", *_BASIC, *_AIR, *_INPUTS, "pd_baro_2"),
    6: ("pd", *_BASIC, *_AIR, *_INPUTS, "p1_2", "p1_3", "p1_4", "p1_5", "counter"),
    7: (*_AIR, *_INPUTS, *(f"sdi12_{number}" for number in range(1, 11))),
    8: (*_FIVE, "counter"),
    9: ("pd", *_COND),
    10: ("pd_baro", *_COND),
    11: (
        *("p1", "tob1", "cond", "t_cond", "p1_2", "tob1_2", "cond_2", "t_cond_2"),
        *("p1_3", "tob1_3", "cond_3", "t_cond_3", *_AIR, "counter"),
    ),
    13: ("p1", "p2", "tob1", "tob2", "p1_2", "p2_2", "tob1_2", "tob2_2", *_AIR, *_INPUTS, "counter"),
}
"""Connection type: its channels, bit 0 first. Pressures in bar, temperatures in °C, conductivities in mS/cm."""
_PRESSURES = {"p1": ("p1",), "pd": ("pd", "pd_baro")}
_OURS = {"tob1": ("water_temperature", 1.0), "pbaro": ("air_pressure", 1000.0), "tbaro": ("device_temperature", 1.0)}
_BAR_KPA = 100.0


def _name(channel: str, gauge: str) -> tuple[str, float]:
    """Our quantity for a channel, and what its number is multiplied by."""
    if channel in _PRESSURES[gauge]:
        return "water_pressure", _BAR_KPA
    return _OURS.get(channel, (f"x_keller_{channel}", 1.0))


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report of its channels, or of its battery."""
    payload = Payload(data)
    function = payload.number(1, "function")
    if function == DEVICE:
        return _device(data)
    if function != MEASURED:
        raise FixedBits(f"function {function} is neither 1, measurements, nor 12, the device")
    type_, mask = payload.number(1, "connection type"), payload.number(2, "mask")
    channels = CHANNELS.get(type_)
    if channels is None or mask >> len(channels):
        raise FixedBits(f"connection type {type_} has no channels as in mask {mask:04x}")
    chosen = [name for bit, name in enumerate(channels) if mask >> bit & 1]
    if payload.left != 4 * len(chosen):
        why = f"the mask promises {len(chosen)} numbers of 4 bytes, {payload.left} bytes follow"
        raise Truncated(why) if payload.left < 4 * len(chosen) else FixedBits(why)
    values: dict[str, float] = {}
    quality: dict[str, int] = {}
    for channel in chosen:
        name, factor = _name(channel, str(options.get("pressure", "p1")))
        (number,) = unpack(">f", payload.take(4, channel))
        if isfinite(number):
            values[name] = number * factor
        else:
            quality[name] = MISSING
    if not chosen:
        return ()
    return tellings([telling(values, quality, {"connection_type": type_})], "no channel has a number")


def _device(data: bytes) -> tuple[Telling, ...]:
    exactly(data, (20,), "the device's own payload")
    (volts,) = unpack(">f", data[14:18])
    if not isfinite(volts):
        raise Implausible("its battery's voltage is no number")
    info: dict[str, str | int] = {
        "class_group": f"{data[2]}.{data[3]:02d}",
        "software": f"{data[4]}.{data[5]:02d}",
        "serial": int.from_bytes(data[6:10], "big"),
        "clock_s_since_2000": int.from_bytes(data[10:14], "big"),
        "housing_humidity": data[19],
    }
    return tellings([telling({"battery_voltage": volts, "battery_level": data[18]}, info=info)])


class Simulator:
    """A vented probe in a canal, with the transmitter's barometer."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        moving = self._moving
        air = moving.near("pressure", t, 1.008, 0.003)
        numbers = (moving.depth_m(t) * 0.0981, moving.water_c(t), air, moving.box_c(t))
        return b"\x01\x03\x00\xd2" + b"".join(pack(">f", number) for number in numbers)

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    Driver(
        name="keller-adt1-lorawan",
        title="KELLER ADT1/ARC1 level and pressure transmitter",
        device_class="water",
        models=("ADT1-Tube", "ADT1-Box", "ARC1-Tube", "ARC1-Box"),
        kind=Uplink(decode, 1),
        quantities=("water_pressure", "water_temperature", "air_pressure", "device_temperature"),
        sometimes=(
            *("battery_voltage", "battery_level"),
            *sorted({f"x_keller_{name}" for names in CHANNELS.values() for name in names}),
        ),
        line=NO_LINE,
        sources=(
            "KELLER ADT1 LoRa data communication protocol 02/2020",
            "github.com/TheThingsNetwork/lorawan-devices vendor/keller: kellerpayload.js, keller-codec.yaml",
        ),
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options={
            "pressure": Option(
                "p1", "the channel with the water's pressure: p1 of a vented probe, pd of an absolute one", ("p1", "pd")
            )
        },
        aliases=("keller-adt1", "keller-arc1"),
        wiring=WIRING,
        quirks=(
            "An absolute probe's P1 holds the air's pressure too: name pd for it, or the river is ten metres too deep.",
            "Its battery comes on fPort 4 only, in a payload of its own.",
        ),
        period_s=3600.0,
        simulate=Simulator,
        vectors=("drivers.radio", "keller_adt1.vectors.toml"),
    ),
)
