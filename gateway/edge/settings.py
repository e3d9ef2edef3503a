"""Telling an instrument that talks by itself what it stores, and hearing whether it obeyed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from drivers.core.commands import Command, Outcome, Setup
from gateway.ops.texts import say
from gateway.ports import Port
from gateway.ports.ticks import Ticks, deadline, ns

_GAP_S = 0.05
"""Between two commands: instruments take one at a time."""


class Settings:
    """`tell` writes commands while another task reads the port and hands frames that are no readings to `hear`."""

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._setup: Setup | None = None
        self._is_answered = asyncio.Event()
        self.troubles: tuple[tuple[Command, Outcome], ...] = ()
        """What was refused or not answered at every try, of the commands told last."""

    async def tell(self, port: Port, commands: Iterable[Command]) -> None:
        """Until each is acknowledged or given up. Raises PortLost."""
        setup = self._setup = Setup(commands)
        try:
            while (command := setup.command) is not None:
                self._is_answered.clear()
                await port.write(command.data)
                if command.reply:
                    if not await self._answered(command.timeout_s):
                        setup.timeout()
                        continue
                else:
                    setup.timeout()
                await self._ticks.sleep_until(self._ticks.mono_ns() + ns(_GAP_S))
            self.troubles = tuple(setup.troubles)
        finally:
            self._setup = None

    async def _answered(self, timeout_s: float) -> bool:
        with suppress(TimeoutError):
            async with deadline(self._ticks, self._ticks.mono_ns() + ns(timeout_s)):
                await self._is_answered.wait()
                return True
        return False

    def hear(self, frames: Iterable[bytes]) -> None:
        """Frames that are no readings; they mean something only while a command is open."""
        for frame in frames:
            if self._setup is not None and not self._is_answered.is_set() and self._setup.hear(frame):
                self._is_answered.set()

    @property
    def is_refused(self) -> bool:
        """The instrument said no to a command."""
        return any(outcome == "refused" for _, outcome in self.troubles)

    @property
    def why(self) -> str:
        """The troubles in words; "" where there are none."""
        return troubles_in_words(self.troubles)


def troubles_in_words(troubles: Iterable[tuple[Command, Outcome]]) -> str:
    """What an instrument refused or did not answer, as a sentence; "" where there is nothing."""
    told = list(troubles)
    refused = [_name(command) for command, outcome in told if outcome == "refused"]
    if refused:
        return say("station.refused", commands=", ".join(refused))
    silent = [_name(command) for command, _ in told]
    return say("station.unconfirmed", commands=", ".join(silent)) if silent else ""


def _name(command: Command) -> str:
    return command.name.replace("_", " ") or command.data.hex(" ")
