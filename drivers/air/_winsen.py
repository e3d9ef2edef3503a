"""What Winsen's gas and dust sensors share: 9600 8N1, frames of nine bytes.

    0  1  FF
    1  1  to the sensor: its number, 01; from the sensor: the command it answers, or what it measures
    2  6  command and data, or data
    8  1  two's complement of the sum of bytes 1 to 7

The meaning of a reply depends on the model, never on the frame: `FF 01 86` is the read command of them all.
"""

from __future__ import annotations

from drivers.core.checksums import sum8
from drivers.core.commands import Command

SIZE = 9
READ = 0x86
SENSOR = 1


def closed(data: bytes) -> bytes:
    """Eight bytes and their check."""
    return data + bytes((-sum8(data[1:]) & 0xFF,))


def holds(frame: bytes) -> bool:
    """Whether the check byte is right."""
    return sum(frame[1:]) & 0xFF == 0


def command(*data: int, sensor: int = SENSOR) -> bytes:
    """The nine bytes of a command."""
    return closed(bytes((0xFF, sensor, *data)).ljust(SIZE - 1, b"\0"))


def reply(*data: int) -> bytes:
    """The nine bytes that a sensor sends."""
    return closed(bytes((0xFF, *data)).ljust(SIZE - 1, b"\0"))


def heard(data: bytes) -> tuple[int, bytes]:
    """Command code and data of a question to sensor 1; code 0 where it is none. For the simulated sensors."""
    if len(data) != SIZE or data[:2] != b"\xff\x01" or not holds(data):
        return 0, b""
    return data[2], data[3:8]


QUESTION_MODE = Command(command(0x78, 0x41), name="set_qa_mode")
INITIATIVE_MODE = Command(command(0x78, 0x40), name="set_initiative_mode")
DORMANT_ON = Command(command(0xA7, 1), b"\xff\xa7\x01", name="dormant_on")
DORMANT_OFF = Command(command(0xA7, 0), b"\xff\xa7\x01", name="dormant_off")
