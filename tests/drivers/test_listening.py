"""Trust after noise, counters, and that acknowledgements are no readings."""

from drivers.core.contract import Decoded, Driver, Framer, Line, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.listening import Listener

GOOD = bytes((0xFE, 1, 7, 6))


def driver(check_bits: int) -> Driver:
    def make(options: Options) -> Framer:
        return SyncFramer(b"\xfe", 1, lambda head: 4, lambda f: sum(f[:3]) & 255 == f[3], max_bytes=4)

    def decode(frame: bytes, options: Options) -> Decoded | None:
        return Decoded({"distance": float(frame[2])}) if frame[1] else None

    return Driver(
        name="test",
        title="test",
        device_class="water",
        models=(),
        kind=Listening(make, decode),
        quantities=("distance",),
        line=Line(),
        sources=(),
        check_bits=check_bits,
    )


def test_short_check_needs_a_second_frame_after_noise() -> None:
    one = Listener(driver(8))
    assert [type(x) for x in one.feed(GOOD)] == [Decoded]  # no noise yet: believed
    assert [type(x).__name__ for x in one.feed(b"\x00" + GOOD)] == ["FixedBits", "Integrity"]
    assert [type(x) for x in one.feed(GOOD + GOOD)] == [Decoded, Decoded]
    assert (one.frames, one.readings) == (4, 3)
    assert one.rejected == {"FixedBits": 1, "Integrity": 1}


def test_noise_between_starts_the_proof_anew() -> None:
    one = Listener(driver(8))
    names = [type(x).__name__ for x in one.feed(b"\x00" + GOOD + b"\x00" + GOOD + GOOD)]
    assert names == ["FixedBits", "Integrity", "FixedBits", "Integrity", "Decoded"]


def test_long_check_is_believed_at_once() -> None:
    one = Listener(driver(16))
    assert [type(x).__name__ for x in one.feed(b"\x00" + GOOD)] == ["FixedBits", "Decoded"]


def test_acknowledgement_is_a_frame_and_no_reading() -> None:
    one = Listener(driver(8))
    assert one.feed(bytes((0xFE, 0, 0, 0xFE))) == []
    assert (one.frames, one.readings) == (1, 0)


def test_half_a_frame_at_the_end_is_counted() -> None:
    one = Listener(driver(8))
    assert one.feed(GOOD[:3]) == []
    assert [type(x).__name__ for x in one.finish()] == ["Truncated"]
    assert one.rejected == {"Truncated": 1}
    assert one.discarded == 3


def test_an_acknowledgement_after_noise_restores_no_trust() -> None:
    one = Listener(driver(8))
    acknowledgement = bytes((0xFE, 0, 0, 0xFE))
    names = [type(x).__name__ for x in one.feed(b"\x00" + acknowledgement * 2 + GOOD + acknowledgement + GOOD)]
    assert names == ["FixedBits", "Integrity", "Decoded"]
    assert (one.frames, one.readings) == (5, 1)
