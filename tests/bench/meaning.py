"""What the whole chain costs: a gauge, an air station and a three-phase meter with every step that suits them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator

from gateway.meaning.chain import Chain
from gateway.meaning.steps import Context
from tests.edge.meaning_bench import chain

START = 1_790_000_000_000_000_000

GAUGE = """
steps = [
  { use = "calibration", quantity = "distance", history = [{ since = 2026-01-01, gain = 1.001, offset = -0.002 }] },
  { use = "filter", quantity = "distance", size = 7, floor = 0.02 },
  { use = "stage", history = [{ since = 2026-01-01, height = 8.5 }], zero = [{ since = 2026-01-01, elevation = 300 }] },
  { use = "rate-of-rise" },
  { use = "discharge", history = [{ since = 2026-01-01, points = [[0, 0], [1, 20], [3, 200], [6, 900]] }] },
  { use = "gross-range", quantity = "stage", usual = [0, 5] },
  { use = "climatology", quantity = "stage", seasons = [{ usual = [0, 3], months = [11, 4] }, { usual = [0, 5] }] },
  { use = "spike", quantity = "stage", suspect = 0.3 },
  { use = "rate-of-change", quantity = "stage", suspect = 0.05 },
  { use = "flat-line", quantity = "stage", tolerance = 0.001, suspect = "6 h" },
]
alarms = [{ use = "flood", warning = 3.7, critical = 4.2 }, { use = "rise", above = 0.3 }, "silent"]
"""
AIR = """
steps = [
  { use = "correction", formula = "airnow-fasm-2021-10" },
  "means", "nowcast", "aqi-th", "aqi-us",
  { use = "spike", quantity = "pm2_5", suspect = 100 },
  { use = "flat-line", quantity = "pm2_5", tolerance = 0.1, suspect = "3 h" },
]
alarms = ["smoke", "silent"]
"""
METER = """
steps = [
  { use = "transformers", ct = 40 },
  { use = "total", most_w = 100000 },
  "power-consistency", "energy-balance",
  { use = "gross-range", quantity = "frequency", usual = [49.5, 50.5] },
]
alarms = ["voltage", "silent"]
"""


def gauge(rng: random.Random) -> Iterator[dict[str, float]]:
    distance = 5.0
    while True:
        distance = min(8.0, max(1.0, distance + rng.gauss(0, 0.01)))
        yield {"distance": round(distance, 3)}


def air(rng: random.Random) -> Iterator[dict[str, float]]:
    pm = 60.0
    while True:
        pm = max(1.0, pm + rng.gauss(0, 2))
        yield {"pm1": pm * 0.7, "pm2_5": pm, "pm10": pm * 1.3, "air_temperature": 30.0, "relative_humidity": 55.0}


def meter(rng: random.Random) -> Iterator[dict[str, float]]:
    energy = 1000.0
    while True:
        energy += 0.01
        values = {"energy_import": round(energy, 2), "active_power": 600.0, "frequency": 50.0}
        for phase in ("l1", "l2", "l3"):
            u, i = 230 + rng.gauss(0, 1), 0.9
            values |= {f"voltage_{phase}": u, f"current_{phase}": i, f"power_factor_{phase}": 0.97}
            values |= {f"active_power_{phase}": u * i * 0.97}
        yield values


KINDS: dict[str, tuple[str, Callable[[random.Random], Iterator[dict[str, float]]]]] = {
    "gauge": (GAUGE, gauge),
    "air station": (AIR, air),
    "meter": (METER, meter),
}


def made(name: str) -> tuple[Chain, Iterator[dict[str, float]]]:
    """A chain and its readings."""
    text, source = KINDS[name]
    readings = source(random.Random(1))
    return chain(text, *next(readings), period_s=60.0), readings


def run() -> Iterator[dict[str, object]]:
    """Two figures a device; the cost is that of the least disturbed thousand readings."""
    for name in KINDS:
        steps, readings = made(name)
        each_us = []
        for thousand in range(20):
            inputs = [next(readings) for _ in range(1000)]
            context = [Context(START + (1000 * thousand + number) * 60_000_000_000) for number in range(1000)]
            begun = time.process_time_ns()
            for values, at in zip(inputs, context, strict=True):
                steps.take(values, {}, at)
            each_us.append((time.process_time_ns() - begun) / 1e6)
        state = len(json.dumps(steps.state(), separators=(",", ":")))
        yield {"name": f"chain of a {name}", "value": round(min(each_us[4:]), 1), "unit": "us/reading"}
        yield {"name": f"chain of a {name}, state", "value": round(state / 1024, 1), "unit": "KiB"}
