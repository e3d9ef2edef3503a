"""Instruments that are not there: they speak their real protocols on a pty and remember what they said.

A device that nobody listens to talks to nobody: its bytes vanish, as on a real line, and nobody is owed anything. What
was put on the line whole while a host had it open stands in the log: that is what the host must account for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from drivers.core.contract import Driver, Instrument, Listening, Options

from .account import account_of
from .ailing import Ailing, CanFail
from .faults import Faults, Mangler, Sending
from .pty import Cable
from .speeds import as_heard

LOG_BOUND = 200_000
_LOOK_S = 0.05
"""How often a line that nobody has open is looked at; also how long a host gets to set up what it has just opened."""
_OUTBOX_BOUND = 256
_BYTE_BITS = 10


@dataclass(frozen=True, slots=True)
class Owed:
    """One reading that a device put on the line whole: its number (from 1), when, and what a host must find in it."""

    device: str
    number: int
    mono_ns: int
    values: Mapping[str, float]


@runtime_checkable
class Paced(Protocol):
    """An instrument that minds the speed of the line: it hears at one, speaks at another, and takes its time."""

    hears_baud: int
    speaks_baud: int
    reaction_s: float


class SimulatedDevice:
    """One instrument: what it says by itself, what it answers, and what it owes."""

    def __init__(
        self,
        driver: Driver,
        seed: int = 0,
        address: int | None = None,
        period_s: float | None = None,
        *,
        name: str = "",
        options: Options | None = None,
    ) -> None:
        if driver.simulate is None:
            raise ValueError(f"{driver.name} has no simulated instrument")
        address = driver.at(address)
        self.name = name or driver.name
        self.driver = driver
        self.period_s = driver.period_s if period_s is None else period_s
        self.owed = 0
        """How many readings it has put on the line whole since it was made."""
        self.log: deque[Owed] = deque(maxlen=LOG_BOUND)
        self.is_mute = False
        """True while it is broken: it neither talks nor answers."""
        self._instrument: Instrument = driver.simulate(seed, address)
        self.pace = self._instrument if isinstance(self._instrument, Paced) else None
        """How it minds the speed of the line; None where it does not."""
        self.ailing = Ailing(Faults(), seed)
        self.can_fail = isinstance(self._instrument, CanFail)
        """Whether it has an error code of its own."""
        self._seed = seed
        self._account = account_of(driver, address, options or {})

    def ail(self, faults: Faults) -> None:
        """Have what these faults say of an instrument's inside."""
        self.ailing = Ailing(faults, self._seed)

    @property
    def is_talker(self) -> bool:
        """True for a device that speaks without being asked."""
        return isinstance(self.driver.kind, Listening)

    def tick(self) -> bytes:
        """What it says now by itself."""
        if self.is_mute:
            return b""
        self.ailing.touch(self._instrument)
        return self._instrument.tick(self.ailing.time(time.time()))

    def answer(self, data: bytes) -> bytes:
        """What it replies to bytes of the host."""
        if self.is_mute:
            return b""
        self.ailing.touch(self._instrument)
        reply = self._instrument.answer(data, self.ailing.time(time.time()))
        self._account.heard(data)
        return reply

    def sent(self, frame: bytes) -> list[Owed]:
        """A frame of this device is on the line, whole. What is owed now, if that completed readings."""
        found: list[Owed] = []
        for values in self._account.said(frame):
            self.owed += 1
            found.append(Owed(self.name, self.owed, time.monotonic_ns(), values))
        self.log += found
        return found


class SimulatedLine:
    """One cable with one instrument, or several in turns (a bus). `run` keeps them going until it is cancelled.

    `on_owed` is called for each reading that is on the line whole. The cable exists from the beginning; it is pulled
    and put back with `unplug` and `replug`, under the same `link` but with another tty.
    """

    def __init__(
        self,
        devices: Sequence[SimulatedDevice],
        *,
        link: Path | None = None,
        faults: Faults | None = None,
        seed: int = 0,
        on_owed: Callable[[Owed], None] | None = None,
    ) -> None:
        self.devices = tuple(devices)
        self._faults = faults or Faults()
        self.mangler = Mangler(self._faults, seed)
        for device in devices:
            device.ail(self._faults)
        self.overrun = 0
        """Bytes that the host did not take from the line fast enough."""
        self._on_owed = on_owed
        self._cable = Cable(self._on_bytes, self._on_close, link)
        self._outbox: asyncio.Queue[tuple[SimulatedDevice, bytes, float]] = asyncio.Queue(_OUTBOX_BOUND)
        self._is_attached = asyncio.Event()
        self._is_left = asyncio.Event()

    @property
    def path(self) -> str:
        """What the host opens."""
        return self._cable.path

    @property
    def owed(self) -> int:
        """Readings put on the line whole by all its devices."""
        return sum(device.owed for device in self.devices)

    @property
    def counts(self) -> Counter[str]:
        """What was done to frames, and what their instruments did."""
        own = {"stuck": sum(d.ailing.stuck for d in self.devices), "error": sum(d.ailing.errors for d in self.devices)}
        done: Counter[str] = Counter({name: count for name, count in own.items() if count})
        done.update({str(name): count for name, count in self.mangler.counts.items()})
        return done

    def unplug(self) -> None:
        """Pull the cable: the host's port is lost, and its name gone."""
        self._on_close()
        self._cable.unplug()

    def replug(self) -> None:
        """Put it back under the same name."""
        self._cable.plug()

    async def run(self) -> None:
        """Talk and answer until cancelled; then the cable is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(), name=f"sim watch {self.path}")
                group.create_task(self._send(), name=f"sim send {self.path}")
                for device in self.devices:
                    if device.is_talker:
                        group.create_task(self._talk(device), name=f"sim talk {device.name}")
        finally:
            self.unplug()

    async def _watch(self) -> None:
        """Notice when a host opens the line; a pty tells only when one closes it."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._cable.is_open():
                continue
            self._is_left.clear()
            self._cable.start_reading()
            await asyncio.sleep(_LOOK_S)
            if not self._is_left.is_set():
                self._is_attached.set()
                await self._is_left.wait()

    def _on_close(self) -> None:
        self._is_attached.clear()
        self._is_left.set()

    async def _talk(self, device: SimulatedDevice) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._is_attached.wait()
            due = loop.time()
            while self._is_attached.is_set():
                self._post(device, device.tick())
                # A stalled machine skips what it missed: an instrument does not catch up either.
                due = max(due + device.period_s, loop.time())
                await asyncio.sleep(due - loop.time())

    def _on_bytes(self, data: bytes) -> None:
        host, own = self._cable.baud(), self._faults.baud
        if own and own != host:
            data = as_heard(data, host, own)
        for device in self.devices:
            pace = device.pace
            if pace is None:
                self._post(device, device.answer(data))
            elif pace.hears_baud == self._cable.baud():
                # A pty carries bytes at once; what they would take on the wire belongs to the time of the answer.
                self._post(device, device.answer(data), len(data) * _BYTE_BITS / pace.hears_baud + pace.reaction_s)

    def _post(self, device: SimulatedDevice, frame: bytes, wait_s: float = 0.0) -> None:
        if frame and not self._outbox.full():
            self._outbox.put_nowait((device, frame, asyncio.get_running_loop().time() + wait_s))

    async def _send(self) -> None:
        while True:
            device, frame, due = await self._outbox.get()
            is_whole = True
            if (wait_s := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait_s)
            pace = device.pace
            if pace is not None and pace.speaks_baud != self._cable.baud():
                sending = Sending(((0.0, as_heard(frame, pace.speaks_baud, self._cable.baud())),), 0)
            elif self._faults.baud not in (0, self._cable.baud()):
                sending = Sending(((0.0, as_heard(frame, self._faults.baud, self._cable.baud())),), 0, ("baud",))
                self.mangler.counts["baud"] += 1
            else:
                sending = self.mangler.mangle(frame)
            for number, (wait_s, piece) in enumerate(sending.pieces):
                if wait_s or number:
                    await asyncio.sleep(wait_s)
                if not self._cable.write(piece):
                    is_whole = False
                    self.overrun += len(piece) * self._cable.is_open()
            for _ in range(sending.intact if is_whole else 0):
                for owed in device.sent(frame):
                    if self._on_owed is not None:
                        self._on_owed(owed)
