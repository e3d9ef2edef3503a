"""What goes wrong on real lines, on a dial: seeded, and counted, so that a test knows what was done to it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

Fault = Literal["noise", "loss", "drop", "duplicate", "wrong", "delay", "stall", "chunks", "stuck", "error", "baud"]


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances per frame, from 0 to 1, and how strong each fault is."""

    noise: float = 0.0
    """Random bytes before the frame, up to `noise_bytes`."""
    loss: float = 0.0
    """One to three bytes of the frame are missing."""
    drop: float = 0.0
    """The whole frame is missing."""
    duplicate: float = 0.0
    """The frame is sent twice."""
    wrong: float = 0.0
    """One bit of the frame is another."""
    delay: float = 0.0
    """The frame comes up to `delay_s` late."""
    stall: float = 0.0
    """The instrument hangs for `stall_s` in the middle of the frame."""
    stuck: float = 0.0
    """It says the value of its last frame once more."""
    error: float = 0.0
    """It says its own error code in place of a value, where it has one."""
    baud: int = 0
    """The speed that it really talks at, whatever the host has set; 0 = the host's."""
    chunk_bytes: int = 0
    """The frame comes in pieces of this size; 0 = whole."""
    noise_bytes: int = 16
    delay_s: float = 0.05
    stall_s: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self)[:9]:
            chance = getattr(self, field.name)
            if not 0 <= chance <= 1:
                raise ValueError(f"{field.name} is a chance from 0 to 1, not {chance}")


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes on the line in place of one frame: pieces with the seconds to wait before each."""

    pieces: tuple[tuple[float, bytes], ...]
    intact: int
    """How often the frame itself is among them, whole."""
    done: tuple[Fault, ...] = ()


class Mangler:
    """Does to frames what `faults` says; the same seed does the same."""

    def __init__(self, faults: Faults, seed: int = 0) -> None:
        self._faults = faults
        self._dice = random.Random(seed)
        self.counts: Counter[Fault] = Counter()

    def mangle(self, frame: bytes) -> Sending:
        """What to send instead of `frame`."""
        faults, dice = self._faults, self._dice
        hit: Mapping[str, bool] = {
            name: dice.random() < chance
            for name in ("noise", "loss", "drop", "duplicate", "wrong", "delay", "stall")
            if (chance := getattr(faults, name)) > 0
        }
        done: list[Fault] = []

        def does(name: Fault) -> bool:
            if hit.get(name):
                done.append(name)
            return hit.get(name, False)

        pieces: list[tuple[float, bytes]] = []
        if does("noise"):
            pieces.append((0.0, dice.randbytes(dice.randint(1, max(1, faults.noise_bytes)))))
        if does("drop"):
            return self._count(pieces, 0, done)
        sent = frame
        if does("wrong"):
            bit = dice.randrange(len(sent) * 8)
            sent = bytes(value ^ (1 << bit % 8 if index == bit // 8 else 0) for index, value in enumerate(sent))
        if does("loss"):
            gone = set(dice.sample(range(len(sent)), min(dice.randint(1, 3), len(sent))))
            sent = bytes(value for index, value in enumerate(sent) if index not in gone)
        times = 2 if does("duplicate") else 1
        wait_s = dice.uniform(0, faults.delay_s) if does("delay") else 0.0
        stalls = does("stall")
        if faults.chunk_bytes > 0:
            done.append("chunks")
        for _ in range(times):
            cut = self._cut(sent, stalls)
            pieces += [(wait_s if index == 0 else 0.0, piece) for index, piece in enumerate(cut)]
            if stalls:
                pieces[-1] = (pieces[-1][0] + faults.stall_s, pieces[-1][1])
            wait_s, stalls = 0.0, False
        return self._count(pieces, times if sent == frame else 0, done)

    def _cut(self, sent: bytes, stalls: bool) -> list[bytes]:
        """The pieces of a frame; one that stalls has at least two."""
        size = self._faults.chunk_bytes or (len(sent) // 2 if stalls else len(sent))
        return [sent[at : at + size] for at in range(0, len(sent), max(1, size))]

    def _count(self, pieces: list[tuple[float, bytes]], intact: int, done: list[Fault]) -> Sending:
        self.counts.update(done)
        return Sending(tuple((wait_s, piece) for wait_s, piece in pieces if piece), intact, tuple(done))
