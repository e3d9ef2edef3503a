"""Steps of energy: totals that carry on, and whether power, energy and voltage fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.meaning.counter import CarriedTotal
from gateway.meaning.energy import EnergyBalance, energy_total, power_consistency
from gateway.meaning.flags import GOOD, SUSPECT
from gateway.meaning.kinds.parts import Base, Named
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, needs
from gateway.meaning.state import State, items, opened
from gateway.meaning.steps import Context, Event, Values


class Total(Base):
    """The carried total of a register, or of several that add up (tariffs). It is always given, also when it waits."""

    def __init__(self, named: Named, sources: Sequence[str], target: str, totals: Sequence[CarriedTotal]) -> None:
        super().__init__(named)
        self._sources, self._target, self._totals = tuple(sources), target, tuple(totals)

    def __call__(self, values: Values, context: Context) -> Values:
        total, flag = 0.0, GOOD
        results: dict[str, Mapping[str, int]] = {}
        events: list[Event] = []
        for source, carried in zip(self._sources, self._totals, strict=True):
            register = values.numbers.get(source)
            # What range control refused is no register value.
            if register is not None and values.flag(source) == 4:
                register = None
            said = carried.add(context.at, register, context.serial)
            total += said.total
            if register is not None and not said.is_believed:
                results[source] = {"counter": SUSPECT}
                flag = SUSPECT
            elif register is None:
                flag = SUSPECT
            else:
                results[source] = {"counter": GOOD}
            events += [Event(each.kind, each.at, {"quantity": source, **each.data}) for each in said.events]
        if not any(source in values.numbers for source in self._sources):
            return values
        results[self._target] = {"counter": flag}
        return values.put({self._target: round(total, 6)}, results, events=events)

    def replace(self) -> None:
        """Another instrument: its register begins a new segment."""
        for carried in self._totals:
            carried.replace()

    def state(self) -> State:
        return {"kind": f"total/1 {' '.join(self._sources)}", "parts": [each.state() for each in self._totals]}

    def restore(self, state: object) -> None:
        saved = opened(state, f"total/1 {' '.join(self._sources)}", "parts")
        parts = items(saved["parts"], "parts", len(self._totals), len(self._totals))
        before = [each.state() for each in self._totals]
        try:
            for each, part in zip(self._totals, parts, strict=True):
                each.restore(part)
        except ValueError:
            for each, old in zip(self._totals, before, strict=True):
                each.restore(old)
            raise


_TARGETS = ("energy_import_total", "energy_export_total")


def _total(said: Mapping[str, Any], facts: Facts) -> Total:
    sources = said["from"] or ("energy_import",)
    needs(facts, sources, "from")
    target = said["to"]
    if target in sources or not said["most_w"] > 0:
        raise StepError("steps.total_most", "most_w")
    totals = [
        energy_total(said["most_w"], wraps_at_kwh=said["wraps_at"], resolution_kwh=said["resolution"]) for _ in sources
    ]
    detail = f"{target} of {' + '.join(sources)} at most {said['most_w']:g} W"
    return Total(Named("total", "1", detail, (target,)), sources, target, totals)


_CONSISTENT = {flag: {"power-consistency": flag} for flag in (1, 2, 3)}


class Consistency(Base):
    """S² = P² + Q² and P = U I pf, phase by phase."""

    def __init__(self, named: Named, tolerance: float, floor_va: float) -> None:
        super().__init__(named)
        self._tolerance, self._floor_va = tolerance, floor_va

    def __call__(self, values: Values, context: Context) -> Values:
        flags = power_consistency(values.numbers, tolerance=self._tolerance, floor_va=self._floor_va)
        return values.put(results={name: _CONSISTENT[flag] for name, flag in flags.items()})


def _consistency(said: Mapping[str, Any], facts: Facts) -> Consistency:
    named = Named("power-consistency", "1", f"within {said['tolerance']:g}")
    return Consistency(named, said["tolerance"], said["floor"])


class Balance(Base):
    """Whether the register rises as the power says."""

    def __init__(self, named: Named, power: str, register: str, balance: EnergyBalance) -> None:
        super().__init__(named)
        self._power, self._register, self._balance = power, register, balance

    def __call__(self, values: Values, context: Context) -> Values:
        power, register = values.numbers.get(self._power), values.numbers.get(self._register)
        if power is None or register is None:
            return values
        found = {"energy-balance": self._balance.add(context.at, power, register)}
        return values.put(results={self._power: found, self._register: found})

    def state(self) -> State:
        return self._balance.state()

    def restore(self, state: object) -> None:
        self._balance.restore(state)


def _balance(said: Mapping[str, Any], facts: Facts) -> Balance:
    power, register = said["power"], said["register"]
    needs(facts, (power,), "power")
    needs(facts, (register,), "register")
    gap_s = max(120.0, 3 * facts.period_s)
    balance = EnergyBalance(
        window_s=max(said["window"], gap_s), tolerance=said["tolerance"], resolution_kwh=said["resolution"], gap_s=gap_s
    )
    return Balance(Named("energy-balance", "1", f"{power} and {register}"), power, register, balance)


RECIPES = (
    Recipe(
        "total",
        "1",
        _total,
        {
            "from": Setting("quantities", ()),
            "to": Setting("choice", _TARGETS[0], choices=_TARGETS),
            "most_w": Setting("number"),
            "wraps_at": Setting("number", None),
            "resolution": Setting("number", 0.01),
        },
    ),
    Recipe(
        "power-consistency",
        "1",
        _consistency,
        {"tolerance": Setting("number", 0.05), "floor": Setting("number", 20.0)},
        is_test=True,
    ),
    Recipe(
        "energy-balance",
        "1",
        _balance,
        {
            "power": Setting("quantity", "active_power"),
            "register": Setting("quantity", "energy_import"),
            "window": Setting("duration", 3600.0),
            "tolerance": Setting("number", 0.1),
            "resolution": Setting("number", 0.01),
        },
        is_test=True,
    ),
)
