"""Random walks of a gauge and a meter with injected faults: every fault is known, so every answer can be checked.

python -m tests.meaning.walks [SEEDS]     10,000 by default; prints one line, exit 1 where anything is wrong
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field

from gateway.meaning.chain import Chain, Outcome
from gateway.meaning.steps import Context
from tests.edge.meaning_bench import chain
from tests.meaning.support import SECOND, START

READINGS = 60
SPIKE, STEP, FLAT = 0.3, 0.25, 10
GAUGE = f"""
steps = [
  {{ use = "gross-range", quantity = "stage", fail = [-1, 12], usual = [0, 6] }},
  {{ use = "spike", quantity = "stage", suspect = {SPIKE} }},
  {{ use = "rate-of-change", quantity = "stage", suspect = {STEP} }},
  {{ use = "flat-line", quantity = "stage", tolerance = 0.0001, suspect = "{FLAT} min" }},
]
"""
SLOW = "".join(line for line in GAUGE.splitlines(keepends=True) if "rate-of-change" not in line)
MODULUS = 1000.0
METER = f'steps = [{{ use = "total", most_w = 60000, wraps_at = {MODULUS:g} }}]'
MOST_KWH = 60 / 60
"""In a minute."""


@dataclass
class Tally:
    """What the walks met."""

    seeds: int = 0
    readings: int = 0
    injected: dict[str, int] = field(default_factory=dict)
    unflagged: list[str] = field(default_factory=list)
    false_energy: list[str] = field(default_factory=list)
    inexact: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.unflagged or self.false_energy or self.inexact)


def flags_of(outcomes: list[Outcome]) -> list[int]:
    """Final flags of the stage: those of the readings, and those that events told one reading later."""
    flags = [outcome.flags["stage"] for outcome in outcomes]
    for number, outcome in enumerate(outcomes):
        for event in outcome.events:
            if event.kind == "quality":
                flags[number - 1] = max(flags[number - 1], int(event.data["flag"]))
    return flags


def gauge(seed: int, tally: Tally, steps: Chain) -> None:
    """A slow river with spikes, values that cannot be, and a stuck instrument."""
    rng = random.Random(seed)
    stage, series, bad = 2.0, [], {}
    stuck = 0
    for number in range(READINGS):
        stage = min(5.0, max(0.5, stage + rng.uniform(-0.02, 0.02)))
        if stuck:
            stuck -= 1
            series.append(series[-1])
            continue
        kind = rng.random()
        clear = not bad or number - max(bad) > 3
        if 3 < number < READINGS - 3 and clear and kind < 0.03:
            bad[number] = "spike"
            series.append(stage + rng.choice([-1, 1]) * rng.uniform(1.2 * SPIKE + 0.2, 2.0))
        elif clear and 0.03 <= kind < 0.05:
            bad[number] = "range"
            series.append(rng.choice([-5.0, 13.0, 8.0, 150.0]))
        elif clear and 0.05 <= kind < 0.06 and 3 < number < READINGS - FLAT - 8:
            stuck = FLAT + 2
            bad[number + stuck] = "stuck"
            series.append(stage)
        else:
            series.append(stage)
    outcomes = [steps.take({"stage": x}, {}, Context(START + i * 60 * SECOND)) for i, x in enumerate(series)]
    flags = flags_of(outcomes)
    for number, kind in bad.items():
        if number < len(flags):
            tally.injected[kind] = tally.injected.get(kind, 0) + 1
            if flags[number] not in (3, 4):
                tally.unflagged.append(f"seed {seed}, reading {number}: {kind} {series[number]} is {flags[number]}")
    tally.readings += len(series)


def meter(seed: int, tally: Tally, steps: Chain) -> None:
    """A register that wraps, is reset, replaced, reads 0 or nonsense for one reading, or stands still."""
    rng = random.Random(seed)
    register, serial = rng.uniform(0, MODULUS), "A"
    shown: list[tuple[float, str]] = []
    energy, lost = [0.0], 0.0
    hold, upset = 0, -9
    for number in range(READINGS):
        used = round(rng.uniform(0, 0.9 * MOST_KWH), 2)
        kind, is_quiet = rng.random(), number - upset > 4 and 4 < number < READINGS - 6
        # A reset just below the modulus looks like a wrap to anybody; meters are not reset there here.
        if is_quiet and kind < 0.02 and register < MODULUS - 4 * MOST_KWH:
            upset, register, event = number, 0.0, "reset"
        elif is_quiet and kind < 0.03:
            upset, register, event = number, rng.uniform(0, MODULUS), "replaced"
            serial += "'"
        else:
            register, event = (register + used) % MODULUS, ""
        if event:
            used, lost = 0.0, lost + 2 * MOST_KWH
        energy.append(energy[-1] + used)
        value = round(register, 2) % MODULUS
        if is_quiet and not event and kind > 0.95:
            upset, event = number, "glitch"
            value = rng.choice([0.0, round(rng.uniform(0, MODULUS), 2), 65535.0])
        elif is_quiet and not event and kind > 0.93:
            upset, hold, event = number, 3, "stuck"
        if hold:
            hold -= 1
            value = shown[-1][0]
        if event:
            tally.injected[event] = tally.injected.get(event, 0) + 1
        shown.append((value, serial))
    before = 0.0
    for number, (value, said) in enumerate(shown):
        outcome = steps.take({"energy_import": value}, {}, Context(START + number * 60 * SECOND, serial=said))
        total = outcome.numbers["energy_import_total"]
        if total < before or total > energy[number + 1] + 0.011 * (number + 1):
            tally.false_energy.append(f"seed {seed}, reading {number}: {total} of {energy[number + 1]:.2f} kWh")
        before = total
    # What a reset or a replacement hides is not booked, and the newest readings wait for their confirmation.
    if before < energy[-1] - lost - 4 * MOST_KWH:
        tally.inexact.append(f"seed {seed}: {before} of {energy[-1]:.2f} kWh, at most {lost:.2f} hidden")
    tally.readings += len(shown)


def exact(seed: int, tally: Tally, steps: Chain) -> None:
    """Wraps and single wrong values alone: the total is the difference of the register, to the last digit."""
    rng = random.Random(seed)
    # It begins below the modulus: a register that wraps between its first two readings is counted from the third.
    cents, begun, total = rng.randrange(99_000), 0, 0.0
    for number in range(READINGS):
        # At the end the meter stands still, so that all is confirmed.
        cents += rng.randrange(0, 90) if number < READINGS - 3 else 0
        is_wrong = number > 3 and number % 7 == 5 and number < READINGS - 3
        value = rng.choice([0, rng.randrange(100_000)]) if is_wrong else cents % 100_000
        outcome = steps.take({"energy_import": value / 100}, {}, Context(START + number * 60 * SECOND))
        total = outcome.numbers["energy_import_total"]
        begun = cents if number == 1 else begun
        tally.readings += 1
    if round(total * 100) != cents - begun:
        tally.inexact.append(f"seed {seed}: {total} of {(cents - begun) / 100} kWh")


def run(seeds: range) -> Tally:
    """All walks of these seeds."""
    tally = Tally()
    for seed in seeds:
        tally.seeds += 1
        # Every other gauge has no rate test beside: what is known one reading later must come by an event.
        gauge(seed, tally, chain(GAUGE if seed % 2 else SLOW, "stage"))
        meter(seed, tally, chain(METER, "energy_import"))
        exact(seed, tally, chain(METER, "energy_import"))
    return tally


if __name__ == "__main__":
    begun = time.monotonic()
    found = run(range(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
    print(
        f"{found.seeds} seeds, {found.readings} readings, injected {found.injected}: unflagged {len(found.unflagged)}, "
        f"false energy {len(found.false_energy)}, inexact {len(found.inexact)}; {time.monotonic() - begun:.0f} s"
    )
    for line in (*found.unflagged, *found.false_energy, *found.inexact)[:20]:
        print(" ", line)
    sys.exit(not found.is_good)
