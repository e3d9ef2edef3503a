"""Modbus RTU without I/O: questions, the frames of their answers, and numbers in registers.

Question of functions 1 to 4:  unit  function  start(2)  count(2)  CRC(2, low byte first)
Answer:                        unit  function  byte count  data  CRC
Exception:                     unit  function|80  code  CRC
Bytes inside a register are big-endian; values of 32 and 64 bits come high word first or low word first.
An answer does not say which registers it holds: after a timeout, wait out and empty the line before asking again.
Addresses are the ones on the wire, counted from 0.

Sources: Modbus Application Protocol V1.1b3; Modbus over Serial Line V1.02.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from drivers.core.checksums import crc16_modbus
from drivers.core.contract import DeviceFault, FixedBits, Integrity, Rejection, Truncated
from drivers.core.scanning import ScanningFramer, Verdict

READ_FUNCTIONS = (1, 2, 3, 4)
MAX_REGISTERS, MAX_BITS = 125, 2000
QUESTION_BYTES = 8
EXCEPTION_BYTES = 5
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
    32: "not initialised (KELLER)",
}
NumberType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
_STRUCTS: dict[str, Struct] = {
    "int16": Struct(">h"),
    "uint16": Struct(">H"),
    "int32": Struct(">i"),
    "uint32": Struct(">I"),
    "int64": Struct(">q"),
    "uint64": Struct(">Q"),
    "float32": Struct(">f"),
    "float64": Struct(">d"),
}
NUMBER_TYPES = tuple(_STRUCTS)


@dataclass(frozen=True, slots=True)
class Read:
    """A question for `count` registers (or bits) from `start`."""

    unit: int
    function: int
    start: int
    count: int

    @property
    def data_bytes(self) -> int:
        """Bytes of data in its answer."""
        return self.count * 2 if self.function >= 3 else (self.count + 7) // 8

    @property
    def reply_bytes(self) -> int:
        """Bytes of its whole answer."""
        return self.data_bytes + 5


def closed(data: bytes) -> bytes:
    """The bytes with their CRC behind them."""
    return data + crc16_modbus(data).to_bytes(2, "little")


def holds(frame: bytes) -> bool:
    """Whether the frame's CRC holds."""
    return len(frame) >= 4 and crc16_modbus(frame[:-2]) == frame[-2] | frame[-1] << 8


def question(read: Read) -> bytes:
    """The bytes that ask. Raises ValueError for what Modbus cannot ask."""
    if not 1 <= read.unit <= 255 or read.function not in READ_FUNCTIONS:
        raise ValueError(f"unit {read.unit} and function {read.function} make no reading question")
    limit = MAX_REGISTERS if read.function >= 3 else MAX_BITS
    if not (read.start >= 0 and 1 <= read.count <= limit and read.start + read.count <= 0x10000):
        raise ValueError(f"{read.count} registers from {read.start} cannot be asked for")
    head = bytes((read.unit, read.function))
    return closed(head + read.start.to_bytes(2, "big") + read.count.to_bytes(2, "big"))


def parse_question(data: bytes) -> Read:
    """The question in these bytes. Raises `Truncated`, `FixedBits` or `Integrity`."""
    if len(data) != QUESTION_BYTES:
        raise Truncated(f"a reading question has {QUESTION_BYTES} bytes, this has {len(data)}")
    if data[1] not in READ_FUNCTIONS:
        raise FixedBits(f"function {data[1]} does not read")
    if not holds(data):
        raise Integrity(f"the CRC does not hold: {data.hex(' ')}")
    return Read(data[0], data[1], int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big"))


def reply_data(reply: bytes, read: Read) -> bytes:
    """The register bytes of an answer. Raises a `Rejection` where it is none to this question."""
    if len(reply) != read.reply_bytes:
        raise Truncated(f"the answer has {len(reply)} bytes, {read.reply_bytes} were asked for")
    if reply[0] != read.unit or reply[1] != read.function or reply[2] != read.data_bytes:
        raise FixedBits(f"this answers another question: {reply[:3].hex(' ')}")
    if not holds(reply):
        raise Integrity(f"the CRC does not hold: {reply.hex(' ')}")
    return reply[3:-2]


def find_reply(data: bytes) -> Read | None:
    """What a lone answer answers, `start` aside: the first with a good CRC, else what looks like one.

    An answer of functions 1 and 2 tells only how many bytes of bits it holds; an exception, nothing.
    """
    likely: Read | None = None
    for at in range(len(data) - EXCEPTION_BYTES + 1):
        unit, function, size = data[at], data[at + 1] & 0x7F, data[at + 2]
        if not unit or function not in READ_FUNCTIONS:
            continue
        if data[at + 1] & 0x80:
            seen, end = Read(unit, function, 0, 1), at + EXCEPTION_BYTES
        elif function < 3:
            seen, end = Read(unit, function, 0, size * 8), at + size + 5
        else:
            seen, end = Read(unit, function, 0, size // 2), at + size + 5
        if not 1 <= size <= 250 or (function >= 3 and size % 2 and not data[at + 1] & 0x80):
            continue
        if len(data) >= end and holds(data[at:end]):
            return seen
        if likely is None and at <= 1:
            likely = seen
    return likely


class ReplyFramer(ScanningFramer):
    """Finds the answer to one question among noise, echo and foreign traffic; an exception comes as `DeviceFault`.

    A candidate has the unit, the function and the byte count of the question. Where its CRC fails, the search goes on
    one byte further. The question's own echo and bytes around an answer are discarded without a refusal, unless
    nothing else came. Holds less than one answer.
    """

    __slots__ = ("_first", "_is_explained", "_question", "_read")

    def __init__(self, asked: bytes) -> None:
        super().__init__()
        self._question = asked
        self._read = parse_question(asked)
        self._first = b""
        self._is_explained = False

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """Answers and refusals, in stream order."""
        if len(self._first) < EXCEPTION_BYTES + 1:
            self._first = (self._first + data)[: EXCEPTION_BYTES + 1]
        found = super().feed(data)
        self._is_explained |= bool(found)
        return found

    def finish(self) -> list[bytes | Rejection]:
        """The time is up: refuse what is half there, or say what came instead of an answer."""
        held = bool(self._rest)
        found = super().finish()
        self._is_explained |= bool(found)
        if not self._is_explained and (self.discarded or held):
            found.append(self._nothing_fits())
        return found

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        start = data.find(self._read.unit, at)
        return len(data) if start < 0 else start

    def _foreign(self, data: bytes) -> None:
        return None

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        size = self._size_at(data, at)
        if size == 0:
            return 1, None
        if size < 0 or at + size > len(data):
            if more:
                return None
            return 1, Truncated(f"{len(data) - at} of {size} bytes of the answer came") if size > 0 else None
        frame = data[at : at + size]
        if frame != self._question and holds(frame):
            return size, self._accept(frame)
        if data.startswith(self._question, at):
            return QUESTION_BYTES, None
        if more and self._question.startswith(data[at:]):
            return None
        return 1, Integrity(f"the CRC does not hold: {frame.hex(' ')}")

    def _size_at(self, data: bytes, at: int) -> int:
        """Bytes of the candidate at this place; 0 where there is none, -1 where more bytes must come to tell."""
        read, have = self._read, len(data) - at
        if have < 2:
            return -1
        if data[at + 1] == read.function | 0x80:
            return EXCEPTION_BYTES
        if data[at + 1] != read.function:
            return 0
        if have < 3:
            return -1
        if data[at + 2] == read.data_bytes:
            return read.reply_bytes
        if self._question.startswith(data[at : at + QUESTION_BYTES]):
            return QUESTION_BYTES if have >= QUESTION_BYTES else -1
        return 0

    def _accept(self, frame: bytes) -> bytes | Rejection:
        if frame[1] & 0x80:
            name = EXCEPTIONS.get(frame[2], "unknown exception")
            return DeviceFault(f"unit {frame[0]} answers with exception {frame[2]}, {name}")
        return frame

    def _nothing_fits(self) -> Rejection:
        first = self._first
        if len(first) > EXCEPTION_BYTES and first[2:4] == b"\0\0":
            return FixedBits("this looks like Modbus TCP framing; set the serial gateway to raw RTU (transparent) mode")
        asked = f"unit {self._read.unit} to function {self._read.function} with {self._read.data_bytes} bytes"
        return FixedBits(f"no answer of {asked} is in what came: {first.hex(' ')} …")


def merge(wanted: Iterable[Read], limit: int, max_hole: int, *, even: bool = False) -> list[Read]:
    """Few reads that cover the wanted ones, at most `limit` registers each.

    Holes of up to `max_hole` registers are read over. `even`: starts and counts are even. Raises ValueError where a
    single one does not fit.
    """
    out: list[Read] = []
    for one in sorted(wanted, key=lambda r: (r.unit, r.function, r.start, r.count)):
        start, end = one.start, one.start + one.count
        if even:
            start, end = start - start % 2, end + end % 2
        if end - start > limit:
            raise ValueError(f"{one.count} registers from {one.start} do not fit into one read of {limit}")
        last = out[-1] if out else None
        if last is not None and (last.unit, last.function) == (one.unit, one.function):
            joined = max(end, last.start + last.count) - last.start
            if start - (last.start + last.count) <= max_hole and joined <= limit:
                out[-1] = Read(last.unit, last.function, last.start, joined)
                continue
        out.append(Read(one.unit, one.function, start, end - start))
    return out


def registers_of(kind: NumberType) -> int:
    """How many registers a number of this type takes."""
    return _STRUCTS[kind].size // 2


def number(data: bytes, kind: NumberType, *, low_word_first: bool = False) -> int | float:
    """The number in these register bytes."""
    value: int | float = _STRUCTS[kind].unpack(swapped(data) if low_word_first else data)[0]
    return value


def register_bytes(value: float, kind: NumberType, *, low_word_first: bool = False) -> bytes:
    """The register bytes of a number; integers are rounded. Raises `struct.error` where it does not fit."""
    data = _STRUCTS[kind].pack(value if kind.startswith("float") else round(value))
    return swapped(data) if low_word_first else data


def swapped(data: bytes) -> bytes:
    """The registers in reverse order; the bytes inside each stay."""
    return b"".join(data[at : at + 2] for at in range(len(data) - 2, -2, -2))
