"""Totals of registers: against the true consumption of simulated meters with every fault that is known."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meaning.counter import Carried, CarriedTotal
from gateway.meaning.energy import energy_total
from tests.meaning.support import SECOND, START, survives_restarts

PERIOD_S = 60
MOST_W = 30_000


def feed(total: CarriedTotal, item: tuple[Any, ...]) -> Carried:
    return total.add(*item)


def run(registers: list[float | None], total: CarriedTotal | None = None, serial: str = "") -> list[Carried]:
    total = total or energy_total(MOST_W, wraps_at_kwh=10_000)
    return [total.add(START + i * PERIOD_S * SECOND, register, serial) for i, register in enumerate(registers)]


def kinds(outputs: list[Carried]) -> list[str]:
    return [event.kind for output in outputs for event in output.events]


def test_a_total_is_one_reading_behind_its_register() -> None:
    outputs = run([100.0, 100.1, 100.3, 100.3, 100.6])
    assert [output.total for output in outputs] == [0, 0, 0, 0.2, 0.2]
    assert all(output.is_believed for output in outputs)
    # The standing register was confirmed by the last reading; the rise waits for the next one.
    assert [output.booked for output in outputs] == [0, 0, 0, 0.2, 0]


@pytest.mark.parametrize("wrong", [0.0, 99.9, 100.35, 100.9, 9_999.9, 4_294_967.295, 165.5, -1.0, float("nan"), None])
@pytest.mark.parametrize("place", range(6))
def test_one_wrong_value_books_nothing(wrong: float | None, place: int) -> None:
    registers: list[float | None] = [100.0, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6, 100.7]
    truth = [100.0, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6, 100.7]
    registers[place] = wrong
    outputs = run(registers)
    assert all(0 <= output.total <= true - 100 + 1e-9 for output, true in zip(outputs, truth, strict=True))
    assert [output.total for output in outputs] == sorted(output.total for output in outputs)
    if place > 2:
        assert outputs[-1].total == pytest.approx(0.5, abs=1e-9)
        assert set(kinds(outputs)) <= {"counter-glitch"}


def test_a_wrap_is_booked_and_a_zero_near_the_top_is_not() -> None:
    assert run([9999.8, 9999.9, 9999.95, 0.0, 10_000 - 0.01])[-1].total == pytest.approx(0.05)
    wrapped = run([9999.8, 9999.9, 9999.95, 0.1, 0.2, 0.3])
    assert wrapped[-1].total == pytest.approx(0.3)
    assert kinds(wrapped) == ["counter-wrap"]
    # A fall from far below the top is no wrap.
    fallen = run([5000.0, 5000.1, 5000.2, 0.1, 0.2, 0.3, 0.4])
    assert kinds(fallen) == ["counter-reset"]
    assert fallen[-1].total == pytest.approx(0.1)


def test_a_reset_begins_anew_and_tells_what_is_unknown() -> None:
    outputs = run([5000.0, 5000.1, 5000.3, 0.0, 0.2, 0.3, 0.5])
    (event,) = [event for output in outputs for event in output.events]
    assert (event.kind, event.at) == ("counter-reset", START + 3 * PERIOD_S * SECOND)
    assert event.data == {"from": 5000.1, "to": 0.0, "unbooked": pytest.approx(0.2)}
    assert outputs[-1].total == pytest.approx(0.1)
    assert [output.is_believed for output in outputs] == [True, True, True, False, True, True, True]


def test_a_jump_is_not_energy() -> None:
    outputs = run([100.0, 100.1, 100.2, 65_636.0, 65_636.1, 65_636.2, 65_636.3])
    assert kinds(outputs) == ["counter-jump"]
    assert outputs[-1].total == pytest.approx(0.1)


def test_zeros_for_a_while_lose_nothing() -> None:
    outputs = run([5000.0, 5000.1, 5000.2, 0.0, 0.0, 0.0, 5000.6, 5000.7, 5000.8])
    assert kinds(outputs) == ["counter-reset", "counter-resumed"]
    assert outputs[-1].total == pytest.approx(0.6)
    # The same after two hours is another register for all we know.
    total = energy_total(MOST_W)
    run([5000.0, 5000.1, 5000.2, 0.0, 0.0], total)
    late = START + 7200 * SECOND
    assert [event.kind for at in (late, late + SECOND) for event in total.add(at, 5000.6).events] == ["counter-jump"]


def test_another_serial_number_is_another_register() -> None:
    total = energy_total(MOST_W)
    run([500.0, 500.1, 500.2, 500.3], total, "A1")
    later = START + 10 * PERIOD_S * SECOND
    assert total.add(later, 500.4, "B2").events == ()
    (event,) = total.add(later + SECOND, 500.5, "B2").events
    assert (event.kind, event.data["serial"], event.data["old"]) == ("counter-replaced", "B2", "A1")
    outputs = [total.add(later + i * PERIOD_S * SECOND, 500.5 + i / 10, "B2") for i in range(1, 6)]
    assert outputs[-1].total == pytest.approx(0.1 + 0.3)
    # A serial number that was read wrongly once changes nothing.
    assert not total.add(later + 6 * PERIOD_S * SECOND, 501.1, "??").is_believed
    assert total.add(later + 7 * PERIOD_S * SECOND, 501.2, "B2").is_believed


def test_a_replacement_by_hand_keeps_the_total() -> None:
    total = energy_total(MOST_W)
    before = run([500.0, 500.1, 500.2, 500.3], total)[-1].total
    total.replace()
    outputs = [total.add(START + (20 + i) * PERIOD_S * SECOND, 3.0 + i / 10) for i in range(5)]
    assert [output.total for output in outputs[:3]] == [before] * 3
    assert outputs[-1].total == pytest.approx(before + 0.2)


def test_an_outage_is_one_long_step() -> None:
    total = energy_total(MOST_W)
    run([500.0, 500.1, 500.2], total)
    week = START + 7 * 86400 * SECOND
    total.add(week, 2500.0)
    assert total.add(week + PERIOD_S * SECOND, 2500.1).total == pytest.approx(1999.9)


def test_what_is_plausible() -> None:
    # 30 kW for a minute are 0.5 kWh, with a fifth on top 0.6, and one step of the register.
    for step, is_plausible in ((0.6, True), (0.61, True), (0.62, False)):
        assert run([500.0, 500.0, 500.0 + step])[-1].is_believed is is_plausible


def test_a_stuck_register_may_catch_up() -> None:
    outputs = run([500.0, 500.1, 500.2, *[500.2] * 10, 505.5, 505.6])
    assert outputs[-1].total == pytest.approx(5.4)
    assert kinds(outputs) == []


def test_a_wrap_that_could_be_anything_is_a_reset() -> None:
    total = energy_total(MOST_W, wraps_at_kwh=1000)
    run([300.0, 300.1, 300.2], total)
    week = START + 7 * 86400 * SECOND
    assert total.add(week, 290.0).events == ()
    assert [event.kind for event in total.add(week + SECOND, 290.0).events] == ["counter-reset"]


def test_a_register_that_counts_is_not_a_pause() -> None:
    outputs = run([5.0, 5.1, 5.2, 0.0, 0.0, 0.2, 5.4, 5.4])
    assert kinds(outputs) == ["counter-reset", "counter-jump"]
    assert outputs[-1].total == 0


def test_the_second_reading_may_be_the_wrong_one() -> None:
    outputs = run([100.0, 100.4, 100.1, 100.2, 100.3, 100.4])
    assert kinds(outputs) == ["counter-glitch"]
    assert outputs[-1].total == pytest.approx(0.2)
    # A hair lower than the first, within the register's resolution, is no lower base.
    assert run([100.0, 99.995, 100.0, 100.0, 100.0])[-1].total == 0


def test_float_noise_is_neither_a_reset_nor_energy() -> None:
    outputs = run([150_781.96875, 150_781.98, 150_781.97, 150_781.98, 150_781.97, 150_781.98])
    assert kinds(outputs) == []
    assert outputs[-1].total == 0


def test_booking_at_once_waits_only_for_what_is_not_plausible() -> None:
    total = CarriedTotal(400, books_at_once=True, starts_at_zero=True)
    outputs = run([10.0, 10.2, 0.0, 10.4, 900.0, 10.6, 0.4, 0.6, 0.8], total)
    assert [output.booked for output in outputs] == pytest.approx([0, 0.2, 0, 0.2, 0, 0.2, 0, 0.6, 0.2])
    assert kinds(outputs) == ["counter-glitch", "counter-glitch", "counter-reset"]


def test_a_small_fall_is_not_counted_from_zero() -> None:
    total = CarriedTotal(400, books_at_once=True, starts_at_zero=True)
    outputs = run([3.0, 3.4, 3.1, 3.2], total)
    assert [output.booked for output in outputs] == pytest.approx([0, 0.4, 0, 0])


def simulate(seed: int, length: int = 120) -> None:
    """A meter with a random load, faults and restarts; the total against what was truly consumed."""
    rng = random.Random(seed)
    modulus = rng.choice([None, 10_000, 1_000])
    resets = sorted(rng.sample(range(8, length - 8), rng.choice([0, 0, 1, 2])))
    truth, used = [0], 0
    for _ in range(length - 1):
        # Watt-hours a minute of a load up to 90 % of what the connection can draw, often nothing.
        used += rng.choice([0, rng.randint(0, MOST_W * 9 // 10 // 60)])
        truth.append(used)
    offset = rng.choice(
        [0, rng.randint(0, 10**8), (modulus or 100) * 1000 - rng.randint(truth[4] + 1, used + truth[4] + 1)]
    )
    registers: list[float | None] = []
    for i, consumed in enumerate(truth):
        # A reset just below the top cannot be told from a wrap by anybody.
        if i in resets and modulus and (registers[-1] or 0) > modulus - 10:
            resets.remove(i)
        if i in resets:
            # A new meter whose register happens to stand where the old one's might be is no new one to anybody either.
            other = rng.choice([100, 300, 500, 700])
            is_new = rng.random() < 0.2 and abs(other - (registers[-1] or 0)) > 50
            offset = other * 1000 - truth[i - 1] if is_new else -truth[i - 1]
        counted = offset + consumed
        registers.append((counted % (modulus * 1000) if modulus else counted) / 1000)
    i = rng.randint(0, 6)
    early = sorted(registers[:3], key=lambda register: register or 0) != registers[:3]
    while i < length - 4:
        true = registers[i] or 0.0
        early = early or i < 3
        fault = rng.choice(["zero", "spike", "near", "bits", "missing", "stuck"])
        if fault == "stuck":
            stop = min(i + rng.randint(2, 6), length - 4)
            # It stands still, and not over a reset: then it would only be a later one.
            if not any(i <= reset <= stop for reset in resets):
                registers[i:stop] = [true] * (stop - i)
                i = stop - 1
        else:
            registers[i] = {
                "zero": 0.0,
                "spike": rng.uniform(0, 2**32 / 1000),
                "near": max(0.0, true + rng.uniform(-0.5, 0.5)),
                "bits": ((round(true * 1000) ^ 1 << rng.randint(0, 31)) & 0xFFFFFFFF) / 1000,
                "missing": None,
            }[fault]
        i += rng.randint(3, 25)
    total = energy_total(MOST_W, wraps_at_kwh=modulus, resolution_kwh=0.001)
    booked = 0.0
    for i, (register, true) in enumerate(zip(registers, truth, strict=True)):
        if rng.random() < 0.05:
            state, total = total.state(), energy_total(MOST_W, wraps_at_kwh=modulus, resolution_kwh=0.001)
            total.restore(state)
        carried = total.add(START + i * PERIOD_S * SECOND, register)
        booked += carried.booked
        assert carried.total >= booked - 1e-6, "a total is the sum of what was booked"
        assert carried.total <= true / 1000 + 1e-9, f"seed {seed}: false energy at {i}"
    if not carried.is_believed:
        return  # A wrap at the very end waits for the next reading.
    if not resets:
        # The first reading proves nothing and the last one waits for the next.
        exact = (truth[-2] - truth[1]) / 1000
        assert early or carried.total == pytest.approx(exact, abs=1e-9), f"seed {seed}: energy lost"
        return
    # Around a reset only the intervals beside it (and what a fault there hides) may be missing.
    known = [i for i in range(2, length - 1) if not any(reset - 6 <= i <= reset + 6 for reset in resets)]
    least = sum(truth[i] - truth[i - 1] for i in known) / 1000
    assert early or carried.total >= least - 1e-9, f"seed {seed}: energy lost"


@pytest.mark.parametrize("block", range(4))
def test_totals_are_exact_and_never_false(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        simulate(seed)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10_000) | st.none() | st.integers(0, 20).map(float), max_size=60))
def test_any_register_survives_restarts_and_never_falls(registers: list[float | None]) -> None:
    items = [(START + i * SECOND, register, "") for i, register in enumerate(registers)]
    outputs: list[Any] = survives_restarts(lambda: CarriedTotal(3600, modulus=10_000), feed, items)
    totals = [output.total for output in outputs]
    assert totals == sorted(totals)


def test_settings_that_could_never_work_are_refused() -> None:
    for wrong in ({"most_per_h": 0}, {"most_per_h": 1, "resolution": -1}, {"most_per_h": 1, "modulus": 0}):
        with pytest.raises(ValueError, match="a counter needs"):
            CarriedTotal(**wrong)
