"""A talking instrument's stream with garbage, cut and merged frames, and what its listener makes of it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from drivers.core.contract import Decoded, Driver, Listening, Options
from drivers.core.listening import Listener

_NEAR = 6
"""A candidate before it may hold a good frame back, until a few more have come."""
SHARE = 0.1
"""Of the frames: as many have garbage before them, are cut, and are merged with the next."""


@dataclass(frozen=True)
class Damage:
    """What came of one driver's stream. `strangers` were taken for frames and never said: their check holds by
    chance, `by_chance` is how many of those are expected; `believed` of them became readings. `unsound` readings are of
    frames whose own check, recomputed here, fails. `lost_run`: most good frames in a row lost behind one damage.
    """

    name: str
    check_bits: int
    sent: int
    damaged: int
    readings: int
    unsound: int
    strangers: int
    by_chance: float
    believed: int
    lost_run: int


def damaged(driver: Driver, frames: int, seed: int = 1) -> Damage:
    """Send so many frames of the simulated instrument, fewer where they are long."""
    assert isinstance(driver.kind, Listening)
    assert driver.simulate is not None
    dice = random.Random(f"{driver.name}/{seed}")
    options = {name: option.default for name, option in driver.options.items()}
    instrument = driver.simulate(seed, 1)
    frames = min(frames, 200 * frames // len(instrument.tick(1.7e9)))
    spy = _Spy(driver)
    listener = Listener(spy.driver, options)
    whole: list[tuple[int, tuple[bytes, ...]]] = []
    """Of each good frame how many had been found before it, and what must be found of it."""
    said: set[bytes] = set()
    hurt, refused = 0, 0
    readings: list[bytes] = []

    def feed(data: bytes) -> None:
        nonlocal refused
        at = 0
        while at < len(data):
            size = dice.randint(1, 64)
            for item in listener.feed(data[at : at + size]):
                if isinstance(item, Decoded):
                    readings.append(spy.of(item))
                else:
                    refused += "check does not hold" in str(item)
            at += size

    for number in range(frames):
        frame = instrument.tick(1.7e9 + number * driver.period_s)
        fate = dice.random()
        if fate < SHARE:
            feed(dice.randbytes(dice.randint(1, 40)))
        if fate < 2 * SHARE and fate >= SHARE and len(frame) > 1:
            said.update(_whole(driver, frame, options))  # a cut may take less than matters
            feed(frame[: dice.randrange(1, len(frame))])
            hurt += 1
        elif 2 * SHARE <= fate < 3 * SHARE and len(frame) > 2:
            # Two frames at once on the line: the head of one, and the other from its middle on.
            other = instrument.tick(1.6e9 + number)
            said.update(_whole(driver, frame, options), _whole(driver, other, options))
            feed(frame[: len(frame) // 2] + other[dice.randrange(1, len(frame) - 1) :])
            hurt += 1
        else:
            hurt += fate < SHARE
            whole.append((len(spy.frames), tuple(_whole(driver, frame, options))))
            said.update(whole[-1][1])
            feed(frame)
    strangers = [frame for frame in spy.frames if frame not in said]
    bits = driver.check_bits
    return Damage(
        driver.name,
        bits,
        frames,
        hurt,
        len(readings),
        sum(not _is_sound(driver, frame, options) for frame in readings),
        len(strangers),
        (refused + len(strangers)) / 2**bits if bits else float("nan"),
        sum(frame not in said for frame in readings),
        _lost_run(whole, spy.frames),
    )


class _Spy:
    """The driver with a decoder that notes which frame each reading is of."""

    def __init__(self, driver: Driver) -> None:
        kind = driver.kind
        assert isinstance(kind, Listening)
        self._decode = kind.decode
        self._pending: deque[tuple[Decoded, bytes]] = deque()
        self.frames: list[bytes] = []
        self.driver = replace(driver, kind=replace(kind, decode=self._note))

    def _note(self, frame: bytes, options: Options) -> Decoded | None:
        self.frames.append(frame)
        decoded = self._decode(frame, options)
        if decoded is not None:
            self._pending.append((decoded, frame))
        return decoded

    def of(self, decoded: Decoded) -> bytes:
        """The frame of a reading."""
        while True:
            one, frame = self._pending.popleft()
            if one is decoded:
                return frame


def _whole(driver: Driver, said: bytes, options: Options) -> Iterator[bytes]:
    """The frames in what the instrument says at once."""
    assert isinstance(driver.kind, Listening)
    framer = driver.kind.framer(options)
    return (item for item in (*framer.feed(said), *framer.finish()) if isinstance(item, bytes))


def _is_sound(driver: Driver, frame: bytes, options: Options) -> bool:
    """Whether a fresh framer takes the frame alone, whole: its own check holds."""
    assert isinstance(driver.kind, Listening)
    return list(_whole(driver, frame, options)) == [frame]


def _lost_run(whole: list[tuple[int, tuple[bytes, ...]]], got: list[bytes]) -> int:
    """The longest run of good frames that were not found where they came."""
    longest = run = 0
    for before, frames in whole:
        is_found = all(frame in got[before : before + _NEAR] for frame in frames)
        run = 0 if is_found else run + 1
        longest = max(longest, run)
    return longest
