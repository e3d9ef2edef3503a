"""What a tty can do beside bytes: other line settings, a break, and knowing when the last byte has left.

These calls can block (an adapter is asked over USB, the last byte takes its time), so they belong into a thread.
"""

from __future__ import annotations

import fcntl
import os
import termios
import time
from dataclasses import replace

from drivers.core.contract import Line

_BREAK, _NO_BREAK = 0x5427, 0x5428
"""TIOCSBRK and TIOCCBRK of Linux, which Python's termios does not name before 3.13."""

PTY_MAJORS = range(136, 144)
_BITS = {7: termios.CS7, 8: termios.CS8}


def possible(line: Line, tty: os.stat_result) -> Line:
    """What of the line settings a tty can take: a pty keeps 8 bits without parity and may refuse to be told others."""
    if os.major(tty.st_rdev) not in PTY_MAJORS:
        return line
    return replace(line, bits=8 if line.bits == 7 else line.bits, parity="N")


def set_line(fd: int, line: Line) -> None:
    """Baud, bits, parity and stop bits, from now on. Raises ValueError for what has no name, else termios.error."""
    speed = getattr(termios, f"B{line.baud}", None)
    if speed is None or line.bits not in _BITS:
        raise ValueError(f"{line.baud} baud, {line.bits} bits")
    line = possible(line, os.fstat(fd))
    settings = termios.tcgetattr(fd)
    flags = settings[2] & ~(termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB) | _BITS[line.bits]
    if line.parity != "N":
        flags |= termios.PARENB
    if line.parity == "O":
        flags |= termios.PARODD
    if line.stop > 1:
        flags |= termios.CSTOPB
    settings[2], settings[4], settings[5] = flags, speed, speed
    termios.tcsetattr(fd, termios.TCSANOW, settings)


def send_break(fd: int, seconds: float) -> None:
    """Hold the line in a break. A pty takes it and passes nothing on. Raises OSError."""
    fcntl.ioctl(fd, _BREAK)
    try:
        time.sleep(seconds)
    finally:
        fcntl.ioctl(fd, _NO_BREAK)


def drain_output(fd: int) -> None:
    """Wait until all that was written is on the line, as far as the adapter tells. Raises termios.error."""
    termios.tcdrain(fd)
