"""What goes over a line between a device and who asks it, decoded by who only listens: in a capture, or live."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.core.contract import (
    Decoded,
    DeviceFault,
    Dialogue,
    Driver,
    Framer,
    Listening,
    Options,
    Polled,
    Rejection,
    Request,
)
from drivers.core.following import Follower
from drivers.core.listening import Listener
from gateway.ports.capture import Record

Item = tuple[float, Decoded | Rejection]
"""Seconds since the beginning, and what was decoded or refused then."""


class Overheard:
    """One driver's view of records in their order. Holds one round of questions at most.

    With `address`, a polled driver takes only the questions that it would ask there; else all it understands.
    """

    def __init__(self, driver: Driver, options: Options, address: int | None = None) -> None:
        kind = driver.kind
        self._of = _Talker(driver, options) if isinstance(kind, Listening) else None
        self._rounds: _Rounds | _Dialogue | None = None
        if isinstance(kind, Polled):
            self._rounds = _Rounds(kind, options, address)
        elif isinstance(kind, Dialogue):
            self._rounds = _Dialogue(Follower(kind, driver.at(address), options))

    @property
    def asked(self) -> int:
        """Questions that the driver could have asked; of a dialogue, all that was written."""
        return self._rounds.asked if self._rounds else 0

    @property
    def discarded(self) -> int:
        """Bytes of a device that talks by itself that belonged to no frame."""
        return self._of.discarded if self._of else 0

    def feed(self, record: Record) -> Iterator[Item]:
        """Readings and refusals."""
        part = self._of or self._rounds
        if part is not None:
            yield from part.feed(record)

    def finish(self) -> Iterator[Item]:
        """No more will come."""
        part = self._of or self._rounds
        if part is not None:
            yield from part.finish()


class _Talker:
    """A device that talks by itself."""

    def __init__(self, driver: Driver, options: Options) -> None:
        self._listener = Listener(driver, options)
        self._t_s = 0.0

    @property
    def discarded(self) -> int:
        return self._listener.discarded

    def feed(self, record: Record) -> Iterator[Item]:
        if record.direction == "<":
            self._t_s = record.t_s
            for item in self._listener.feed(record.data):
                yield self._t_s, item

    def finish(self) -> Iterator[Item]:
        for item in self._listener.finish():
            yield self._t_s, item


class _Dialogue:
    """A device that is talked with."""

    def __init__(self, follower: Follower) -> None:
        self.asked = 0
        self._follower = follower

    def feed(self, record: Record) -> Iterator[Item]:
        if record.direction == ">":
            self.asked += 1
            self._follower.asked(record.data)
            return
        for item in self._follower.answered(record.data):
            yield record.t_s, item

    def finish(self) -> Iterator[Item]:
        yield from ()


class _Rounds:
    """Questions with their answers, gathered into rounds: a question that comes again begins the next."""

    def __init__(self, kind: Polled, options: Options, address: int | None) -> None:
        self.asked = 0
        self._kind = kind
        self._options = options
        self._known = None
        if address is not None and kind.follow is None:
            self._known = {request.data for request in kind.requests(address, options)}
        self._round: dict[bytes, tuple[Request, bytes | None]] = {}
        self._open: Request | None = None
        self._framer: Framer | None = None
        self._t_s = 0.0

    def feed(self, record: Record) -> Iterator[Item]:
        if record.direction == ">":
            yield from self._close()
            yield from self._ask(record)
        elif self._framer is not None:
            self._t_s = record.t_s
            yield from self._answer(self._framer.feed(record.data))

    def finish(self) -> Iterator[Item]:
        yield from self._close()
        yield from self._finish()

    def _ask(self, record: Record) -> Iterator[Item]:
        if self._known is not None and record.data not in self._known:
            return
        try:
            request = self._kind.ask(record.data, self._options)
        except Rejection:
            return  # a command, or another protocol's question on the same bus
        if self._round.get(record.data, (request, None))[1] is not None:
            yield from self._finish()
        self.asked += 1
        self._t_s = record.t_s
        self._open, self._framer = request, request.framer()
        self._round[record.data] = (request, None)

    def _answer(self, items: list[bytes | Rejection]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Rejection):
                yield self._t_s, item
            elif self._open is not None:
                self._round[self._open.data] = (self._open, item)
            if isinstance(item, bytes | DeviceFault):
                self._open = self._framer = None
                break
        if self._known and all(self._round.get(data, (None, None))[1] for data in self._known):
            yield from self._finish()  # nobody need wait for the next round to begin

    def _close(self) -> Iterator[Item]:
        """Nothing more will come for the open question."""
        if self._framer is not None:
            yield from self._answer(self._framer.finish())
        self._open = self._framer = None

    def _finish(self) -> Iterator[Item]:
        exchanges, self._round = tuple(self._round.values()), {}
        if any(reply is not None for _, reply in exchanges):
            try:
                yield self._t_s, self._kind.decode(exchanges, self._options)
            except Rejection as refusal:
                yield self._t_s, refusal
