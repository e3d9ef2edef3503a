"""Finding frames of text by what they look like, in a byte stream that starts anywhere and may be damaged."""

from __future__ import annotations

import re
from collections.abc import Callable

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated


class PatternFramer:
    """Frames that match `frame`; what may still become one matches `beginning`, which ends with `\\Z`.

    Both patterns must be bounded: no more than `beginning` can match is ever held. `holds(frame)` tells whether the
    frame's own check holds; where it does not, the search goes on one byte further. A run of bytes that is no frame
    is one refusal, unless `idle` bytes alone make it.
    """

    __slots__ = ("_beginning", "_frame", "_holds", "_idle", "_in_sync", "_rest", "discarded")

    def __init__(
        self,
        frame: re.Pattern[bytes],
        beginning: re.Pattern[bytes],
        holds: Callable[[bytes], bool] | None = None,
        *,
        idle: bytes = b"",
    ) -> None:
        self._frame = frame
        self._beginning = beginning
        self._holds = holds
        self._idle = idle
        self._rest = b""
        self._in_sync = True
        self.discarded = 0

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of their frame."""
        return len(self._rest)

    def reset(self) -> None:
        """Forget half a frame."""
        self.discarded += len(self._rest)
        self._rest = b""
        self._in_sync = True

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """Whole frames and refusals, in stream order."""
        found: list[bytes | Rejection] = []
        data, at = self._rest + data, 0
        while (match := self._frame.search(data, at)) is not None:
            self._skip(data[at : match.start()], found)
            at = match.end()
            if self._holds is None or self._holds(match.group()):
                found.append(match.group())
                self._in_sync = True
            else:
                self._in_sync = False
                found.append(Integrity(f"the check does not hold: {match.group()!r}"))
                self.discarded += 1
                at = match.start() + 1
        begun = self._beginning.search(data, at)
        end = begun.start() if begun else len(data)
        self._skip(data[at:end], found)
        self._rest = data[end:]
        return found

    def finish(self) -> list[bytes | Rejection]:
        """Nothing more will come: refuse the unfinished frame."""
        found: list[bytes | Rejection] = []
        if self._rest and self._in_sync:
            found.append(Truncated(f"the end is missing: {self._rest!r}"))
        self.reset()
        return found

    def _skip(self, data: bytes, found: list[bytes | Rejection]) -> None:
        self.discarded += len(data)
        if self._in_sync and data.translate(None, self._idle):
            self._in_sync = False
            found.append(FixedBits(f"no frame looks like this: {data[:32]!r}"))
