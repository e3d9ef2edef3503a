"""Instruments whose every frame carries its number, so that what was owed can be compared with what arrived.

Made from the data sheet's frame drawing with struct, not with the project's own encoder.
"""

from __future__ import annotations

import os
import struct
import termios
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Self


def plantower_frame(number: int) -> bytes:
    """A PMS5003 frame; its count above 0.3 um is the number's low 16 bits, the one above 0.5 um the rest."""
    words = (5, 9, 12, 5, 9, 12, number & 0xFFFF, number >> 16, 0, 0, 0, 0)
    body = struct.pack(">2sH12HBB", b"BM", 28, *words, 0x97, 0)
    return body + struct.pack(">H", sum(body))


def number_of(values: dict[str, float]) -> int:
    """The number back from a reading: the vocabulary counts per cm3, the sensor per 0.1 L."""
    return round(values["pn_above_0_3"] * 100) + (round(values["pn_above_0_5"] * 100) << 16)


class NumberedPlantower:
    """Writes numbered frames to a pty at `rate_hz` from a thread of its own. `link` is a name that stays."""

    def __init__(self, link: Path, rate_hz: float) -> None:
        self.link, self.rate_hz = link, rate_hz
        self.written: list[float] = []
        """Monotonic time at which frame n+1 was completely written."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = slave  # kept open, so that the pty outlives a killed reader
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        os.set_blocking(self._master, False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="numbered plantower", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        os.close(self._master)
        os.close(self._slave)

    def stop(self) -> None:
        """No more frames."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1 / self.rate_hz
            frame = plantower_frame(len(self.written) + 1)
            try:
                if os.write(self._master, frame) == len(frame):
                    self.written.append(time.monotonic())
                    continue
            except BlockingIOError:
                pass
            # Nobody reads and the line is full: these bytes never reach anybody, so the number is not used up.
            termios.tcflush(self._slave, termios.TCIFLUSH)
