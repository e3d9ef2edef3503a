"""What each byte of a frame is for, found out by changing it: the driver itself says which of its values depend on it.

So every driver's frames can be explained without a second description of them that could be wrong. What no value
depends on is fixed, part of the check, or not used; the drawing in the driver's module names it, where it has one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Literal

from drivers.core import modbus, shdlc
from drivers.core.checksums import crc16_arc
from drivers.core.contract import (
    Decoded,
    Dialogue,
    Driver,
    Framer,
    Integrity,
    Listening,
    Options,
    Polled,
    Rejection,
    Uplink,
)

Kind = Literal["value", "fixed", "check", "unused", "outside"]
Told = Mapping[str, object]
_PATTERNS = (0x01, 0x80, 0x10, 0x02, 0x55)
_LONG = 512
"""Bytes of a frame from which on two changes of each must do."""
_DRAWN = re.compile(r" +(\d+) +(\d+|…) +(\S.*)")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a frame that belong together. `names`: values and facts that depend on them. `label`: what the drawing
    says. `register`: the first one in them, of a Modbus answer.
    """

    offset: int
    data: bytes
    kind: Kind
    names: tuple[str, ...] = ()
    label: str = ""
    register: int | None = None


def dissect(driver: Driver, received: bytes, options: Options, question: bytes | None, fport: int | None) -> list[Part]:
    """The parts of all frames in what was received, in order, and of what is in no frame. Empty where none decodes."""
    kind = driver.kind
    if isinstance(kind, Uplink):
        return _parts(received, lambda data: _flat(t.decoded for t in kind.decode(data, fport, options)), None, {})
    found: list[Part] = []
    at = 0
    frames = _frames(driver, received, options, question)
    if not frames and len(received) <= driver.frame_bytes and drawing(driver):
        frames = [received]  # refused; the drawing still tells what should be where
    for frame in frames:
        start = received.find(frame, at)
        if start < 0:  # the framer mended it
            continue
        if start > at:
            found.append(Part(at, received[at:start], "outside"))
        found += [replace(part, offset=part.offset + start) for part in _frame(driver, frame, options, question)]
        at = start + len(frame)
    if found and at < len(received):
        found.append(Part(at, received[at:], "outside"))
    return found


def drawing(driver: Driver) -> dict[int, str]:
    """Offset → what the module's docstring draws there."""
    kind = driver.kind
    if not isinstance(kind, Listening):
        return {}
    decode = kind.decode.func if isinstance(kind.decode, partial) else kind.decode
    doc = sys.modules[decode.__module__].__doc__ or ""
    drawn: dict[int, str] = {}
    for line in doc.splitlines():
        match = _DRAWN.fullmatch(line)
        if match and int(match[1]) in drawn:  # a second drawing: nobody knows which is this frame's
            return {}
        if match:
            drawn[int(match[1])] = match[3]
    return drawn


def _frames(driver: Driver, received: bytes, options: Options, question: bytes | None) -> list[bytes]:
    framer = _framer(driver, options, question)
    return [item for item in [*framer.feed(received), *framer.finish()] if isinstance(item, bytes)]


def _framer(driver: Driver, options: Options, question: bytes | None) -> Framer:
    kind = driver.kind
    if isinstance(kind, Listening | Dialogue):
        return kind.framer(options)
    assert isinstance(kind, Polled)
    asked = kind.requests(driver.default_address or 1, options)[0] if question is None else kind.ask(question, options)
    return asked.framer()


def _frame(driver: Driver, frame: bytes, options: Options, question: bytes | None) -> list[Part]:
    kind = driver.kind

    def framed(data: bytes) -> list[bytes | Rejection]:
        framer = _framer(driver, options, question)
        return [*framer.feed(data), *framer.finish()]

    if isinstance(kind, Listening):
        return _parts(frame, lambda data: _flat((kind.decode(data, options),)), framed, drawing(driver))
    if isinstance(kind, Dialogue):
        return _parts(frame, lambda data: _flat((kind.explain(data, options),)), framed, {})
    assert isinstance(kind, Polled)
    request = kind.requests(1, options)[0] if question is None else kind.ask(question, options)

    def told(data: bytes) -> Told:
        return _flat((kind.decode(((request, data),), options),))

    try:
        read = modbus.parse_question(request.data)
        modbus.reply_data(frame, read)
    except Rejection:
        return _parts(frame, told, framed, {})
    head = [
        Part(0, frame[:1], "fixed", label="address"),
        Part(1, frame[1:2], "fixed", label="function"),
        Part(2, frame[2:3], "fixed", label="byte count"),
    ]
    body = _parts(frame[3:-2], lambda data: told(modbus.closed(frame[:3] + data)), None, {})
    placed = [
        replace(p, offset=p.offset + 3, register=read.start + p.offset // 2 if read.function >= 3 else None)
        for p in body
    ]
    return [*head, *placed, Part(len(frame) - 2, frame[-2:], "check", label="CRC")]


def _parts(
    frame: bytes,
    told: Callable[[bytes], Told],
    framed: Callable[[bytes], list[bytes | Rejection]] | None,
    drawn: Mapping[int, str],
) -> list[Part]:
    try:
        base = told(frame)
    except Rejection:
        base = {}
    labels = [_label(drawn, at) for at in range(len(frame))]
    names = [_names(frame, at, told, base) if base else () for at in range(len(frame))]
    kinds: list[Kind] = ["value" if names[at] else _kind(frame, at, told, framed) for at in range(len(frame))]
    last = max((at for at, kind in enumerate(kinds) if kind != "check"), default=-1)
    parts = []
    for key, group in groupby(range(len(frame)), key=lambda at: (names[at], kinds[at], labels[at], at > last)):
        places = list(group)
        # Bytes in the midst that only the check covers are not used; the check itself stands at the end.
        kind: Kind = "unused" if kinds[places[0]] == "check" and not key[3] else kinds[places[0]]
        label = key[2][1] if key[2] is not None else ""
        parts.append(Part(places[0], frame[places[0] : places[-1] + 1], kind, key[0], label))
    return parts


def _label(drawn: Mapping[int, str], at: int) -> tuple[int, str] | None:
    start = max((offset for offset in drawn if offset <= at), default=None)
    return None if start is None else (start, drawn[start])


def _names(frame: bytes, at: int, told: Callable[[bytes], Told], base: Told) -> tuple[str, ...]:
    """What depends on the byte at this place, in the driver's order."""
    changed: set[str] = set()
    for byte in _others(frame[at], is_long=len(frame) > _LONG):
        now = _told_of(frame[:at] + bytes((byte,)) + frame[at + 1 :], told)
        if now is None:
            continue
        changed |= {name for name in {*base, *now} if base.get(name) != now.get(name)}
        if changed and len(frame) > _LONG:
            break
    return (*(name for name in base if name in changed), *sorted(changed - base.keys()))


def _told_of(frame: bytes, told: Callable[[bytes], Told]) -> Told | None:
    """What is told by a frame whose check may not hold; None where nothing is."""
    try:
        return told(frame)
    except Integrity:
        pass
    except (Rejection, ValueError):
        return None
    for mend in _MENDERS:
        with suppress(Rejection, ValueError):
            return told(mend(frame))
    return None


def _mend_shdlc(frame: bytes) -> bytes:
    return shdlc.framed(shdlc.unstuffed(frame[1:-1])[:-1])


def _mend_sdi12(frame: bytes) -> bytes:
    body = frame[:-5]
    crc = crc16_arc(body)
    return body + bytes(0x40 | crc >> shift & 0x3F for shift in (12, 6, 0)) + frame[-2:]


_MENDERS = (_mend_shdlc, _mend_sdi12)
"""Checks of those drivers that look at them again when they decode."""


def _others(byte: int, *, is_long: bool) -> Iterator[int]:
    """Other bytes for its place: digits for a digit, so that text stays a number."""
    if 0x30 <= byte <= 0x39:
        yield from (0x30 + (byte - 0x30 + step) % 10 for step in ((1,) if is_long else (1, 5)))
    for pattern in _PATTERNS[:1] if is_long else _PATTERNS:
        yield byte ^ pattern


def _kind(
    frame: bytes,
    at: int,
    told: Callable[[bytes], Told],
    framed: Callable[[bytes], list[bytes | Rejection]] | None,
) -> Kind:
    """What a byte is that no value depends on."""
    changed = frame[:at] + bytes((frame[at] ^ 0x01,)) + frame[at + 1 :]
    items = framed(changed) if framed is not None else [changed]
    if any(isinstance(item, Rejection) and item.reason == "Integrity" for item in items):
        return "check"
    if not any(isinstance(item, bytes) for item in items):
        return "fixed"
    return "fixed" if _told_of(changed, told) is None else "unused"


def _flat(readings: Iterable[Decoded | None]) -> dict[str, object]:
    """All that was told by name, a flag beside its value."""
    flat: dict[str, object] = {}
    many = [each for each in readings if each is not None]
    for number, decoded in enumerate(many, 1):
        mark = f"{number}." if len(many) > 1 else ""
        for name in {**decoded.values, **decoded.quality}:
            flat[mark + name] = (decoded.values.get(name), decoded.quality.get(name))
        flat |= {mark + name: fact for name, fact in decoded.info.items()}
    return flat
