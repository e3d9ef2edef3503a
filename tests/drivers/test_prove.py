"""Every built-in driver is proven, and the proof notices a driver that is wrong."""

from dataclasses import replace

import pytest

from drivers.core import vectors
from drivers.core.contract import Decoded, Driver, Framer, Listening, Options
from drivers.core.framing import SyncFramer
from drivers.core.prove import prove
from drivers.core.registry import built_in, find

MIN_TIER = {"plantower-pmsx003": 4, "ultrasonic-ff4": 3, "eastron-sdm120": 3, "eastron-sdm230": 4, "eastron-sdm630": 4}


@pytest.mark.parametrize("name", sorted(built_in()))
def test_proven(name: str) -> None:
    bits = sum((len(case.data) - case.spare) * 8 for case in vectors.of_driver(find(name)).vectors)
    stride = 1 if bits < 20_000 else 7  # long telegrams whole with `gateway driver check`
    proof = prove(find(name), noise_bytes=1 << 15, stride=stride)
    assert proof.failures == ()
    assert proof.tier >= MIN_TIER.get(name, 2)
    assert proof.flips >= bits // stride


def failures(driver: Driver) -> str:
    return "\n".join(prove(driver, vectors.of_driver(find(driver.name))).failures)


def plantower(**changes: object) -> Driver:
    driver = find("plantower-pmsx003")
    assert isinstance(driver.kind, Listening)
    kind = replace(driver.kind, **changes)  # type: ignore[arg-type]  # each test changes one field
    return replace(driver, kind=kind)


def test_a_framer_without_a_check_is_noticed() -> None:
    def framer(options: Options) -> Framer:
        return SyncFramer(b"\x42\x4d", 4, lambda head: {28: 32, 4: 8}.get(head[3], 0), lambda frame: True, 32)

    text = failures(plantower(framer=framer))
    assert "goes unnoticed" in text
    assert "becomes a reading" in text


def test_a_framer_that_takes_two_steps_is_noticed() -> None:
    class TwoSteps(SyncFramer):
        def feed(self, data: bytes) -> list[object]:  # type: ignore[override]  # a wrong framer on purpose
            return super().feed(data[: len(data) // 2 * 2])  # type: ignore[return-value]

    def framer(options: Options) -> Framer:
        return TwoSteps(b"\x42\x4d", 4, lambda head: {28: 32}.get(head[3], 0), lambda f: True, 32)  # type: ignore[return-value]

    assert "in pieces of 1 gives 0 readings" in failures(plantower(framer=framer))


def test_swapped_columns_are_noticed() -> None:
    def decode(frame: bytes, options: Options) -> Decoded | None:
        right = find("plantower-pmsx003").kind
        assert isinstance(right, Listening)
        one = right.decode(frame, options)
        return one and Decoded({**one.values, "pm2_5": one.values["pm2_5_cf1"]}, one.quality, one.info)

    assert "pm2_5 is 100.0, expected 72" in failures(plantower(decode=decode))


def test_a_name_outside_the_vocabulary_is_noticed() -> None:
    assert "did you mean 'pm2_5'" in failures(replace(plantower(), quantities=(*plantower().quantities, "pm2_55")))


def test_a_silent_simulator_is_noticed() -> None:
    class Dead:
        def tick(self, t: float) -> bytes:
            return b""

        def answer(self, data: bytes, t: float) -> bytes:
            return b""

    proof = prove(replace(find("eastron-sdm120"), simulate=lambda seed, address: Dead()))
    assert proof.failures == ("simulator: 0 of 8 readings, 0 refusals",)
    assert proof.tier == 2


def test_no_vectors_no_tier() -> None:
    assert prove(replace(find("ultrasonic-ff4"), vectors=None)).tier == 0


def test_a_longer_frame_than_any_bus_has_is_noticed() -> None:
    def framer(options: Options) -> Framer:
        return SyncFramer(b"\x42", 1, lambda head: 60_000, lambda frame: False, 60_000)

    assert "the framer holds" in failures(plantower(framer=framer))
