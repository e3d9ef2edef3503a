"""Every part that remembers: a state from a hostile hand is refused whole, or does no harm."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.alarms import Rule, SilenceAlarm, ThresholdAlarm
from gateway.meaning.counter import CarriedTotal
from gateway.meaning.energy import EnergyBalance
from gateway.meaning.filters import EchoFilter
from gateway.meaning.means import HourMeans, RunningMean
from gateway.meaning.nowcast import RunningNowCast
from gateway.meaning.qartod import GrossRange, RateOfChange, Spike
from gateway.meaning.qartod_windows import AttenuatedSignal, FlatLine
from gateway.meaning.rain import RainGauge
from gateway.meaning.stage import RateOfRise
from gateway.meaning.state import Keeper, StateError
from tests.meaning.support import SECOND, START, reborn

Make = Callable[[], Any]
Feed = Callable[[Any, int, "float | None"], object]


def plain(part: Any, at: int, value: float | None) -> object:
    return part.add(at, value)


PARTS: dict[str, tuple[Make, Feed]] = {
    "running mean": (lambda: RunningMean(3600, 60), plain),
    "hour means": (lambda: HourMeans(60), lambda part, at, value: (part.add(at, value), part.completed())),
    "nowcast": (lambda: RunningNowCast(60), plain),
    "gross range": (lambda: GrossRange((0, 100)), plain),
    "spike": (lambda: Spike(1, 2), plain),
    "rate of change": (lambda: RateOfChange(1, 2), plain),
    "flat line": (lambda: FlatLine(120, 600, 0.5, 60), plain),
    "attenuated signal": (lambda: AttenuatedSignal(1, 0.5, 1800, most=40), plain),
    "rate of rise": (lambda: RateOfRise(), plain),
    "echo filter": (lambda: EchoFilter(7), plain),
    "carried total": (lambda: CarriedTotal(1e5, modulus=1000), plain),
    "energy balance": (
        lambda: EnergyBalance(window_s=300),
        lambda part, at, value: part.add(at, value, None if value is None else value / 9),
    ),
    "rain by counter": (lambda: RainGauge(60), lambda part, at, value: part.add_counter(at, value)),
    "rain by increment": (lambda: RainGauge(60), lambda part, at, value: part.add_increment(at, value)),
    "alarm": (lambda: ThresholdAlarm(Rule("r", "stage", 50, hold_s=120, patience_s=900)), plain),
    "silence": (
        lambda: SilenceAlarm("r", 90),
        lambda part, at, value: part.tick(at) if value is None else part.add(at),
    ),
}


def fed(name: str, seed: int, count: int = 90) -> Keeper:
    make, feed = PARTS[name]
    part, rng, x, at = make(), random.Random(seed), 50.0, START
    for _ in range(count):
        at += rng.choice([60, 60, 60, 300]) * SECOND
        x = min(max(x + rng.gauss(0.3, 0.5), 0), 99)
        feed(part, at, None if rng.random() < 0.05 else round(x, 2))
    assert isinstance(part.state(), dict)
    return part  # type: ignore[no-any-return]


POISON = st.sampled_from([
    None, True, "", "9" * 70, [], {}, [[]], -1, 0, 1, 2**63, -(2**70), 10**400, 1e300, -1e300, 1e-300, 1e14,
    float("nan"), float("inf"), 0.5, [1, 2], [1, 2, 3], [0] * 400, [[0, 0.0]] * 200, {"kind": "slots/1"},
])  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all members of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, member in inner for place in places(member, (*path, key))]


@pytest.mark.parametrize("name", PARTS)
@settings(deadline=None)
@given(data=st.data())
def test_a_poisoned_state_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    make, feed = PARTS[name]
    state: Any = json.loads(json.dumps(fed(name, data.draw(st.integers(0, 3))).state()))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from([place for place in places(state) if place]))
        target = state
        for key in path:
            target = target[key]
        if data.draw(st.booleans()):
            target[last] = copy.deepcopy(data.draw(POISON))
        else:
            del target[last]
        if not any(places(state)):
            break
    part = make()
    before = part.state()
    try:
        part.restore(state)
    except StateError:
        assert part.state() == before, "a refused state changes nothing"
        return
    # Believed: then it must go on without an exception, keep its bounds, and speak JSON.
    for i in range(1, 40):
        feed(part, START + i * 3600 * SECOND, float(i))
        json.dumps(part.state(), allow_nan=False)
    assert len(json.dumps(part.state())) < 20_000


@pytest.mark.parametrize("name", PARTS)
def test_what_is_no_state_at_all(name: str) -> None:
    part = PARTS[name][0]()
    for state in (None, [], "x", 5, {}, {"kind": None}, {"kind": "spike/0"}, {"kind": ["x"]}):
        with pytest.raises(StateError):
            part.restore(state)


@pytest.mark.parametrize("name", PARTS)
def test_a_state_fits_a_few_kilobytes_and_outlives_a_week(name: str) -> None:
    make, feed = PARTS[name]
    part = reborn(make, fed(name, 1, 3000))
    assert len(json.dumps(part.state())) < 9000
    for day in (7, 8, 400):
        feed(part, START + (3000 * 300 + day * 86400) * SECOND, 55.0)
    reborn(make, part)


def test_truth_is_no_number() -> None:
    with pytest.raises(StateError, match="expected a number"):
        Spike(1).restore({"kind": "spike/1", "newest": [True, 1.0]})
    with pytest.raises(StateError, match="expected an integer"):
        RateOfChange(1).restore({"kind": "rate-of-change/1", "last": [True, 1.0]})


def test_a_state_of_other_settings_is_refused() -> None:
    for one, other in (
        (RunningMean(3600, 60), RunningMean(3600, 30)),
        (AttenuatedSignal(1, 0, 60), AttenuatedSignal(1, 0, 120)),
        (EchoFilter(5), EchoFilter(7)),
        (CarriedTotal(1, modulus=10), CarriedTotal(1, modulus=100)),
        (ThresholdAlarm(Rule("a", "stage", 1)), ThresholdAlarm(Rule("b", "stage", 1))),
    ):
        with pytest.raises(StateError, match="expected"):
            other.restore(one.state())
