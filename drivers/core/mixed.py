"""Framers for instruments that send frames of several sorts on one line, and for picking those of one sort."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers.core.contract import FixedBits, Framer, Rejection
from drivers.core.framing import beginning_at_end, judged
from drivers.core.scanning import ScanningFramer, Verdict


@dataclass(frozen=True, slots=True)
class FrameKind:
    """One sort of frame, as in `SyncFramer`: `size_of(head)` is its whole size in bytes, 0 where it is none."""

    header: bytes
    head_bytes: int
    size_of: Callable[[bytes], int]
    holds: Callable[[bytes], bool]


class MixedFramer(ScanningFramer):
    """`SyncFramer` for several sorts of frames; no header may begin another. Holds less than `max_bytes`."""

    __slots__ = ("_any_header", "_kinds", "_max_bytes")

    def __init__(self, kinds: tuple[FrameKind, ...], max_bytes: int) -> None:
        super().__init__()
        self._kinds = {kind.header: kind for kind in kinds}
        self._any_header = re.compile(b"|".join(re.escape(kind.header) for kind in kinds))
        self._max_bytes = max_bytes

    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        header = self._any_header.search(data, at)
        if header is not None:
            return header.start()
        return len(data) - (beginning_at_end(data, at, tuple(self._kinds)) if more else 0)

    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        header = self._any_header.match(data, at)
        if header is None:
            return None
        kind = self._kinds[header.group()]
        return judged(data, at, kind.head_bytes, kind.size_of, kind.holds, self._max_bytes, more=more)

    def _foreign(self, data: bytes) -> Rejection:
        return FixedBits(f"no frame begins like this: {data[:16].hex(' ')}")


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
