"""Garbage, cut and merged frames: what becomes a reading has a check that holds, and the next good frame is found."""

from __future__ import annotations

import pytest

from tests.bench._damage import damaged
from tests.bench.framing import checked


@pytest.mark.parametrize("driver", checked(), ids=lambda driver: driver.name)
def test_damage_loses_little_and_invents_nothing(driver) -> None:
    row = damaged(driver, 500)
    assert row.unsound == 0
    assert row.lost_run <= 1
    assert row.readings > 0.4 * row.sent
    assert row.strangers <= 6 + 6 * row.by_chance
