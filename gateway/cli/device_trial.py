"""Trying a driver on an open port: read or ask for a while, and keep count of everything that came."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.core.contract import Decoded, Dialogue, Driver, Line, Listening, Options, Polled, Rejection
from drivers.core.listening import Listener
from drivers.core.polling import Round
from drivers.core.talking import Talk
from gateway.edge.settings import Settings
from gateway.ports import Bus, Port, PortError, PortLost
from gateway.ports.capture import Direction
from gateway.ports.tapped import OnBytes, TappedPort
from gateway.ports.ticks import SystemTicks

SAMPLE_BYTES = 64
_EXAMPLES = 3
_ROUND_S = 1.0
_TRIES = 2


@dataclass(slots=True)
class Tally:
    """What came in a trial. `asked` and `unanswered` count questions, `arrived` bytes; `received` begins those."""

    seconds: float = 0.0
    readings: int = 0
    last: Decoded | None = None
    arrived: int = 0
    flat: int = 0
    """Bytes that were 00 or FF."""
    sent: int = 0
    received: bytes = b""
    echoed: bool = False
    """Everything that came was what had been written."""
    discarded: int = 0
    asked: int = 0
    unanswered: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    """The last few refusals, in words."""
    unheard: str = ""
    """What the instrument refused or did not answer of what it was told at the start, in words."""
    lost: str = ""
    """Why the port went away, "" where it did not."""
    is_tapped: bool = False
    """A running gateway has the port; we only listened in."""


OnReading = Callable[[float, Decoded], None]
"""Seconds since the trial began, and the reading."""


class Trial:
    """One driver on one port. `run` ends after `seconds`, or after `count` readings where that is not 0."""

    def __init__(
        self,
        driver: Driver,
        port: Port,
        line: Line,
        *,
        address: int = 1,
        options: Options | None = None,
        on_reading: OnReading = lambda t, decoded: None,
        on_bytes: OnBytes = lambda direction, data: None,
    ) -> None:
        self.tally = Tally()
        self._driver = driver
        self._line = line
        self._address = address
        self._options: Options = options or {}
        self._on_reading = on_reading
        self._on_bytes = on_bytes
        self._port = TappedPort(port, self._pass)
        self._began = time.monotonic()
        self._count = 0
        self._echo_left = b""
        self._is_echo = True

    async def run(self, seconds: float, count: int = 0) -> Tally:
        """Try; the tally of it. A port that is lost ends it. Raises nothing of the line's."""
        self._began, self._count = time.monotonic(), count
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._attend()
        except (PortError, PortLost) as error:
            self.tally.lost = str(error)
        finally:
            self.tally.seconds = time.monotonic() - self._began
            self.tally.echoed = self._is_echo and self.tally.arrived > 0 and self.tally.sent > 0
        return self.tally

    async def _attend(self) -> None:
        if isinstance(self._driver.kind, Listening):
            await self._listen()
        elif isinstance(self._driver.kind, Dialogue):
            await self._converse(self._driver.kind)
        else:
            await self._ask()

    async def _converse(self, kind: Dialogue) -> None:
        tally, bus = self.tally, self._bus()
        talk = Talk(kind.begin(self._address, self._options))
        while not self._is_done():
            due = time.monotonic() + _ROUND_S
            rejected = talk.rejected.copy()
            try:
                async with bus.turn(self._driver.name) as turn:
                    talk.begin()
                    while (step := talk.step) is not None:
                        tally.asked += bool(step.data)
                        if not await turn.perform(step, talk.feed):
                            tally.unanswered += bool(step.data)
                            talk.timeout()
            finally:
                tally.rejected.update(talk.rejected - rejected)
                self._take([*talk.refusals, *talk.readings])
            await asyncio.sleep(due - time.monotonic())

    def _bus(self) -> Bus:
        async def opening() -> Port:
            return self._port

        return Bus(self._port.name, opening, self._line)

    async def _listen(self) -> None:
        kind, tally = self._driver.kind, self.tally
        assert isinstance(kind, Listening)
        listener, settings = Listener(self._driver, self._options), Settings(SystemTicks())
        telling = asyncio.create_task(settings.tell(self._port, kind.start), name="settings")
        try:
            while not self._is_done():
                self._take(listener.feed(await self._port.read()))
                settings.hear(listener.take_answers())
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            if not telling.cancelled():
                telling.exception()  # the port was lost: the reader has found out too
            tally.unheard = settings.why
            if not tally.readings:  # else it is only the frame that we did not wait for
                self._take(listener.finish())
            tally.discarded = listener.discarded

    async def _ask(self) -> None:
        kind = self._driver.kind
        assert isinstance(kind, Polled)
        bus = self._bus()
        late_s = 0.0
        while not self._is_done():
            due = time.monotonic() + min(_ROUND_S, self._driver.period_s)
            asking = Round.of(kind, self._address, self._options, _TRIES)
            late_s = await self._round(bus, asking, late_s)
            await asyncio.sleep(due - time.monotonic())

    async def _round(self, bus: Bus, asking: Round, late_s: float) -> float:
        """One round of questions; the silence that the device wants before the next."""
        tally = self.tally
        try:
            async with bus.turn(self._driver.name) as turn:
                while (request := asking.request) is not None:
                    tally.asked += 1
                    wait_s = max(asking.wait_s, late_s)
                    patience_s = request.patience_s(self._line)
                    if await turn.ask(request.data, asking.feed, quiet_s=wait_s, patience_s=patience_s):
                        late_s = 0.0
                        continue
                    tally.unanswered += 1
                    asking.timeout()
                    if asking.missing and not asking.answered:
                        break
        finally:
            tally.rejected.update(asking.rejected)
            tally.discarded += asking.discarded
            for refusal in asking.refusals:
                self._note(refusal)
        try:
            decoded = asking.result()
        except Rejection as refusal:
            if refusal not in asking.refusals:
                tally.rejected[refusal.reason] += 1
                self._note(refusal)
        else:
            self._take([] if decoded is None else [decoded])
        return asking.wait_s

    def _is_done(self) -> bool:
        return 0 < self._count <= self.tally.readings

    def _take(self, items: list[Decoded | Rejection]) -> None:
        for item in items:
            if isinstance(item, Decoded):
                self.tally.readings += 1
                self.tally.last = item
                self._on_reading(time.monotonic() - self._began, item)
            else:
                if isinstance(self._driver.kind, Listening):
                    self.tally.rejected[item.reason] += 1
                self._note(item)

    def _note(self, refusal: Rejection) -> None:
        self.tally.examples = [*self.tally.examples, f"{refusal.reason}: {refusal}"][-_EXAMPLES:]

    def _pass(self, direction: Direction, data: bytes) -> None:
        tally = self.tally
        if direction == ">":
            tally.sent += len(data)
            self._echo_left = data
        else:
            tally.arrived += len(data)
            tally.flat += data.count(0x00) + data.count(0xFF)
            tally.received = (tally.received + data)[:SAMPLE_BYTES]
            if self._is_echo and self._echo_left.startswith(data):
                self._echo_left = self._echo_left[len(data) :]
            else:
                self._is_echo = False
        self._on_bytes(direction, data)
