"""Random bytes through every framer: none may raise, none may grow."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.core.contract import Dialogue, Driver, Framer, Listening, Polled
from drivers.core.modbus import ReplyFramer
from drivers.core.registry import built_in

CHUNK = 1 << 16
_PAGE_BYTES = 4096
_WARM_SHARE = 0.1


@dataclass(frozen=True)
class Fuzzed:
    """What one framer made of noise. `grown_bytes`: of the process, after the first tenth of it."""

    name: str
    bytes: int
    frames: int
    refused: int
    held: int
    limit: int
    grown_bytes: int
    seconds: float


def framers() -> Iterator[tuple[str, Driver, Callable[[], Framer]]]:
    """A framer of each built-in driver; of the many that read registers alike, the first alone."""
    seen = set()
    for name, driver in sorted(built_in().items()):
        options = {key: option.default for key, option in driver.options.items()}
        kind = driver.kind
        make: Callable[[], Framer]
        if isinstance(kind, Listening | Dialogue):
            make = partial(kind.framer, options)
        elif isinstance(kind, Polled):
            make = kind.requests(driver.default_address or 1, options)[0].framer
        else:
            continue  # a radio payload has no stream
        framer = make()
        if isinstance(framer, ReplyFramer):
            function = framer._read.function
            if function in seen:
                continue
            seen.add(function)
        yield name, driver, make


def fuzz(name: str, driver: Driver, make: Callable[[], Framer], size: int, seed: int = 1) -> Fuzzed:
    """Feed so many random bytes in pieces of uneven sizes."""
    framer, dice, began = make(), random.Random(seed), time.monotonic()
    frames = refused = held = done = base = 0
    while done < size:
        chunk = dice.randbytes(min(size - done, dice.randint(1, CHUNK)))
        done += len(chunk)
        for item in framer.feed(chunk):
            if isinstance(item, bytes):
                frames += 1
            else:
                refused += 1
        held = max(held, framer.held)
        if not base and done >= size * _WARM_SHARE:
            base = _resident()
    framer.finish()
    return Fuzzed(name, done, frames, refused, held, driver.frame_bytes, _resident() - base, time.monotonic() - began)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
