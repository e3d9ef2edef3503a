"""REYAX RYLR896 and RYLR998: +RCV=<address>,<length>,<that many bytes>,<rssi>,<snr> CR LF.

The bytes may hold anything, commas and line ends too, so the length alone says where they end. Where it does not fit,
the search goes on behind the line's first end, and nothing but that line is lost.
"""

from __future__ import annotations

import re

from gateway.lora.modems.events import LONGEST_LINE, Answer, BadLine, Event, Packet, shown

LONGEST = 240
_MARK = b"+RCV="
_HEAD = re.compile(rb"\+RCV=(\d{1,6}),(\d{1,4}),")
_MAYBE_HEAD = re.compile(rb"\+RCV=\d{0,6}(?:,\d{0,4})?")
_TAIL = re.compile(rb",(-?\d{1,4}),(-?\d{1,4})\r?\n")
_MAYBE_TAIL = re.compile(rb",(-?\d{0,4}(?:,-?\d{0,4}\r?)?)?")


class ReyaxReader:
    """Finds packets, and the lines between them."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def held(self) -> int:
        """See `Reader`."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Event]:
        """See `Reader`."""
        self._held += data
        return self._take(is_over=False)

    def idle(self) -> list[Event]:
        """See `Reader`."""
        return self._take(is_over=True)

    def _take(self, *, is_over: bool) -> list[Event]:
        events: list[Event] = []
        while self._held:
            found = self._packet(is_over=is_over) if self._held.startswith(_MARK) else self._line(is_over=is_over)
            if found is None:
                break
            event, end = found
            self._held = self._held[end:]
            if event is not None:
                events.append(event)
        return events

    def _line(self, *, is_over: bool) -> tuple[Event | None, int] | None:
        """A line that is no packet, up to a packet's mark where one follows in it."""
        end, mark = self._held.find(b"\n") + 1, self._held.find(_MARK)
        if mark > 0 and (not end or mark < end):
            return BadLine("unknown-line", shown(self._held[:mark])), mark
        if not end:
            if len(self._held) > LONGEST_LINE or (is_over and self._held):
                return BadLine("overflow" if not is_over else "unknown-line", shown(self._held)), len(self._held)
            return None
        line = self._held[: end - 1].strip(b"\r ")
        if not line:
            return None, end
        is_text = line.startswith(b"+") and line.isascii() and b"\0" not in line
        return (Answer(shown(line)) if is_text else BadLine("unknown-line", shown(line))), end

    def _packet(self, *, is_over: bool) -> tuple[Event, int] | None:
        held = self._held
        head = _HEAD.match(held)
        if head is None:
            if _MAYBE_HEAD.fullmatch(held) and not is_over:
                return None
            return self._skip("unknown-line")
        address, length = int(head[1]), int(head[2])
        if length > LONGEST:
            return self._skip("length")
        end = head.end() + length
        tail = _TAIL.match(held, end)
        if tail is None:
            if not is_over and (len(held) <= end or _MAYBE_TAIL.fullmatch(held, end)):
                return None
            return self._skip("length")
        if address > 65535:
            return BadLine("address", shown(held[: tail.end()])), tail.end()
        return Packet(held[head.end() : end], float(tail[1]), float(tail[2]), address), tail.end()

    def _skip(self, reason: str) -> tuple[Event, int]:
        """Give up what begins here: up to the end of its line, or all there is."""
        end = self._held.find(b"\n") + 1 or len(self._held)
        return BadLine("length" if reason == "length" else "unknown-line", shown(self._held[:end])), end
