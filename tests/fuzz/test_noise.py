"""The short form of `make fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.noise import framers, fuzz

FRAMERS = list(framers())


@pytest.mark.parametrize(("name", "driver", "make"), FRAMERS, ids=[name for name, _, _ in FRAMERS])
def test_noise_neither_raises_nor_is_held(name, driver, make) -> None:
    done = fuzz(name, driver, make, 100_000)
    assert done.bytes == 100_000
    assert done.held <= driver.frame_bytes
