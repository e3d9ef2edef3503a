"""A smoke detector with a relay on a Modbus input module: one contact, 1 = alarm.

RS-485, 9600 8N1. Question for eight discrete inputs, and the answer:

    FF 02 00 00 00 08 6C 12          address 255, function 2, from input 0, 8 inputs, CRC
    FF 02 01 XX CRC CRC              one byte: input 0 is its lowest bit

The relay is wired to open on alarm, so that a cut wire alarms too: bit 1 is normal, bit 0 is alarm; the option
`contact` turns that round. Modules that are read in the same way differ in address only.

Sources: novabo.com ModbusRTU SQR-2 page; Modbus Application Protocol V1.1b3, function 2.
"""

from __future__ import annotations

from functools import partial

from drivers.core import modbus
from drivers.core.contract import Decoded, DeviceFault, Driver, Exchange, Line, Option, Options, Polled, Request
from drivers.core.simulated_slave import SimulatedSlave

_INPUTS = 8
_READ_INPUTS = 2
OPENS, CLOSES = "opens-on-alarm", "closes-on-alarm"


def ask(data: bytes, options: Options) -> Request:
    """The request of a question's bytes."""
    read = modbus.parse_question(data)
    return Request(data, partial(modbus.ReplyFramer, data), read.reply_bytes, timeout_s=0.3, gap_s=0.05)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """One question for the module's inputs."""
    return (ask(modbus.question(modbus.Read(address, _READ_INPUTS, 0, _INPUTS)), options),)


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The question for eight inputs of the unit that answers."""
    seen = modbus.find_reply(reply)
    is_answer = seen is not None and seen.function == _READ_INPUTS
    unit = seen.unit if seen else 0xFF
    return modbus.question(modbus.Read(unit, _READ_INPUTS, 0, _INPUTS)), is_answer


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """The contact of the chosen input."""
    request, reply = exchanges[0]
    if reply is None:
        raise DeviceFault("the module did not answer")
    bits = int.from_bytes(modbus.reply_data(reply, modbus.parse_question(request.data)), "little")
    is_set = bits >> int(options.get("input", 1)) - 1 & 1
    is_alarm = is_set == 0 if options.get("contact", OPENS) == OPENS else is_set == 1
    return Decoded({"smoke_alarm": float(is_alarm)}, {}, {"inputs": bits})


class Simulator(SimulatedSlave):
    """Eight inputs; the first detector smells smoke for one minute in fifteen."""

    def __init__(self, seed: int, address: int) -> None:
        super().__init__(address, limit=_INPUTS)
        self._shift_s = seed % 14 * 60

    def data(self, read: modbus.Read, t: float) -> bytes | int:
        """The inputs: all closed, the first open while it alarms."""
        if read.function != _READ_INPUTS:
            return 1
        if read.start + read.count > _INPUTS:
            return 2
        is_alarm = (t + self._shift_s) % 900 >= 840
        return bytes(((0xFE if is_alarm else 0xFF) >> read.start & (1 << read.count) - 1,))


DRIVERS = (
    Driver(
        name="novabo-sqr-2",
        title="Smoke detector relay on a Modbus input module (Novabo SQR-2)",
        device_class="air",
        models=("SQR-2",),
        kind=Polled(requests, decode, ask, guess),
        quantities=("smoke_alarm",),
        line=Line(baud=9600),
        sources=("novabo.com ModbusRTU SQR-2 page", "Modbus Application Protocol V1.1b3, function 2"),
        silence_s=15.0,
        default_address=255,
        options={
            "input": Option(1, "the input that the detector is wired to", tuple("12345678")),
            "contact": Option(OPENS, "what the detector's relay does on alarm", (OPENS, CLOSES)),
        },
        aliases=("novabo_alarm_di", "smoke-relay"),
        wiring="Detector relay between input and common, closed at rest; RS-485 A and B as marked; address 255.",
        quirks=(
            "Made for separator alarms: it is no smoke sensor itself, and only one of its inputs is read.",
            "Address 255 lies outside of what Modbus allows; some masters refuse it.",
            "This is no fire alarm system: keep the detector's own sounder.",
        ),
        period_s=2.0,
        simulate=Simulator,
        vectors=("drivers.air", "smoke_relay.vectors.toml"),
    ),
)
