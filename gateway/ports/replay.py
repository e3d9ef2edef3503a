"""`replay:FILE`: a capture plays the device again.

`replay:FILE?speed=10&end=again`: `speed` 1 is real time, 0 as fast as it is read; at its end a capture falls silent
(`end=silence`, the default), is lost like an unplugged device (`end=lost`) or starts again (`end=again`). Bytes that
came by themselves come by themselves. Where the capture holds questions (`>`), a question that is written gets the
answer that followed it in the capture, looked for after the last one answered; one not asked there gets none.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from drivers.core.contract import Line

from .capture import CaptureError, Record, read_file
from .contract import PortError, PortLost
from .inbox import Inbox
from .ticks import SystemTicks, Ticks, ns

End = Literal["silence", "lost", "again"]
_ENDS: tuple[End, ...] = ("silence", "lost", "again")
_YIELD_EVERY = 256
_MAX_QUESTIONS = 100_000
_MAX_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A question (b"" for what came before the first) and what came after it."""

    question: Record
    answers: list[Record]


class ReplayPort:
    """A port whose device is a file."""

    def __init__(
        self, url: str, path: Path, exchanges: list[_Exchange], *, speed: float, end: End, ticks: Ticks
    ) -> None:
        self._url = url
        self._path = path
        self._exchanges = exchanges
        self._speed = speed
        self._end = end
        self._ticks = ticks
        self._inbox = Inbox()
        self._asked: asyncio.Queue[bytes] = asyncio.Queue(_MAX_WAITING)
        play = self._answer() if exchanges else self._talk()
        self._player = asyncio.get_running_loop().create_task(play, name=f"replay {path.name}")

    @property
    def name(self) -> str:
        """The url it was opened with."""
        return self._url

    @property
    def overflowed(self) -> int:
        """Bytes lost because nobody read them in time."""
        return self._inbox.overflowed

    async def read(self) -> bytes:
        """See `Port.read`. Also raises PortLost where the file changed for the worse meanwhile."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """See `Port.write`. A capture without questions ignores what is written."""
        if self._exchanges and not self._asked.full():
            self._asked.put_nowait(data)

    async def drain_input(self) -> int:
        """See `Port.drain_input`."""
        return self._inbox.clear()

    async def drain_output(self) -> None:
        """See `Port.drain_output`."""

    async def set_line(self, line: Line) -> None:
        """See `Port.set_line`: a capture holds bytes alone, whatever the line was."""

    async def send_break(self, seconds: float) -> None:
        """See `Port.send_break`: a capture holds none."""

    async def close(self) -> None:
        """See `Port.close`."""
        self._player.cancel()
        self._inbox.end(PortLost(self._url, "closed"))

    async def _talk(self) -> None:
        """Play a device that talks by itself, straight from the file."""
        try:
            await self._send(read_file(self._path), 0.0)
            while self._end == "again":
                await asyncio.sleep(0)
                await self._send(read_file(self._path), 0.0)
        except (OSError, CaptureError) as error:
            self._inbox.end(PortLost(self._url, str(error)))
        self._finish()

    async def _answer(self) -> None:
        """Play a device that is asked."""
        place = 0
        if not self._exchanges[0].question.data:
            await self._send(self._exchanges[0].answers, 0.0)
            place = 1
        while place < len(self._exchanges) or self._end == "again":
            asked = await self._asked.get()
            order = range(place, len(self._exchanges))
            again = range(place) if self._end == "again" else range(0)
            for index in itertools.chain(order, again):
                if self._exchanges[index].question.data == asked:
                    await self._send(self._exchanges[index].answers, self._exchanges[index].question.t_s)
                    place = index + 1
                    break
        self._finish()

    async def _send(self, records: Iterable[Record], from_s: float) -> None:
        """Put the records into the inbox, each as long after now as it stands after `from_s`."""
        origin_ns = self._ticks.mono_ns()
        for number, record in enumerate(records):
            if self._speed:
                await self._ticks.sleep_until(origin_ns + ns((record.t_s - from_s) / self._speed))
            elif number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            self._inbox.put(record.data)

    def _finish(self) -> None:
        if self._end == "lost":
            self._inbox.end(PortLost(self._url, "end of the capture"))


async def open_replay(url: str, *, ticks: Ticks | None = None) -> ReplayPort:
    """Check the whole file, then play it. Raises PortError, for a damaged capture with the line."""
    path, speed, end = split_replay(url)
    try:
        exchanges = await asyncio.to_thread(_check, path)
    except FileNotFoundError:
        raise PortError("absent", url) from None
    except PermissionError:
        raise PortError("permission", url) from None
    except CaptureError as error:
        raise PortError("bad-capture", url, str(error)) from None
    except OSError as error:
        raise PortError("failed", url, error.strerror or str(error)) from None
    return ReplayPort(url, path, exchanges, speed=speed, end=end, ticks=ticks or SystemTicks())


def split_replay(url: str) -> tuple[Path, float, End]:
    """File, speed and end of a replay url. Raises PortError."""
    name, _, query = url.removeprefix("replay:").partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    speed_text, end = options.pop("speed", "1"), options.pop("end", "silence")
    try:
        speed = float(speed_text)
    except ValueError:
        speed = -1.0
    for known in _ENDS:
        if known == end and name and not options and 0 <= speed <= 1e6:
            return Path(name), speed, known
    raise PortError("bad-url", url, "replay:FILE?speed=1&end=silence|lost|again")


def _check(path: Path) -> list[_Exchange]:
    """The exchanges of a capture that holds questions; [] for one that holds none, which is not kept in memory."""
    if not any(record.direction == ">" for record in read_file(path)):
        return []
    exchanges = [_Exchange(Record(0.0, ">", b""), [])]
    for record in itertools.islice(read_file(path), _MAX_QUESTIONS + 1):
        if record.direction == ">":
            exchanges.append(_Exchange(record, []))
        else:
            exchanges[-1].answers.append(record)
    if sum(1 + len(exchange.answers) for exchange in exchanges) > _MAX_QUESTIONS:
        raise CaptureError(_MAX_QUESTIONS, f"a capture with questions holds up to {_MAX_QUESTIONS} records")
    return exchanges if exchanges[0].answers else exchanges[1:]
