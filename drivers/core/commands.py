"""What an instrument is told, how it says that it obeyed, and how it is put to rest.

A zero calibration or a cleaning is never among the commands of a start: it is sent when a person asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

TRIES = 3
"""A command is lost in the noise of a sensor that wakes, or in the middle of its own frame: it is said again."""

Outcome = Literal["refused", "unanswered"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `reply` is what its acknowledgement begins with, empty where the instrument gives none, `refusal` what
    a no begins with. `timeout_s` is how long the answer may take.
    """

    data: bytes
    reply: bytes = b""
    refusal: bytes = b""
    name: str = ""
    timeout_s: float = 1.0

    def is_acknowledged_by(self, frame: bytes) -> bool:
        """Whether this frame, whose own check holds, is the acknowledgement."""
        return bool(self.reply) and frame.startswith(self.reply)

    def is_refused_by(self, frame: bytes) -> bool:
        """Whether this frame says no."""
        return bool(self.refusal) and frame.startswith(self.refusal)


def named(commands: Mapping[str, Command]) -> dict[str, Command]:
    """The commands, each with its own name."""
    return {name: replace(command, name=name) for name, command in commands.items()}


@dataclass(frozen=True, slots=True)
class Wear:
    """A laser or fan that wears while it runs. `sleep` stops it, the start commands (of a polled device: its round) set
    it going again; empty where only a pin does. Values are believed `warm_up_s` after it woke. `life_h` is the rated
    running time, 0 where no source tells.
    """

    warm_up_s: float
    life_h: float = 0.0
    sleep: tuple[Command, ...] = ()


class Setup:
    """Commands one after another, each until its acknowledgement comes or its tries are used up. Without I/O: write
    `command.data`, then `hear` each frame that is no reading until it returns True, or call `timeout` after
    `command.timeout_s`; a command without an acknowledgement is done with by `timeout` at once.
    """

    def __init__(self, commands: Iterable[Command], tries: int = TRIES) -> None:
        self._commands = tuple(commands)
        self._tries = self._left = tries
        self._at = 0
        self._is_refused = False
        self.troubles: list[tuple[Command, Outcome]] = []
        """Commands that were refused, or not answered, at every try."""

    @property
    def command(self) -> Command | None:
        """What to write now; None when all is said."""
        return self._commands[self._at] if self._at < len(self._commands) else None

    def hear(self, frame: bytes) -> bool:
        """True when this is the answer to what was written last."""
        command = self.command
        if command is None:
            return False
        if command.is_acknowledged_by(frame):
            self._next()
            return True
        if command.is_refused_by(frame):
            self._is_refused = True
            self._try_again(command)
            return True
        return False

    def timeout(self) -> None:
        """No answer came, or none will."""
        command = self.command
        if command is None:
            return
        if command.reply:
            self._try_again(command)
        else:
            self._next()

    def _try_again(self, command: Command) -> None:
        self._left -= 1
        if self._left <= 0:
            self.troubles.append((command, "refused" if self._is_refused else "unanswered"))
            self._next()

    def _next(self) -> None:
        self._at += 1
        self._left = self._tries
        self._is_refused = False
