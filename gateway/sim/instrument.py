"""Instruments that are not there: they speak their real protocols on a pty and remember what they said.

A device that nobody listens to talks to nobody: its bytes vanish, as on a real line, and nobody is owed anything. What
was put on the line whole while a host had it open stands in the log: that is what the host must account for.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.core.contract import Driver, Instrument, Listening, Options, Polled, Rejection, Request

from .faults import Faults, Mangler
from .pty import Cable

LOG_BOUND = 200_000
_LOOK_S = 0.05
"""How often a line that nobody has open is looked at; also how long a host gets to set up what it has just opened."""
_HEARD_BOUND = 1024
_OUTBOX_BOUND = 256


@dataclass(frozen=True, slots=True)
class Owed:
    """One reading that a device put on the line whole: its number (from 1), when, and what a host must find in it."""

    device: str
    number: int
    mono_ns: int
    values: Mapping[str, float]


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
        address = driver.default_address or 1 if address is None else address
        self.name = name or driver.name
        self.driver = driver
        self.period_s = driver.period_s if period_s is None else period_s
        self.owed = 0
        """How many readings it has put on the line whole since it was made."""
        self.log: deque[Owed] = deque(maxlen=LOG_BOUND)
        self.is_mute = False
        """True while it is broken: it neither talks nor answers."""
        self._options: Options = options or {}
        self._instrument: Instrument = driver.simulate(seed, address)
        self._questions: tuple[Request, ...] = ()
        if isinstance(driver.kind, Polled):
            self._questions = driver.kind.requests(address, self._options)
        self._heard = b""
        self._replies: dict[int, bytes] = {}

    @property
    def is_talker(self) -> bool:
        """True for a device that speaks without being asked."""
        return isinstance(self.driver.kind, Listening)

    def tick(self) -> bytes:
        """What it says now by itself."""
        return b"" if self.is_mute else self._instrument.tick(time.time())

    def answer(self, data: bytes) -> bytes:
        """What it replies to bytes of the host."""
        if self.is_mute:
            return b""
        reply = self._instrument.answer(data, time.time())
        if self._questions:
            self._heard = (self._heard + data)[-_HEARD_BOUND:]
        return reply

    def sent(self, frame: bytes) -> Owed | None:
        """A frame of this device is on the line, whole. What is owed now, if that completed a reading."""
        values = self._said(frame) if self.is_talker else self._answered(frame)
        if values is None:
            return None
        self.owed += 1
        owed = Owed(self.name, self.owed, time.monotonic_ns(), values)
        self.log.append(owed)
        return owed

    def _said(self, frame: bytes) -> Mapping[str, float] | None:
        kind = self.driver.kind
        assert isinstance(kind, Listening)
        try:
            decoded = kind.decode(frame, self._options)
        except Rejection:
            return None
        return None if decoded is None else decoded.values

    def _answered(self, reply: bytes) -> Mapping[str, float] | None:
        """A round is owed when all of its questions were answered, whatever their order."""
        kind = self.driver.kind
        assert isinstance(kind, Polled)
        asked = [index for index, request in enumerate(self._questions) if request.data in self._heard]
        self._heard = b""
        self._replies |= dict.fromkeys(asked, reply)
        if len(self._replies) < len(self._questions):
            return None
        exchanges = tuple((request, self._replies[index]) for index, request in enumerate(self._questions))
        self._replies = {}
        try:
            return kind.decode(exchanges, self._options).values
        except Rejection:
            return None


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
        self.mangler = Mangler(faults or Faults(), seed)
        self.overrun = 0
        """Bytes that the host did not take from the line fast enough."""
        self._on_owed = on_owed
        self._cable = Cable(self._on_bytes, self._on_close, link)
        self._outbox: asyncio.Queue[tuple[SimulatedDevice, bytes]] = asyncio.Queue(_OUTBOX_BOUND)
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
        for device in self.devices:
            self._post(device, device.answer(data))

    def _post(self, device: SimulatedDevice, frame: bytes) -> None:
        if frame and not self._outbox.full():
            self._outbox.put_nowait((device, frame))

    async def _send(self) -> None:
        while True:
            device, frame = await self._outbox.get()
            sending = self.mangler.mangle(frame)
            is_whole = True
            for number, (wait_s, piece) in enumerate(sending.pieces):
                if wait_s or number:
                    await asyncio.sleep(wait_s)
                if not self._cable.write(piece):
                    is_whole = False
                    self.overrun += len(piece) * self._cable.is_open()
            for _ in range(sending.intact if is_whole else 0):
                owed = device.sent(frame)
                if owed is not None and self._on_owed is not None:
                    self._on_owed(owed)
