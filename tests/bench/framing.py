"""Damaged streams: garbage, cut and merged frames at a tenth each, through the listener of every talking driver."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.core.contract import Driver, Listening
from drivers.core.registry import built_in
from tests.bench._damage import Damage, damaged

FRAMES = 20_000


_CHECKED_ELSEWHERE = {"wmbus-json"}
"""Its lines are another program's; the check was in the telegram."""


def checked() -> list[Driver]:
    """Talking drivers whose frames carry a check of their own."""
    drivers = [driver for name, driver in sorted(built_in().items()) if name not in _CHECKED_ELSEWHERE]
    return [
        driver for driver in drivers if isinstance(driver.kind, Listening) and driver.simulate and driver.check_bits
    ]


def table(frames: int) -> list[Damage]:
    """Every talking driver whose frames have a check."""
    return [damaged(driver, frames) for driver in checked()]


def run() -> Iterator[dict[str, object]]:
    """One line a driver, and the sums; some minutes."""
    rows = table(FRAMES)
    for row in rows:
        yield {
            "name": f"damaged stream of {row.name}",
            "value": row.unsound,
            "unit": "readings whose check fails",
            "check_bits": row.check_bits,
            "frames": row.sent,
            "damaged": row.damaged,
            "readings": row.readings,
            "chance_passes": row.strangers,
            "expected_chance_passes": round(row.by_chance, 2),
            "of_them_believed": row.believed,
            "good_frames_lost_in_a_row": row.lost_run,
        }
    short = [row for row in rows if row.check_bits < 16]
    yield _figure("damaged streams: frames sent", sum(row.sent for row in rows), "")
    yield _figure("readings whose own check fails", sum(row.unsound for row in rows), "")
    yield _figure("good frames lost in a row behind a damage, worst", max(row.lost_run for row in rows), "")
    yield _figure("chance passes of 8-bit checks", sum(row.strangers for row in short), "")
    yield _figure("the same, expected of 1 in 256", sum(row.by_chance for row in short), "")
    yield _figure("of them believed", sum(row.believed for row in short), "")


def _figure(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "unit": unit}
