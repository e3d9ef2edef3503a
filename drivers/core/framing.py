"""Finding binary frames in a byte stream that starts anywhere and may be damaged."""

from __future__ import annotations

from collections.abc import Callable

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated
from drivers.core.scanning import ScanningFramer, Verdict


class SyncFramer(ScanningFramer):
    """Frames that begin with fixed bytes, tell their size in the first `head_bytes`, and carry a check.

    `size_of(head)` returns the frame's whole size in bytes, or 0 where the head is no frame's; at most `max_bytes`.
    `holds(frame)` tells whether the frame's own check holds. Where head, length or check does not hold, the search goes
    on one byte further.
    """

    __slots__ = ("_head_bytes", "_header", "_holds", "_max_bytes", "_size_of")

    def __init__(
        self,
        header: bytes,
        head_bytes: int,
        size_of: Callable[[bytes], int],
        holds: Callable[[bytes], bool],
        max_bytes: int,
    ) -> None:
        super().__init__()
        self._header = header
        self._head_bytes = head_bytes
        self._size_of = size_of
        self._holds = holds
        self._max_bytes = max_bytes

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        start = data.find(self._header, at)
        return start if start >= 0 else len(data) - (beginning_at_end(data, at, (self._header,)) if more else 0)

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        if more and not data.startswith(self._header, at):
            return None
        return judged(data, at, self._head_bytes, self._size_of, self._holds, self._max_bytes, more=more)

    def _foreign(self, data: bytes) -> Rejection:
        return FixedBits(f"no header {self._header.hex(' ')} at: {data[:16].hex(' ')}")


def judged(
    data: bytes,
    at: int,
    head_bytes: int,
    size_of: Callable[[bytes], int],
    holds: Callable[[bytes], bool],
    max_bytes: int,
    *,
    more: bool,
) -> Verdict | None:
    """The verdict on a candidate whose head tells its size."""
    head = data[at : at + head_bytes]
    is_headed = len(head) == head_bytes
    size = size_of(head) if is_headed else head_bytes
    if not 0 < size <= max_bytes:
        return 1, Truncated(f"no frame has this head: {head.hex(' ')}")
    if not is_headed or at + size > len(data):
        if more:
            return None
        return 1, Truncated(f"{len(data) - at} bytes of a frame of {size if is_headed else f'at least {size}'}")
    frame = data[at : at + size]
    return (size, frame) if holds(frame) else (1, Integrity(f"the check does not hold: {frame.hex(' ')}"))


def beginning_at_end(data: bytes, at: int, headers: tuple[bytes, ...]) -> int:
    """How many of the last bytes may be the beginning of a header."""
    for size in range(min(max(map(len, headers)) - 1, len(data) - at), 0, -1):
        if any(header.startswith(data[-size:]) for header in headers):
            return size
    return 0
