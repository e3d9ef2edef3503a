"""One reading's way, told step by step: what was heard on its port, what it said, what each step made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

import gateway.wire.control as wire
from gateway.edge.loans import Loans
from gateway.edge.meaning import Last, Meaning
from gateway.meaning.chain import Outcome, said_of
from gateway.meaning.steps import Values
from gateway.ports.capture import Direction
from gateway.wire.times import SECOND, format_time

Explain = Callable[[str], list[wire.Explained] | None]
"""The parts of the newest reading's way of a device, in order; None for one that is not here."""
RING_BYTES = 8192
"""Heard on one port and kept; the newest."""
_MOST_PIECES = 64
_MOST_SHOWN = 2048
_ROUND_S = 3.0


class Ring:
    """The newest bytes of one port, either way, with the times at which they came (CLOCK_BOOTTIME, ns)."""

    def __init__(self) -> None:
        self.pieces: deque[tuple[int, Direction, bytes]] = deque()
        self._bytes = 0

    def add(self, mono_ns: int, direction: Direction, data: bytes) -> None:
        """Bytes that have just gone over the port."""
        data = data[-RING_BYTES:]
        self.pieces.append((mono_ns, direction, data))
        self._bytes += len(data)
        while self._bytes > RING_BYTES or len(self.pieces) > RING_BYTES // 8:
            self._bytes -= len(self.pieces.popleft()[2])

    def before(self, mono_ns: int, span_s: float) -> list[tuple[float, Direction, bytes]]:
        """What went over the port in the time up to `mono_ns`, seconds before it; the newest, a few kB at most."""
        found: list[tuple[float, Direction, bytes]] = []
        size = 0
        for at_ns, direction, data in reversed(self.pieces):
            age_s = (mono_ns - at_ns) / SECOND
            if age_s < -0.05:
                continue
            size += len(data)
            if age_s > span_s or size > _MOST_SHOWN or len(found) >= _MOST_PIECES:
                break
            found.append((round(age_s, 4), direction, data))
        return found[::-1]


class Explainer:
    """Explains the newest reading of a device of a running node."""

    def __init__(self, meaning: Meaning, loans: Loans, spans_s: Mapping[str, float]) -> None:
        """`spans_s`: over which time bytes make one reading, by device."""
        self._meaning, self._spans_s = meaning, spans_s
        self._loans = loans
        self._rings: dict[str, Ring] = {}

    def listen(self, mono_ns: Callable[[], int]) -> None:
        """Keep what goes over the ports from now on; when all devices are on them."""
        for url, port in self._loans.ports.items():
            ring = self._rings[url] = Ring()
            port.tap(lambda direction, data, ring=ring: ring.add(mono_ns(), direction, data))  # type: ignore[misc]

    def explain(self, device: str) -> list[wire.Explained] | None:
        """The parts, in order; None for a device that is not here."""
        life = self._meaning.lives.get(device)
        if life is None:
            return None
        last = life.last
        if last is None:
            return []
        parts = []
        for url, port in self._loans.ports.items():
            if device in port.devices and url in self._rings:
                held = port.devices[device]
                span_s = max(_ROUND_S, self._spans_s.get(device, 0.0)) if held.address is None else _ROUND_S
                pieces = self._rings[url].before(last.mono_ns, span_s)
                heard = [(age_s, direction, data.hex()) for age_s, direction, data in pieces]
                parts.append(wire.Explained("bytes", f"{held.driver} at {url}", bytes=heard))
        return [*parts, *told(last)]


def told(last: Last) -> Iterator[wire.Explained]:
    """From a station's values to the point."""
    quality, inputs = dict(last.inputs.quality), last.inputs
    yield wire.Explained("values", inputs.serial, numbers=dict(inputs.values), flags=quality)
    before = Values(inputs.values, {})
    for step, values in last.taken.outcome.trace:
        named = said_of(step)
        yield wire.Explained(
            "step",
            f"{step.id}/{step.version} {named.detail}".strip(),
            numbers={name: x for name, x in values.numbers.items() if before.numbers.get(name) != x},
            tests={
                name: new
                for name, tests in values.results.items()
                if tests is not (old := before.results.get(name))
                and (new := {test: flag for test, flag in tests.items() if old is None or old.get(test) != flag})
            },
            events=[{"event": event.kind, **event.data} for event in values.events[len(before.events) :]],
        )
        before = values
    outcome: Outcome = last.taken.outcome
    yield wire.Explained(
        "point", t=format_time(last.at), seq=last.seq, numbers=dict(outcome.numbers), flags=dict(outcome.flags)
    )
