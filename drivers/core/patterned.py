"""Finding frames of text by what they look like, in a byte stream that starts anywhere and may be damaged."""

from __future__ import annotations

import re
from collections.abc import Callable

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated
from drivers.core.scanning import ScanningFramer, Verdict


class PatternFramer(ScanningFramer):
    """Frames that match `frame`; what may still become one matches `beginning`, which ends with `\\Z`.

    Both patterns must be bounded: no more than `beginning` can match is ever held. `holds(frame)` tells whether the
    frame's own check holds; where it does not, the search goes on one byte further. A run of bytes that is no frame
    is one refusal, unless `idle` bytes alone make it.
    """

    __slots__ = ("_beginning", "_frame", "_holds", "_idle")

    def __init__(
        self,
        frame: re.Pattern[bytes],
        beginning: re.Pattern[bytes],
        holds: Callable[[bytes], bool] | None = None,
        *,
        idle: bytes = b"",
    ) -> None:
        super().__init__()
        self._frame = frame
        self._beginning = beginning
        self._holds = holds
        self._idle = idle

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        begun = self._frame.search(data, at) or self._beginning.search(data, at)
        return begun.start() if begun else len(data)

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        match = self._frame.match(data, at)
        if match is None:
            if more:
                return None
            return len(data) - at, Truncated(f"the end is missing: {data[at:]!r}") if self._in_sync else None
        if self._holds is None or self._holds(match.group()):
            return len(match.group()), match.group()
        return 1, Integrity(f"the check does not hold: {match.group()!r}")

    def _foreign(self, data: bytes) -> Rejection | None:
        return FixedBits(f"no frame looks like this: {data[:32]!r}") if data.translate(None, self._idle) else None
