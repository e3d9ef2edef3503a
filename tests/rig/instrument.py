"""Instruments that are owed: every frame carries device, boot and number, and is remembered with its time.

A boot is one opening of the line by the gateway: it begins when the host has sent its first command (it has opened and
set up the tty by then, and reads) and ends when the host is gone. A frame is put on the line only within a boot, so
that each frame was at least within somebody's reach.

Words of the PMS5003 frame, made from the data sheet's drawing with struct and not with the project's own encoder: the
counts above 0.3 and 0.5 um are the number's low and high 16 bits, those above 1 and 2.5 um device and boot, and the
masses follow from these three.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
import tty
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from zlib import crc32

from gateway.sim.faults import Faults, Mangler

_LOOK_S = 0.01


class Name(NamedTuple):
    """What every frame says about itself."""

    device: int
    boot: int
    number: int


class Sent(NamedTuple):
    """A frame that was put on the line not after `mono` (s), and between `began_at` and `at` (wall, ns)."""

    name: Name
    mono: float
    began_at: int
    at: int


def masses(name: Name) -> tuple[int, int, int, int, int, int]:
    """PM1, PM2.5, PM10 in both columns, ug/m3, that belong to a name."""
    dice = crc32(struct.pack(">HHI", *name))
    low = 1 + dice % 100
    return low, low + dice % 7, low + dice % 13, low + 1, low + 2 + dice % 5, low + 3 + dice % 11


def frame_of(name: Name) -> bytes:
    """The 32 bytes on the line."""
    counts = (name.number & 0xFFFF, name.number >> 16, name.device, name.boot, 0, 0)
    body = struct.pack(">2sH12HBB", b"BM", 28, *masses(name), *counts, 0x97, 0)
    return body + struct.pack(">H", sum(body))


FIELDS = ("pn_above_0_3", "pn_above_0_5", "pn_above_1", "pn_above_2_5")
MASSES = ("pm1_cf1", "pm2_5_cf1", "pm10_cf1", "pm1", "pm2_5", "pm10")


def name_of(values: Mapping[str, float]) -> Name:
    """The name back from a stored reading: the vocabulary counts per cm3, the sensor per 0.1 L. Raises KeyError."""
    low, high, device, boot = (round(values[field] * 100) for field in FIELDS)
    return Name(device, boot, low + (high << 16))


def is_unaltered(values: Mapping[str, float]) -> bool:
    """Whether the masses are those that belong to the name."""
    return tuple(values.get(each) for each in MASSES) == masses(name_of(values))


@dataclass(slots=True)
class Boot:
    """One opening of the line, in monotonic seconds; `ended_mono` None while it lasts."""

    opened_mono: float
    ended_mono: float | None = None
    sent: list[Sent] = field(default_factory=list)


class Instrument:
    """Device `device` on a pty under `link`; says `rate_hz` frames a second from a thread of its own.

    `faults` are what its line does to frames; one that did not come whole is owed by nobody, and its number is used
    again. (A frame that comes twice would be two readings: not here.)
    """

    def __init__(
        self, link: Path, rate_hz: float, device: int = 1, faults: Faults | None = None, seed: int = 0
    ) -> None:
        self.link, self.rate_hz, self.device = link, rate_hz, device
        self.mangler = Mangler(faults or Faults(), seed)
        self.boots: list[Boot] = []
        self.unsaid = 0
        """Frames for which the line had no room: the host did not read."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(self._master, False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"instrument {device}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        os.close(self._master)

    def stop(self) -> None:
        """No more frames; the line stays."""
        self._stop.set()
        self._thread.join()

    @property
    def sent(self) -> int:
        """How many frames were said so far."""
        return sum(len(boot.sent) for boot in self.boots)

    def _run(self) -> None:
        due = 0.0
        while not self._stop.wait(min(_LOOK_S, max(0.0, due - time.monotonic())) if self._is_awake() else _LOOK_S):
            awake = self._is_awake()
            self._look()
            if self._is_awake():
                due = time.monotonic() if not awake else due
                if time.monotonic() >= due:
                    self._say(self.boots[-1])
                    due += 1 / self.rate_hz

    def _is_awake(self) -> bool:
        return bool(self.boots) and self.boots[-1].ended_mono is None

    def _look(self) -> None:
        """Notice that the host came (it says something) or went (the line hangs up)."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        is_gone, heard = False, b""
        for _, event in poll.poll(0):
            if event & select.POLLIN:
                with contextlib.suppress(OSError):
                    heard = os.read(self._master, 4096)
            is_gone = bool(event & select.POLLHUP)
        if self._is_awake() and is_gone:
            self.boots[-1].ended_mono = time.monotonic()
        elif not self._is_awake() and heard and not is_gone:
            self.boots.append(Boot(time.monotonic()))

    def _say(self, boot: Boot) -> None:
        name = Name(self.device, len(self.boots), len(boot.sent) + 1)
        sending = self.mangler.mangle(frame_of(name))
        began_at = time.time_ns()
        for wait_s, piece in sending.pieces:
            if wait_s and self._stop.wait(wait_s):
                return
            began_at = time.time_ns()  # of the last piece: with it the frame is there
            try:
                written = os.write(self._master, piece)
            except BlockingIOError:
                written = 0
            if written != len(piece):
                # What is on the line of it belongs to no frame.
                self.unsaid += 1
                return
        if sending.intact:
            boot.sent.append(Sent(name, time.monotonic(), began_at, time.time_ns()))


def everything_sent(instruments: Iterable[Instrument]) -> list[Sent]:
    """All frames of all boots."""
    return [sent for each in instruments for boot in each.boots for sent in boot.sent]


def owed(instruments: Iterable[Instrument], grace_s: float = 1.0) -> set[Name]:
    """What must be stored in the end: said at least `grace_s` before its boot ended."""
    return {
        sent.name
        for each in instruments
        for boot in each.boots
        for sent in boot.sent
        if boot.ended_mono is None or sent.mono <= boot.ended_mono - grace_s
    }
