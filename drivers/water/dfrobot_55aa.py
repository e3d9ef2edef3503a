"""DFRobot URM ultrasonic sensors with an address (SEN0001 and its family): a short binary answer when asked.

19200 8N1. Question 55 AA 11 00 02 12, and the answer:

    0  2  55 AA
    2  1  address, 11 as delivered
    3  1  bytes of data
    4  1  command: 02 distance
    5  2  distance, sensor face to surface, cm, big-endian unsigned; FFFF = nothing heard
    7  1  low byte of the sum of all before

Source: DFRobot wiki, DFRobot Communication Protocol.
"""

from __future__ import annotations

from functools import partial
from math import pi, sin
from random import Random

from drivers.core.checksums import sum8
from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Driver,
    Exchange,
    FixedBits,
    Framer,
    Implausible,
    Integrity,
    Line,
    Options,
    Polled,
    Rejection,
    Request,
    Truncated,
)
from drivers.core.framing import SyncFramer
from drivers.core.mixed import SiftedFramer

HEADER = b"\x55\xaa"
DISTANCE = 2
_HEAD_AND_SUM, _ANSWER_BYTES, _MAX_DATA = 6, 8, 16
_NOTHING, _REACH_CM = 0xFFFF, 1000


def closed(data: bytes) -> bytes:
    """The bytes with their sum behind them."""
    return data + bytes((sum8(data),))


def _size_of(head: bytes) -> int:
    return head[3] + _HEAD_AND_SUM if head[3] <= _MAX_DATA else 0


def _holds(frame: bytes) -> bool:
    return sum8(frame[:-1]) == frame[-1]


def _framer(asked: bytes) -> Framer:
    def sift(frame: bytes) -> bytes | Rejection | None:
        if frame == asked:
            return None  # an adapter that echoes
        is_answer = frame[2] == asked[2] and frame[4] == asked[4] and len(frame) == _ANSWER_BYTES
        return frame if is_answer else FixedBits(f"this answers another question: {frame.hex(' ')}")

    return SiftedFramer(SyncFramer(HEADER, 4, _size_of, _holds, _MAX_DATA + _HEAD_AND_SUM), sift)


def ask(data: bytes, options: Options) -> Request:
    """The request of a question's bytes."""
    if len(data) != _HEAD_AND_SUM:
        raise Truncated(f"a question has {_HEAD_AND_SUM} bytes, this has {len(data)}")
    if not data.startswith(HEADER) or data[3]:
        raise FixedBits(f"a question begins with 55 AA and has no data: {data.hex(' ')}")
    if not _holds(data):
        raise Integrity(f"the sum does not hold: {data.hex(' ')}")
    return Request(data, partial(_framer, data), _ANSWER_BYTES, timeout_s=0.3, gap_s=0.05)


def requests(address: int, options: Options) -> tuple[Request, ...]:
    """One question for the distance."""
    return (ask(closed(HEADER + bytes((address, 0, DISTANCE))), options),)


def guess(reply: bytes, options: Options) -> tuple[bytes, bool]:
    """The question for the distance, at the address that answers."""
    at = reply.find(HEADER)
    is_answer = 0 <= at <= len(reply) - _ANSWER_BYTES and reply[at + 4] == DISTANCE
    return requests(reply[at + 2] if is_answer else 0x11, options)[0].data, is_answer


def decode(exchanges: tuple[Exchange, ...], options: Options) -> Decoded:
    """The distance in the answer."""
    reply = exchanges[0][1]
    if reply is None:
        raise DeviceFault("the sensor did not answer")
    cm = int.from_bytes(reply[5:7], "big")
    if cm in (0, _NOTHING):
        raise DeviceFault("the sensor hears no echo")
    if cm > _REACH_CM:
        raise Implausible(f"{cm} cm is beyond the sensor's reach of {_REACH_CM} cm")
    return Decoded({"distance": cm / 100})


class Simulator:
    """A sensor over a tank that fills and empties."""

    def __init__(self, seed: int, address: int) -> None:
        self._address = address
        self.is_faulty = False
        self._middle_cm = Random(seed).uniform(150, 250)

    def tick(self, t: float) -> bytes:
        """It speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """The distance, when its own address is asked for it."""
        if data != closed(HEADER + bytes((self._address, 0, DISTANCE))):
            return b""
        cm = 0 if self.is_faulty else round(self._middle_cm + 80 * sin(2 * pi * t / 7200))
        return closed(HEADER + bytes((self._address, 2, DISTANCE)) + cm.to_bytes(2, "big"))


DRIVERS = (
    Driver(
        name="dfrobot-55aa",
        title="DFRobot URM ultrasonic sensor with an address",
        device_class="water",
        models=("SEN0001", "URM04", "URM06"),
        kind=Polled(requests, decode, ask, guess),
        quantities=("distance",),
        line=Line(baud=19200),
        sources=("DFRobot wiki, DFRobot Communication Protocol",),
        check_bits=8,
        silence_s=30.0,
        default_address=0x11,
        aliases=("dfrobot-urm",),
        wiring="5 V; RS-485 A and B, or TTL crosswise; address 17 as delivered.",
        quirks=(
            "Its steps are 10 mm: a still river at low water looks stuck.",
            "FFFF as sign of no echo is not from its document.",
        ),
        period_s=2.0,
        simulate=Simulator,
        vectors=("drivers.water", "dfrobot_55aa.vectors.toml"),
    ),
)
