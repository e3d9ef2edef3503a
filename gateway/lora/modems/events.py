"""What a modem tells, and the readers that find it in a stream of bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Bad = Literal["length", "address", "unknown-line", "hex", "no-metadata", "unreliable", "byte-range", "overflow"]
"""Why bytes of a modem are no packet; becomes a counter."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One radio packet as the modem gave it. What the modem does not tell is None."""

    data: bytes
    rssi: float | None = None
    snr: float | None = None
    sender: int | None = None
    """A number that the modem or its header puts before the payload; anyone can claim it."""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """Bytes that should have been a packet and are not."""

    reason: Bad
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Any other line of text: an answer, a banner, a note."""

    line: str


Event = Packet | BadLine | Answer


class Reader(Protocol):
    """Splits a modem's bytes. Bounded."""

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their packet."""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come."""

    def idle(self) -> list[Event]:
        """The line fell silent: what is held will not be completed."""


LONGEST_LINE = 1200
"""A packet of 255 bytes as hex or as decimal numbers, and its surroundings."""
_SHOWN = 80


def shown(line: bytes) -> str:
    """A line for people: cut, with what cannot be printed escaped."""
    return line[:_SHOWN].decode("ascii", "backslashreplace")


class LineReader:
    """For modems that put each thing they tell on a line of its own. `parse` makes an event of a line, or none."""

    def __init__(self, parse: Callable[[bytes], Event | None]) -> None:
        self._parse = parse
        self._held = b""
        self._is_skipping = False

    @property
    def held(self) -> int:
        """See `Reader`."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Event]:
        """See `Reader`."""
        *lines, self._held = (self._held + data).split(b"\n")
        events: list[Event] = []
        for line in lines:
            if self._is_skipping:
                self._is_skipping = False
            elif len(line) > LONGEST_LINE:
                events.append(BadLine("overflow", shown(line)))
            elif (text := line.strip(b"\r\0 ")) and (event := self._parse(text)) is not None:
                events.append(event)
        if len(self._held) > LONGEST_LINE:
            if not self._is_skipping:
                events.append(BadLine("overflow", shown(self._held)))
            self._held, self._is_skipping = b"", True
        return events

    def idle(self) -> list[Event]:
        """See `Reader`. Half a line may be completed yet: nothing is given up."""
        return []
