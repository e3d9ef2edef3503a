"""The dialogue that text modems share: each command until its answer, then listening; from the start after a reset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.lora.modems.events import Answer, Event, Reader

TRIES = 3
_HALF_PACKET_S = 0.2
"""A modem puts a packet on the line in one go: what has not come by then never will."""
_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One command, and the lines that must answer it, in order. `instead` is tried where it is refused."""

    command: str
    wanted: tuple[str, ...] = (r"\+?OK",)
    instead: str | None = None
    may_reset: bool = False
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How a modem speaks: what it says when it refuses, when it has started, and when it has stopped listening.

    With `rearms` the last command of the set-up is written again after each packet and each line that fits `stopped`.
    `probe` is asked when it was silent for
    `probe_s`: a modem that does not answer, or answers otherwise, is set up again.
    """

    setup: tuple[Ask, ...]
    probe: tuple[Ask, ...] = ()
    refused: str = r"\+ERR=.*|AT_.*ERROR|ERROR.*|invalid_param"
    started: str = r"\+READY"
    stopped: str = r"(?!)"
    rearms: bool = False
    probe_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """What came of hearing bytes or silence: write this, and these are the events, packets and refused lines."""

    write: bytes = b""
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class Talk:
    """One modem's dialogue. `problem` says why it does not listen, "" while all is well; `resets` counts restarts."""

    reader: Reader
    manners: Manners
    problem: str = ""
    resets: int = 0
    is_listening: bool = False
    _asks: Sequence[Ask] = ()
    _at: int = 0
    _matched: int = 0
    _tries: int = 0
    _is_instead: bool = False
    _listens_by: str = ""
    _waits: bool = False
    _timeout_s: float | None = None
    _events: list[Event] = field(default_factory=list)
    _write: bytearray = field(default_factory=bytearray)

    @property
    def timeout_s(self) -> float | None:
        """How long the line may be silent before `on_timeout` is due; None: for ever."""
        return _HALF_PACKET_S if self.is_listening and self.reader.held else self._timeout_s

    def start(self) -> Said:
        """The port is open: set the modem up."""
        self._begin(self.manners.setup, is_listening=False)
        return self._said()

    def feed(self, data: bytes) -> Said:
        """Take bytes as they come."""
        for event in self.reader.feed(data):
            self._hear(event)
        return self._said()

    def on_timeout(self) -> Said:
        """The line was silent for `timeout_s`."""
        if self.reader.held:
            for event in self.reader.idle():
                self._hear(event)
            if self.is_listening:
                return self._said()
        if self._waits or (self.is_listening and not self._asks):
            self._waits = False
            self._begin(self.manners.probe if self.is_listening else self.manners.setup, is_listening=self.is_listening)
        elif self._asks:
            self._again(f"{self._command()}: no answer")
        return self._said()

    def _said(self) -> Said:
        said = Said(bytes(self._write), tuple(self._events))
        self._write.clear()
        self._events.clear()
        return said

    def _begin(self, asks: Sequence[Ask], *, is_listening: bool) -> None:
        self._asks, self._at, self._tries, self._is_instead = asks, 0, 0, False
        self.is_listening = is_listening
        self._ask()

    def _ask(self) -> None:
        self._matched = 0
        if self._at < len(self._asks):
            self._write += self._command().encode() + b"\r\n"
            self._timeout_s = self._asks[self._at].timeout_s
            return
        if not self.is_listening and self._asks:
            self.problem, self._at = "", len(self._asks) - 1
            self._listens_by = self._command()
        self.is_listening, self._asks = True, ()
        self._timeout_s = self.manners.probe_s if self.manners.probe else None

    def _command(self) -> str:
        ask = self._asks[self._at]
        return (ask.instead if self._is_instead else None) or ask.command

    def _hear(self, event: Event) -> None:
        if isinstance(event, Answer):
            self._answer(event.line)
            return
        self._events.append(event)
        if self.is_listening and not self._asks:
            self._rearm()

    def _rearm(self) -> None:
        if self.manners.rearms:
            self._write += self._listens_by.encode() + b"\r\n"

    def _answer(self, line: str) -> None:
        manners = self.manners
        if re.fullmatch(manners.started, line):
            expects = bool(self._asks) and self._at < len(self._asks) and self._asks[self._at].may_reset
            self.resets += not expects
            if expects:
                self._at += 1
                self._ask()
            else:
                self._begin(manners.setup, is_listening=False)
        elif self._asks and not self._waits:
            self._answered(line)
        elif self.is_listening and re.fullmatch(manners.stopped, line):
            self._rearm()

    def _answered(self, line: str) -> None:
        ask = self._asks[self._at]
        if re.fullmatch(ask.wanted[self._matched], line):
            self._matched += 1
            if self._matched == len(ask.wanted):
                self._at, self._tries = self._at + 1, 0
                if self._at < len(self._asks):
                    self._is_instead = False
                self._ask()
        elif re.fullmatch(self.manners.refused, line):
            if ask.instead is not None and not self._is_instead:
                self._is_instead = True
                self._ask()
            else:
                self._again(f"{self._command()}: {line}")

    def _again(self, why: str) -> None:
        """An answer was refused or did not come: ask again, then rest, then begin anew."""
        if self.is_listening:  # the probe found another modem than the one that was set up
            self.resets += 1
            self._begin(self.manners.setup, is_listening=False)
            return
        self._tries += 1
        if self._tries < TRIES:
            self._ask()
            return
        self.problem, self._waits, self._timeout_s = why, True, _AGAIN_S
