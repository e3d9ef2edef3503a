"""Framers for instruments that send frames of several sorts on one line, and for picking those of one sort."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers.core.contract import FixedBits, Framer, Integrity, Rejection, Truncated


@dataclass(frozen=True, slots=True)
class FrameKind:
    """One sort of frame, as in `SyncFramer`: `size_of(head)` is its whole size in bytes, 0 where it is none."""

    header: bytes
    head_bytes: int
    size_of: Callable[[bytes], int]
    holds: Callable[[bytes], bool]


class MixedFramer:
    """`SyncFramer` for several sorts of frames; no header may begin another. Holds less than `max_bytes`.

    A candidate that fails is refused, and the search goes on one byte further; a run of bytes without any header
    between good frames is one refusal.
    """

    __slots__ = ("_any_header", "_in_sync", "_kinds", "_max_bytes", "_rest", "discarded")

    def __init__(self, kinds: tuple[FrameKind, ...], max_bytes: int) -> None:
        self._kinds = {kind.header: kind for kind in kinds}
        self._any_header = re.compile(b"|".join(re.escape(kind.header) for kind in kinds))
        self._max_bytes = max_bytes
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
        return self._scan(self._rest + data, more=True)

    def finish(self) -> list[bytes | Rejection]:
        """Nothing more will come: refuse the unfinished candidate, but still find what stands inside it."""
        found = self._scan(self._rest, more=False)
        self._in_sync = True
        return found

    def _scan(self, data: bytes, *, more: bool) -> list[bytes | Rejection]:
        found: list[bytes | Rejection] = []
        at, end = 0, len(data)
        while at < end:
            header = self._any_header.search(data, at)
            start = header.start() if header else end - (self._header_part(data, at) if more else 0)
            if start > at:
                self._skip(data[at:start], found)
                at = start
            if header is None:
                break
            kind = self._kinds[header.group()]
            head = data[at : at + kind.head_bytes]
            is_headed = len(head) == kind.head_bytes
            size = kind.size_of(head) if is_headed else kind.head_bytes
            if not 0 < size <= self._max_bytes:
                self._refuse(Truncated(f"no frame has this head: {head.hex(' ')}"), found)
            elif not is_headed or at + size > end:
                if more:
                    break
                self._refuse(Truncated(f"{end - at} bytes of a frame of at least {size}"), found)
            else:
                frame = data[at : at + size]
                if kind.holds(frame):
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
        longest = max(map(len, self._kinds))
        for size in range(min(longest - 1, len(data) - at), 0, -1):
            if any(header.startswith(data[-size:]) for header in self._kinds):
                return size
        return 0

    def _refuse(self, why: Rejection, found: list[bytes | Rejection]) -> None:
        self._in_sync = False
        found.append(why)

    def _skip(self, data: bytes, found: list[bytes | Rejection]) -> None:
        self.discarded += len(data)
        if self._in_sync:
            self._refuse(FixedBits(f"no frame begins like this: {data[:16].hex(' ')}"), found)


class SiftedFramer:
    """The frames of another framer after `sift`, which gives a frame, a refusal, or None where it is of no concern.

    Bytes of frames that are not given count as discarded.
    """

    __slots__ = ("_framer", "_sift", "_sifted")

    def __init__(self, framer: Framer, sift: Callable[[bytes], bytes | Rejection | None]) -> None:
        self._framer = framer
        self._sift = sift
        self._sifted = 0

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of their frame."""
        return self._framer.held

    @property
    def discarded(self) -> int:
        """Bytes that belonged to no frame that was given."""
        return self._framer.discarded + self._sifted

    def reset(self) -> None:
        """Forget half a frame."""
        self._framer.reset()

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """The frames that concern, and refusals, in stream order."""
        return self._through(self._framer.feed(data))

    def finish(self) -> list[bytes | Rejection]:
        """Nothing more will come."""
        return self._through(self._framer.finish())

    def _through(self, items: list[bytes | Rejection]) -> list[bytes | Rejection]:
        found: list[bytes | Rejection] = []
        for item in items:
            kept = self._sift(item) if isinstance(item, bytes) else item
            if isinstance(item, bytes) and not isinstance(kept, bytes):
                self._sifted += len(item)
            if kept is not None:
                found.append(kept)
        return found
