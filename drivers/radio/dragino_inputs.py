"""Dragino contacts and inputs: LDS02 and LWL02 (door, leak), LT-22222-L and LT-33222-L (currents, voltages, pulses).

    LDS02, LWL02, fPort 10, 10 bytes, big-endian        LT-22222-L, fPort 2, 11 bytes, big-endian
    0  2  bit 15 open, bit 14 leak; mV in bits 13 to 0   0  8  by the mode, see below
    2  1  1 door, 2 leak, 3 both                         8  1  outputs and inputs
    3  3  how often opened, or wet                       9  1  reserved
    6  3  how long the last time, minutes               10  1  bits 7 to 6 hardware (1: LT-22222), 5 to 0 mode
    9  1  bit 0 alarm (mode 3 has it in byte 9 too)

    mode 1  two voltages, int16 mV; two currents, int16 uA        mode 4  pulses, pulses in all
    mode 2  two pulse counters, 32 bits                           mode 5  two voltages; a current; pulses, 16 bits
    mode 3  pulses; two currents                                  mode 6  which limits were passed: no reading

A current of 0 is an input without a wire as much as a broken loop.

Sources: Dragino LDS02, LWL02, LT-22222-L manuals; chirpstack/lorawan-device-profiles; TheThingsNetwork
lorawan-devices vendor/dragino/lt33222-l.
"""

from __future__ import annotations

from drivers.core.contract import Driver, FixedBits, Options, Telling, Uplink
from drivers.radio import _dragino as dragino
from drivers.radio._payload import NO_LINE, WIRING, Moving, Payload, exactly, telling, tellings

CONTACT_PORT = 10
_DOOR, _LEAK, _BOTH = 1, 2, 3
_LIMITS = 6
_VOLTS = tuple((f"voltage_dc__{number}", 2, 1e3, True) for number in (1, 2))
_AMPERES = tuple((f"current_dc__{number}", 2, 1e6, True) for number in (1, 2))
_PULSES = tuple((f"x_dragino_pulses_{number}", 4, 1.0, False) for number in (1, 2))
MODES: dict[int, tuple[tuple[str, int, float, bool], ...]] = {
    1: (*_VOLTS, *_AMPERES),
    2: _PULSES,
    3: (_PULSES[0], *_AMPERES),
    4: (_PULSES[0], ("x_dragino_pulses_total", 4, 1.0, False)),
    5: (*_VOLTS, _AMPERES[0], ("x_dragino_pulses_1", 2, 1.0, False)),
}
"""Mode: quantity, bytes, steps a unit, sign."""
_PINS = {0: "output_1_low", 1: "output_2_low", 3: "input_1", 4: "input_2", 6: "relay_2", 7: "relay_1"}


def decode_contact(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """The state of a door, or of a floor."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    exactly(data, (10,), "a contact's payload")
    head, mode = int.from_bytes(data[:2], "big"), data[2]
    if mode not in (_DOOR, _LEAK, _BOTH):
        raise FixedBits(f"mode {mode} is neither door, leak nor both")
    values: dict[str, float] = {"battery_voltage": (head & 0x3FFF) / 1000}
    if mode != _LEAK:
        values["x_dragino_open"] = head >> 15
    if mode != _DOOR:
        values["x_dragino_leak"] = head >> 14 & 1
    info: dict[str, str | int] = {"mode": mode, "alarm": data[9] & 1}
    if mode != _BOTH:
        info["times"] = int.from_bytes(data[3:6], "big")
        info["last_minutes"] = int.from_bytes(data[6:9], "big")
    return tellings([telling(values, info=info)])


def decode_inputs(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """What its inputs measure, as far as its mode has them."""
    if fport == dragino.STATUS:
        return dragino.status(data)
    exactly(data, (11,), "the inputs' payload")
    mode = data[10] & 0x3F
    if mode == _LIMITS:
        return ()
    fields = MODES.get(mode)
    if fields is None:
        raise FixedBits(f"mode {mode} is not known")
    payload = Payload(data)
    values = {name: payload.number(size, name, signed=signed) / per for name, size, per, signed in fields}
    pins: dict[str, str | int] = {name: data[8] >> bit & 1 for bit, name in _PINS.items()}
    return tellings([telling(values, info={"mode": mode, **pins})])


class Contact:
    """A cabinet's door that is opened now and then."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        opened = int(t) // 7200
        head = round(self._moving.near("battery", t, 2.95, 0.02) * 1000) | (int(t) % 7200 < 600) << 15
        return head.to_bytes(2, "big") + b"\x01" + (opened & 0xFFFFFF).to_bytes(3, "big") + b"\x00\x00\x0a\x00"

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


class Inputs:
    """Two probes of 4 to 20 mA and two voltages."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        near = self._moving.near
        volts = (near("supply", t, 12.4, 0.6), near("pump", t, 23.8, 0.4))
        currents = (near("first", t, 11.0, 3.0), near("second", t, 8.0, 2.0))
        words = (round(number * 1000).to_bytes(2, "big") for number in (*volts, *currents))
        return b"".join(words) + b"\x3c\xff\x41"

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


_SOURCES = (
    "github.com/chirpstack/lorawan-device-profiles vendors/dragino/codecs",
    "github.com/TheThingsNetwork/lorawan-devices vendor/dragino",
)
DRIVERS = (
    Driver(
        name="dragino-lds02",
        title="Dragino LDS02 and LWL02 door and leak contacts",
        device_class="place",
        models=("LDS02", "LWL02"),
        kind=Uplink(decode_contact, CONTACT_PORT),
        quantities=("battery_voltage", "x_dragino_open"),
        sometimes=("x_dragino_leak",),
        line=NO_LINE,
        sources=_SOURCES,
        check_bits=0,
        frame_bytes=242,
        silence_s=2 * 86_400.0,
        wiring=WIRING,
        quirks=("It speaks when its contact changes, and once a day: do not call it silent earlier.",),
        period_s=600.0,
        simulate=Contact,
        vectors=("drivers.radio", "dragino_inputs.vectors.toml"),
    ),
    Driver(
        name="dragino-lt22222",
        title="Dragino LT-22222-L and LT-33222-L inputs for currents, voltages and pulses",
        device_class="water",
        models=("LT-22222-L", "LT-33222-L"),
        kind=Uplink(decode_inputs, dragino.MEASURED),
        quantities=("voltage_dc__1", "voltage_dc__2", "current_dc__1", "current_dc__2"),
        sometimes=("x_dragino_pulses_1", "x_dragino_pulses_2", "x_dragino_pulses_total", "battery_voltage"),
        line=NO_LINE,
        sources=_SOURCES,
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        wiring=WIRING,
        quirks=(
            "What it sends follows from its mode (AT+MOD); a reading says which it was.",
            "Its inputs of 4 to 20 mA tell 0 where nothing is wired, and where a loop is broken.",
        ),
        period_s=600.0,
        simulate=Inputs,
        vectors=("drivers.radio", "dragino_inputs.vectors.toml"),
    ),
)
