"""The one loop by which every framer feeds: what is held, what is thrown away, and when a refusal is said."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.core.contract import DeviceFault, Rejection

Verdict = tuple[int, "bytes | Rejection | None"]
"""How many bytes are done with, and the frame or refusal that they are; None where they are dropped without a word."""


class ScanningFramer(ABC):
    """A framer that looks for candidates. A subclass says where one may begin and what it is.

    A refused candidate costs as many bytes as its verdict says, usually one, so that a frame which begins inside it is
    never lost. One refusal for each of them, and one for each run of bytes without a candidate between good frames;
    what follows a refused candidate up to the next one belongs to that refusal.
    """

    __slots__ = ("_in_sync", "_rest", "discarded")

    def __init__(self) -> None:
        self._rest = b""
        self._in_sync = True
        self.discarded = 0

    @abstractmethod
    def _start(self, data: bytes, at: int, *, more: bool) -> int:
        """Where the next candidate begins, at `at` or after it; the end of the data where none does.

        `more`: bytes may follow, so that the last ones may be the beginning of one.
        """

    @abstractmethod
    def _judge(self, data: bytes, at: int, *, more: bool) -> Verdict | None:
        """What the candidate at `at` is; None where that takes more bytes, which only happens while there may be."""

    @abstractmethod
    def _foreign(self, data: bytes) -> Rejection | None:
        """The refusal of a run of bytes without a candidate; None where they are dropped without a word."""

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
        at, end = 0, len(data)
        while at < end:
            start = self._start(data, at, more=more)
            if start > at:
                self._skip(data[at:start], found)
                at = start
                if at == end:
                    break
            verdict = self._judge(data, at, more=more)
            if verdict is None:
                break
            size, item = verdict
            at += size
            if isinstance(item, bytes):
                self._in_sync = True
                found.append(item)
                continue
            if not isinstance(item, DeviceFault):  # that is a whole frame, and says so itself
                self.discarded += size
            if item is not None:
                self._in_sync = False
                found.append(item)
        self._rest = data[at:]
        return found

    def _skip(self, data: bytes, found: list[bytes | Rejection]) -> None:
        self.discarded += len(data)
        if self._in_sync and (why := self._foreign(data)) is not None:
            self._in_sync = False
            found.append(why)
