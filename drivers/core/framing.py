"""Finding frames in a byte stream that starts anywhere and may be damaged.

A candidate begins at the header. When its head, its length or its check does not hold, the framer steps on by ONE
byte and searches again, so that a frame which begins inside a false candidate is never lost.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.core.contract import FixedBits, Integrity, Rejection, Truncated


class SyncFramer:
    """Frames that begin with fixed bytes, tell their size in the first `head_bytes`, and carry a check.

    `size_of(head)` returns the frame's whole size in bytes, or 0 where the head is no frame's; at most `max_bytes`.
    `holds(frame)` tells whether the frame's own check holds.
    One `Rejection` for each failed candidate, and one for each run of bytes without a header between good frames;
    what follows a failed candidate up to the next header belongs to that refusal.
    """

    __slots__ = ("_head_bytes", "_header", "_holds", "_in_sync", "_max_bytes", "_rest", "_size_of", "discarded")

    def __init__(
        self,
        header: bytes,
        head_bytes: int,
        size_of: Callable[[bytes], int],
        holds: Callable[[bytes], bool],
        max_bytes: int,
    ) -> None:
        self._header = header
        self._head_bytes = head_bytes
        self._size_of = size_of
        self._holds = holds
        self._max_bytes = max_bytes
        self._rest = b""
        self._in_sync = True
        self.discarded = 0

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of their frame; less than one frame."""
        return len(self._rest)

    def reset(self) -> None:
        """Forget half a frame."""
        self.discarded += len(self._rest)
        self._rest = b""
        self._in_sync = True

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """Whole frames and refusals, in stream order."""
        return self._scan(self._rest + data if self._rest else bytes(data), more=True)

    def finish(self) -> list[bytes | Rejection]:
        """Nothing more will come: refuse the unfinished candidate, but still find what stands inside it."""
        found = self._scan(self._rest, more=False)
        self._in_sync = True
        return found

    def _scan(self, data: bytes, *, more: bool) -> list[bytes | Rejection]:
        found: list[bytes | Rejection] = []
        header, head_bytes, size_of, holds = self._header, self._head_bytes, self._size_of, self._holds
        at, end = 0, len(data)
        while at < end:
            start = data.find(header, at)
            if start != at:
                if start < 0:
                    start = end - self._header_part(data, at) if more else end
                if start > at:
                    self._skip(data, at, start, found)
                    at = start
                if at == end or not data.startswith(header, at):
                    break
            if end - at < head_bytes:
                size = 0
                unfinished = True
            else:
                size = size_of(data[at : at + head_bytes])
                unfinished = at + size > end
            if unfinished and more:
                break
            if unfinished:
                self._refuse(Truncated(f"{end - at} bytes of a frame of {size or f'at least {head_bytes}'}"), found)
            elif not 0 < size <= self._max_bytes:
                self._refuse(Truncated(f"no frame has this head: {data[at : at + head_bytes].hex(' ')}"), found)
            else:
                frame = data[at : at + size]
                if holds(frame):
                    found.append(frame)
                    self._in_sync = True
                    at += size
                    continue
                self._refuse(Integrity(f"the check does not hold: {frame.hex(' ')}"), found)
            self.discarded += 1
            at += 1
        self._rest = data[at:]
        return found

    def _header_part(self, data: bytes, at: int) -> int:
        """How many of the last bytes may be the beginning of a header."""
        for size in range(min(len(self._header) - 1, len(data) - at), 0, -1):
            if data.endswith(self._header[:size]):
                return size
        return 0

    def _refuse(self, why: Rejection, found: list[bytes | Rejection]) -> None:
        self._in_sync = False
        found.append(why)

    def _skip(self, data: bytes, start: int, end: int, found: list[bytes | Rejection]) -> None:
        self.discarded += end - start
        if self._in_sync:
            self._refuse(
                FixedBits(f"no header {self._header.hex(' ')} at: {data[start : min(end, start + 16)].hex(' ')}"), found
            )
