"""A capture on a pty: the recorded instrument talks and answers again, to any program that opens the port."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.ports import PortLost
from gateway.ports.replay import ReplayPort, open_replay

from .pty import Cable

_LOOK_S = 0.05
_WAITING = 64


class CapturedLine:
    """A cable whose far end is a capture. Each program that opens it hears the capture from its beginning."""

    def __init__(self, url: str, link: Path) -> None:
        self.said = 0
        """Bytes that were put on the line."""
        self._url = url
        self._written: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._is_left = asyncio.Event()
        self._cable = Cable(self._on_bytes, self._is_left.set, link)

    @property
    def path(self) -> str:
        """What the host opens."""
        return self._cable.path

    async def run(self) -> None:
        """Play until cancelled; then the cable is gone. Raises PortError for a file that is no capture."""
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                if self._cable.is_open():
                    await self._play()
        finally:
            self._cable.unplug()

    async def _play(self) -> None:
        """To one program, until it closes the port."""
        port = await open_replay(self._url)
        self._is_left.clear()
        self._cable.start_reading()
        tasks = [
            asyncio.create_task(self._talk(port), name="capture talks"),
            asyncio.create_task(self._listen(port), name="capture listens"),
        ]
        try:
            await self._is_left.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await port.close()

    async def _talk(self, port: ReplayPort) -> None:
        try:
            while True:
                data = await port.read()
                self.said += len(data) * self._cable.write(data)
        except PortLost:
            return

    async def _listen(self, port: ReplayPort) -> None:
        while True:
            await port.write(await self._written.get())

    def _on_bytes(self, data: bytes) -> None:
        if not self._written.full():
            self._written.put_nowait(data)
