"""What comes of bytes that were heard: the driver's own code, as stations use it, without a station."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from drivers.core.contract import Decoded, Dialogue, Driver, Listening, Options, Polled, Rejection, Telling, Uplink
from drivers.core.listening import Listener
from drivers.core.polling import Round


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of some bytes."""

    readings: list[Decoded]
    refusals: list[Rejection]
    held: int
    discarded: int
    tellings: list[Telling] = field(default_factory=list)
    """The readings of a radio payload with their own times."""


def hear(
    driver: Driver,
    pieces: Iterable[bytes],
    options: Options,
    question: bytes | None,
    *,
    ends: bool,
    fport: int | None = None,
) -> Heard:
    """Run bytes through the code that stations use. `ends`: the line falls silent behind them.

    Of a radio device the pieces are one payload, heard on `fport`.
    """
    readings: list[Decoded] = []
    refusals: list[Rejection] = []
    held = 0
    if isinstance(driver.kind, Listening):
        listener = Listener(driver, options)
        for piece in pieces:
            _sort(listener.feed(piece), readings, refusals)
            held = max(held, listener.held)
        if ends:
            _sort(listener.finish(), readings, refusals)
        return Heard(readings, refusals, held, listener.discarded)
    if isinstance(driver.kind, Dialogue):
        return _overhear(driver.kind, pieces, options, ends=ends)
    if isinstance(driver.kind, Uplink):
        return _receive(driver.kind, b"".join(pieces), fport, options)
    asked = driver.kind.requests(1, options) if question is None else (driver.kind.ask(question, options),)
    one = Round(driver.kind, asked, options)
    for piece in pieces:
        if one.request is None:
            break
        one.feed(piece)
        held = max(held, one.held)
    while ends and one.request is not None:
        one.timeout()
    refusals += one.refusals
    try:
        decoded = one.result() if one.request is None else None
    except Rejection as refusal:
        if refusal not in refusals:
            refusals.append(refusal)
    else:
        readings += [decoded] if decoded is not None else []
    return Heard(readings, refusals, held, one.discarded)


def hear_joined(driver: Driver, data: bytes, options: Options) -> Heard:
    """Answers of a polled device, one behind another, whose questions nobody heard: each question is guessed."""
    if not isinstance(driver.kind, Polled):
        raise TypeError(f"{driver.name} is not polled")
    readings: list[Decoded] = []
    refusals: list[Rejection] = []
    discarded, rest = 0, data
    while True:
        question, is_sure = driver.kind.guess(rest, options)
        if readings and not is_sure:
            return Heard(readings, refusals, 0, discarded + len(rest))
        heard = hear(driver, [rest], options, question, ends=True)
        framer = driver.kind.ask(question, options).framer()
        frame = next((item for item in framer.feed(rest) if isinstance(item, bytes)), b"")
        if readings and not heard.readings:
            return Heard(readings, refusals, 0, discarded + len(rest))
        readings += heard.readings
        refusals += heard.refusals
        if not frame or not heard.readings:
            return Heard(readings, refusals, heard.held, discarded + heard.discarded)
        at = rest.index(frame)
        discarded, rest = discarded + at, rest[at + len(frame) :]


def _overhear(kind: Dialogue, pieces: Iterable[bytes], options: Options, *, ends: bool) -> Heard:
    """What lone answers of a dialogue say."""
    framer, held = kind.framer(options), 0
    items: list[bytes | Rejection] = []
    for piece in pieces:
        items += framer.feed(piece)
        held = max(held, framer.held)
    items += framer.finish() if ends else []
    readings: list[Decoded] = []
    refusals: list[Rejection] = []
    for item in items:
        try:
            _sort([kind.explain(item, options) if isinstance(item, bytes) else item], readings, refusals)
        except Rejection as refusal:
            refusals.append(refusal)
    return Heard(readings, refusals, held, framer.discarded)


def _receive(kind: Uplink, payload: bytes, fport: int | None, options: Options) -> Heard:
    """What one payload tells."""
    try:
        tellings = list(kind.decode(payload, fport, options))
    except Rejection as refusal:
        return Heard([], [refusal], 0, 0)
    return Heard([telling.decoded for telling in tellings], [], 0, 0, tellings)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of this size."""
    return (data[at : at + size] for at in range(0, len(data), size))


def _sort(items: Iterable[Decoded | Rejection], readings: list[Decoded], refusals: list[Rejection]) -> None:
    for item in items:
        if isinstance(item, Decoded):
            readings.append(item)
        else:
            refusals.append(item)
