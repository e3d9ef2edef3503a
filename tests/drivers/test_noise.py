"""Random and damaged bytes through every built-in driver; the long form is `python -m tests.drivers.noise 20`."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core import vectors
from drivers.core.contract import Decoded, Driver, Listening
from drivers.core.listening import Listener
from drivers.core.registry import built_in, find
from tests.drivers.noise import drown, holds

NAMES = sorted(built_in())
LISTENING = [name for name in NAMES if isinstance(find(name).kind, Listening)]
CHECKED = [name for name in LISTENING if find(name).check_bits]
"""What has no check at all takes parts of two frames for one, and a turned digit for another."""


def frames(driver: Driver) -> list[bytes]:
    """Frames of the vectors that are readings and have a check, with the options that most of them share."""
    cases = [c for c in vectors.of_driver(driver).vectors if c.values is not None and c.options == options(driver)]
    return [c.data[: len(c.data) - c.spare] for c in cases if not c.is_unchecked or not driver.check_bits]


def options(driver: Driver) -> dict[str, object]:
    cases = vectors.of_driver(driver).vectors
    return dict(cases[0].options) if cases else {}


@pytest.mark.parametrize("name", LISTENING)
def test_noise_gives_refusals_and_no_reading(name: str) -> None:
    drowned = drown(find(name), options(find(name)), 300_000, seed=11)
    assert drowned.readings == 0
    assert drowned.rejected > 0
    assert drowned.held <= find(name).frame_bytes


def test_a_bare_eight_bit_sum_would_have_let_noise_through() -> None:
    """The reason for trust: valid sums do occur in noise of this size."""
    drowned = drown(find("ultrasonic-ff4"), {}, 20_000_000, seed=2)
    assert drowned.frames > 200
    assert drowned.readings == 0


@pytest.mark.parametrize("name", CHECKED)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_damaged_streams_give_only_readings_whose_check_holds(name: str, data: st.DataObject) -> None:
    """Merged, cut, doubled and noisy frames: what comes out was sent, whole, and every byte is accounted for."""
    driver = find(name)
    good = frames(driver)
    dice = random.Random(data.draw(st.integers(0, 1 << 32)))
    parts: list[bytes] = []
    for _ in range(dice.randint(1, 12)):
        frame = dice.choice(good)
        match dice.randrange(6):
            case 0 | 1:
                parts.append(frame)
            case 2:
                parts.append(frame[: dice.randrange(len(frame))])
            case 3:
                parts.append(frame[dice.randrange(len(frame)) :])
            case 4:
                parts.append(dice.randbytes(dice.randrange(40)))
            case 5:
                at = dice.randrange(len(frame) * 8)
                damaged = bytearray(frame)
                damaged[at // 8] ^= 1 << at % 8
                parts.append(bytes(damaged))
    stream = b"".join(parts)
    listener = Listener(driver, options(driver))  # type: ignore[arg-type]  # options of vectors are plain values
    items: list[object] = []
    at = 0
    while at < len(stream):
        size = dice.randint(1, 50)
        items += listener.feed(stream[at : at + size])
        at += size
    items += listener.finish()
    readings = [item for item in items if isinstance(item, Decoded)]
    assert isinstance(driver.kind, Listening)
    sent = [driver.kind.decode(frame, options(driver)) for frame in good if frame in stream]  # type: ignore[arg-type]
    assert all(reading in sent for reading in readings)
    assert listener.readings == len(readings)
    assert sum(listener.rejected.values()) == len(items) - len(readings)
    assert listener.held == 0
    assert listener.discarded <= len(stream)
    if listener.discarded:
        assert listener.rejected


@pytest.mark.parametrize("name", LISTENING)
def test_every_good_frame_survives_between_cut_ones(name: str) -> None:
    driver = find(name)
    good = frames(driver)
    listener = Listener(driver, options(driver))  # type: ignore[arg-type]  # options of vectors are plain values
    cuts = 0
    for frame in good:
        for cut in range(1, len(frame), max(1, len(frame) // 40)):
            cuts += 1
            listener.feed(frame[:cut])
            listener.feed(frame * 3)  # where the check is short, a false candidate and the proof may cost one each
            listener.finish()
    assert listener.readings >= cuts
    assert sum(listener.rejected.values()) >= cuts
    assert holds(driver, listener)


def test_memory_does_not_grow_with_the_stream() -> None:
    import tracemalloc

    listener = Listener(find("plantower-pmsx003"))
    chunk = random.Random(4).randbytes(4096).replace(b"\x42", b"\x41") + b"\x42\x4d\x00\x1c"
    listener.feed(chunk)
    tracemalloc.start()
    for _ in range(20):
        listener.feed(chunk)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        listener.feed(chunk)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 4096
