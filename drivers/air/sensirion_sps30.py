"""Sensirion SPS30 laser dust sensor on its serial line (SHDLC): ten values when asked.

115200 8N1, frames as in `drivers.core.shdlc`, address 0. Data of the reply to `read values`, 7E 00 03 00 FC 7E:

    float (40 bytes, 4 each)       uint16 (20 bytes, 2 each), big-endian
    mass of PM1, PM2.5, PM4, PM10, ug/m3
    number up to 0.5, 1, 2.5, 4, 10 um from 0.3 um on, per cm3
    typical size, um               nm
    nothing                        no new value since the last question

A round wakes the sensor, starts the measurement, asks for the status register and for the values: "not allowed in
this state" (43) to the first two says that it is awake and measuring. So a sensor whose power came back is started by
the next round. Status register, 4 bytes and one reserved: bit 21 fan speed out of range (suspect, 3), bit 5 laser
current, bit 4 fan failure (both fail, 4). A first number of 0 beside a typical size of 1.63 um is what blinded units
send: suspect.

Sources: Sensirion SPS30 datasheet, section 5; Sensirion/embedded-uart-sps and its issues 51, 52, 75;
MasandeM/SPS30_golang (state 43); lsst-ts/ts_ess_controller; Sensirion/arduino-avr-legacy-i2c-sps30 issue 14 (blinded).
"""

from __future__ import annotations

from struct import Struct

from drivers.air.simulated_sps30 import Simulator
from drivers.core import shdlc
from drivers.core.commands import Command, Wear, named
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
from drivers.core.mixed import SiftedFramer
from drivers.core.quantities import span_check

START, STOP, READ, SLEEP, WAKE, CLEAN = 0x00, 0x01, 0x03, 0x10, 0x11, 0x56
AUTO_CLEAN, INFORMATION, VERSION, STATUS, RESET = 0x80, 0xD0, 0xD1, 0xD2, 0xD3
FORMATS = {"float": b"\x01\x03", "uint16": b"\x01\x05"}
MAX_DATA = 40


def _command(code: int, data: bytes = b"") -> Command:
    # What follows the command byte is its state, whose bit 7 tells nothing about the command.
    return Command(shdlc.question(code, data), b"\x7e" + shdlc.stuffed(bytes((0, code))))


COMMANDS = named(
    {
        "start_float": _command(START, FORMATS["float"]),
        "start_uint16": _command(START, FORMATS["uint16"]),
        "stop": _command(STOP),
        "read_values": _command(READ),
        "sleep": _command(SLEEP),
        "wake_pulse": Command(b"\xff"),
        "wake": _command(WAKE),
        "fan_clean": _command(CLEAN),
        "get_auto_clean_interval": _command(AUTO_CLEAN, b"\0"),
        "product_type": _command(INFORMATION, b"\0"),
        "serial_number": _command(INFORMATION, b"\3"),
        "version": _command(VERSION),
        "status_register": _command(STATUS, b"\0"),
        "reset": _command(RESET),
    }
)

_QUANTITIES = (
    *("pm1", "pm2_5", "pm4", "pm10"),
    *("pn_to_0_5", "pn_to_1", "pn_to_2_5", "pn_to_4", "pn_to_10", "particle_size"),
)
_FLOATS, _WORDS = Struct(">10f"), Struct(">10H")
_NOT_NOW, _UNKNOWN = 0x43, 0x02
_HARMLESS = {
    START: (_NOT_NOW,),
    STOP: (_NOT_NOW,),
    SLEEP: (_UNKNOWN,),
    WAKE: (_NOT_NOW, _UNKNOWN),
    STATUS: (_UNKNOWN,),
}
"""Errors of a command that are no fault: already measuring or stopped, not asleep, firmware older than the command."""

_SPEED, _LASER, _FAN = 1 << 21, 1 << 5, 1 << 4
_SUSPECT, _FAIL, _MISSING = 3, 4, 9
_BLINDED_SIZE_UM = 1.63
_check_spans = span_check(_QUANTITIES)


def ask(data: bytes, options: Options) -> Request:
    """The request of a question's bytes; the pulse FF that wakes the line may stand before it."""
    frame = data.removeprefix(COMMANDS["wake_pulse"].data)
    code, _ = shdlc.parse_question(frame)

    def sift(reply: bytes) -> bytes | Rejection | None:
        if reply == frame:
            return FixedBits(f"the question itself came back: RX and TX are joined: {reply.hex(' ')}")
        said = shdlc.parse_reply(reply)
        if said.command != code:
            return None
        if said.error and said.error not in _HARMLESS.get(code, ()):
            name = shdlc.ERRORS.get(said.error, "unknown error")
            return DeviceFault(f"the sensor answers command {code:02X} with error {said.error:02X}, {name}")
        return reply

    def framer() -> Framer:
        return SiftedFramer(shdlc.ReplyFramer(MAX_DATA), sift)

    return Request(data, framer, reply_bytes=2 + 2 * (5 + MAX_DATA), timeout_s=0.2, gap_s=0.0)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """Wake, start, status, values; the serial SPS30 has no address but 0."""
    start = COMMANDS[f"start_{options.get('output', 'float')}"].data
    wake = COMMANDS["wake_pulse"].data + COMMANDS["wake"].data
    questions = (wake, start, COMMANDS["status_register"].data, COMMANDS["read_values"].data)
    return tuple(ask(data, options) for data in questions)


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The question that a lone reply answers; its data would only matter for D0."""
    for item in shdlc.ReplyFramer(MAX_DATA).feed(reply):
        if isinstance(item, bytes):
            return shdlc.question(shdlc.parse_reply(item).command), True
    return COMMANDS["read_values"].data, False


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """Values, and what the other replies tell about the sensor. Without a value all are missing (9)."""
    values: dict[str, float] = {}
    info: dict[str, str | int] = {"device_error": 0}
    status: int | None = None
    is_read = False
    for request, reply in exchanges:
        code, _ = shdlc.parse_question(request.data.removeprefix(COMMANDS["wake_pulse"].data))
        is_read = is_read or code == READ
        if reply is None:
            continue
        said = shdlc.parse_reply(reply)
        info["device_error"] = int(said.has_status or info["device_error"] == 1)
        if code == READ:
            values = _values(said.data)
            info["data_ready"] = int(bool(values))
            continue
        info |= _told(code, said.data)
        if code == STATUS and len(said.data) == 5:
            status = int.from_bytes(said.data[:4], "big")
    if is_read and not values:
        return Decoded({}, dict.fromkeys(_QUANTITIES, _MISSING), info)
    flag = _flag(values, status, has_error=info["device_error"] == 1)
    return Decoded(values, dict.fromkeys(values, flag) if flag else {}, info)


def _values(data: bytes) -> dict[str, float]:
    if len(data) == _FLOATS.size:  # seven digits are all that a float of 32 bits has
        found = {name: float(f"{v:.7g}") for name, v in zip(_QUANTITIES, _FLOATS.unpack(data), strict=True)}
    elif len(data) == _WORDS.size:
        found = {name: float(v) for name, v in zip(_QUANTITIES, _WORDS.unpack(data), strict=True)}
        found["particle_size"] /= 1000
    elif data:
        raise FixedBits(f"values of {len(data)} bytes; 40, 20 or none are expected")
    else:
        return {}
    _check_spans(found)
    return found


def _flag(values: dict[str, float], status: int | None, *, has_error: bool) -> int:
    if status is not None and status & (_LASER | _FAN):
        return _FAIL
    is_blinded = values.get("pn_to_0_5") == 0 and values.get("particle_size") == _BLINDED_SIZE_UM
    return _SUSPECT if has_error or is_blinded or (status is not None and status & _SPEED) else 0


def _told(code: int, data: bytes) -> dict[str, str | int]:
    """What a reply says that is no quantity."""
    if code == STATUS and len(data) == 5:
        bits = int.from_bytes(data[:4], "big")
        flags = (("fan_speed_warning", _SPEED), ("laser_error", _LASER), ("fan_error", _FAN))
        return {"status_register": f"{bits:08x}"} | {name: int(bits & bit != 0) for name, bit in flags}
    if code == AUTO_CLEAN and len(data) == 4:
        return {"auto_clean_interval_s": int.from_bytes(data, "big")}
    if code == INFORMATION:
        return {"text": data.split(b"\0")[0].decode("ascii", "replace")}
    if code == VERSION and len(data) == 7:
        firmware, protocol = f"{data[0]}.{data[1]}", f"{data[5]}.{data[6]}"
        return {"firmware": firmware, "hardware_revision": data[3], "shdlc_version": protocol}
    return {}


DRIVERS = (
    Driver(
        name="sensirion-sps30",
        title="Sensirion SPS30 dust sensor",
        device_class="air",
        models=("SPS30",),
        kind=Polled(requests, decode, ask, guess),
        quantities=_QUANTITIES,
        line=Line(baud=115200),
        sources=(
            "Sensirion SPS30 datasheet, section 5",
            "github.com/Sensirion/embedded-uart-sps",
            "github.com/avaldebe/PyPMS src/pms/sensors/sensirion/sps30.py",
            "github.com/MasandeM/SPS30_golang",
        ),
        check_bits=8,
        silence_s=30.0,
        default_address=0,
        options={
            "output": Option("float", "uint16 gives whole numbers and needs firmware 2.0", tuple(FORMATS)),
        },
        aliases=("sps30",),
        wiring="VDD 5 V; data lines take 3.3 V and 5 V; SEL open at power-up; sensor TX to host RX, RX to host TX.",
        quirks=(
            "Believe the values 30 s after start in clean air; in dusty air 8 s are enough.",
            "SEL to ground at power-up selects I2C: then it answers nothing here.",
            "Values stand still for 10 s while the fan cleans itself, once a week; power-up begins the week anew.",
            "A sensor that runs keeps its output form until it is stopped; both forms are read.",
            "Error 28 to every question is cured by a power cycle only.",
        ),
        period_s=5.0,
        wear=Wear(warm_up_s=30, sleep=(COMMANDS["stop"], COMMANDS["sleep"])),
        simulate=Simulator,
        vectors=("drivers.air", "sensirion_sps30.vectors.toml"),
    ),
)
