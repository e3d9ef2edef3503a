"""What the vectors do not say about the sisters of the PMS5003."""

import pytest

from drivers.air.plantower import closed
from drivers.core.contract import Decoded, DeviceFault, Implausible
from drivers.core.listening import Listener
from drivers.core.registry import find


def frame(length: int, words: list[int], tail: bytes = b"") -> bytes:
    return closed(b"\x42\x4d" + length.to_bytes(2, "big") + b"".join(w.to_bytes(2, "big") for w in words) + tail)


def test_a_wet_humidity_word_fails_alone() -> None:
    heard = Listener(find("plantower-pms5003t")).feed(frame(28, [5] * 10 + [300, 1003], b"\x9a\x00"))
    (reading,) = heard
    assert isinstance(reading, Decoded)
    assert reading.quality == {"relative_humidity": 4}
    assert reading.values["pm2_5"] == 5


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plantower-pms5003t", frame(28, [5] * 12, b"\x9a\x03")),
        ("plantower-pms5003st", frame(36, [5] * 16, b"\x97\x01")),
    ],
)
def test_an_error_code_is_a_device_fault(name: str, data: bytes) -> None:
    (refusal,) = Listener(find(name)).feed(data)
    assert isinstance(refusal, DeviceFault)


def test_dust_beyond_physics_is_refused() -> None:
    (refusal,) = Listener(find("plantower-pms3003")).feed(frame(20, [60_000] * 9))
    assert isinstance(refusal, Implausible)


def test_one_sister_does_not_take_the_other_for_itself() -> None:
    for name, foreign in (
        ("plantower-pms3003", frame(28, [5] * 13)),
        ("plantower-pmsx003", frame(20, [5] * 9)),
        ("plantower-pms5003st", frame(28, [5] * 13)),
    ):
        listener = Listener(find(name))
        listener.feed(foreign)
        listener.finish()
        assert listener.readings == 0
        assert listener.rejected
