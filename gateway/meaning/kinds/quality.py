"""Steps that judge: the QARTOD tests of one quantity, and what a vocabulary's span and an instrument say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.meaning.flags import QualityTest
from gateway.meaning.kinds.parts import Base, Named, watched
from gateway.meaning.kinds.vocabulary import LARGEST, span_of
from gateway.meaning.qartod import Agreement, Climatology, GrossRange, RateOfChange, Season, Spike
from gateway.meaning.qartod_windows import AttenuatedSignal, FlatLine
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, needs
from gateway.meaning.state import State
from gateway.meaning.steps import Context, Values


class Judge(Base):
    """A test without memory of one quantity."""

    def __init__(self, named: Named, test: QualityTest, name: str) -> None:
        super().__init__(named)
        self.test, self._quantity = test, name

    def __call__(self, values: Values, context: Context) -> Values:
        name, test = self._quantity, self.test
        value = values.numbers.get(name)
        flag, previous = test.add(context.at, value)
        before = values.results.get(name)
        if value is None and before is None:
            # It was not said, and nobody said that it is missing: the reading has no such value.
            return values
        if before is not None and test.id in before and before[test.id] == 4:
            flag = 4
        results = {**values.results, name: {test.id: flag} if before is None else {**before, test.id: flag}}
        revised = values.revised if previous is None else {**values.revised, name: {test.id: previous}}
        return Values(values.numbers, results, revised, values.events)


class Remembering(Judge):
    """A test that remembers."""

    def state(self) -> State:
        return self.test.state()

    def restore(self, state: object) -> None:
        self.test.restore(state)


class Neighbour(Base):
    """Agreement with another device's value, or with a twin in the same device."""

    def __init__(self, named: Named, test: Agreement, name: str, other: str) -> None:
        super().__init__(named)
        self._test, self._quantity, self.other = test, name, other

    def __call__(self, values: Values, context: Context) -> Values:
        name = self._quantity
        value = values.numbers.get(name)
        if "/" in self.other:
            sample = context.neighbours.get(self.other)
            other_at, other = (context.at, None) if sample is None or sample.flag > 2 else (sample.at, sample.value)
        else:
            other_at, other = context.at, values.numbers.get(self.other)
        if value is None:
            return values
        flag = self._test.compare(context.at, value, other_at, other).flag
        return values.put(results={name: {self._test.id: flag}})


def _range(said: Mapping[str, Any], facts: Facts) -> Judge:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    fail = said["fail"] or span_of(name) or (-LARGEST, LARGEST)
    if said["fail"] is None and said["usual"] is None:
        raise StepError("steps.missing_setting", "", setting="usual")
    test = GrossRange(fail, said["usual"])
    return Judge(Named("gross-range", "1", f"{name} {_span(fail)} usual {_span(said['usual'])}"), test, name)


def _span(span: tuple[float, float] | None) -> str:
    return "any" if span is None else f"{span[0]:g}..{span[1]:g}"


def _climatology(said: Mapping[str, Any], facts: Facts) -> Judge:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    seasons = [Season(each["usual"], each["months"], each["hours"]) for each in said["seasons"]]
    test = Climatology(tuple(seasons), round(said["utc_offset"] * 3600))
    return Judge(Named("climatology", "1", f"{name} {len(seasons)} seasons"), test, name)


def _spike(said: Mapping[str, Any], facts: Facts) -> Remembering:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    test = Spike(said["suspect"], said["fail"], said["method"])
    return Remembering(Named("spike", "1", f"{name} over {said['suspect'] or said['fail']:g}"), test, name)


def _rate(said: Mapping[str, Any], facts: Facts) -> Remembering:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    per_s = {"s": 1.0, "min": 60.0, "h": 3600.0}[said["per"]]
    fail = None if said["fail"] is None else said["fail"] / per_s
    test = RateOfChange(said["suspect"] / per_s, fail)
    return Remembering(Named("rate-of-change", "1", f"{name} over {said['suspect']:g}/{said['per']}"), test, name)


def _flat(said: Mapping[str, Any], facts: Facts) -> Remembering:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    test = FlatLine(said["suspect"], said["fail"] or said["suspect"], said["tolerance"], facts.period_s)
    return Remembering(
        Named("flat-line", "1", f"{name} within {said['tolerance']:g} for {said['suspect']:g} s"), test, name
    )


def _attenuated(said: Mapping[str, Any], facts: Facts) -> Remembering:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    test = AttenuatedSignal(said["suspect"], said["fail"], said["window"], method=said["method"], least=said["least"])
    return Remembering(
        Named("attenuated-signal", "1", f"{name} {said['method']} over {said['window']:g} s"), test, name
    )


def _neighbour(said: Mapping[str, Any], facts: Facts) -> Neighbour:
    name, other = said["quantity"], said["other"]
    needs(facts, (name,), "quantity")
    if "/" not in other:
        needs(facts, (other,), "other")
    test = Agreement(said["absolute"], said["relative"], said["age"])
    named = Named("neighbour", "1", f"{name} and {other}", (), watched(other))
    return Neighbour(named, test, name, other)


_QUANTITY = Setting("quantity")
_SEASON = {
    "usual": Setting("span"),
    "months": Setting("hours", (1, 12), 1, 12),
    "hours": Setting("hours", (0, 23), 0, 23),
}
RECIPES = (
    Recipe(
        "gross-range",
        "1",
        _range,
        {"quantity": _QUANTITY, "fail": Setting("span", None), "usual": Setting("span", None)},
        is_test=True,
    ),
    Recipe(
        "climatology",
        "1",
        _climatology,
        {
            "quantity": _QUANTITY,
            "seasons": Setting("entries", entries=_SEASON),
            "utc_offset": Setting("number", 7.0, -12, 14),
        },
        is_test=True,
    ),
    Recipe(
        "spike",
        "1",
        _spike,
        {
            "quantity": _QUANTITY,
            "suspect": Setting("number", None),
            "fail": Setting("number", None),
            "method": Setting("choice", "average", choices=("average", "differential")),
        },
        is_test=True,
    ),
    Recipe(
        "rate-of-change",
        "1",
        _rate,
        {
            "quantity": _QUANTITY,
            "suspect": Setting("number"),
            "fail": Setting("number", None),
            "per": Setting("choice", "min", choices=("s", "min", "h")),
        },
        is_test=True,
    ),
    Recipe(
        "flat-line",
        "1",
        _flat,
        {
            "quantity": _QUANTITY,
            "tolerance": Setting("number"),
            "suspect": Setting("duration"),
            "fail": Setting("duration", None),
        },
        is_test=True,
    ),
    Recipe(
        "attenuated-signal",
        "1",
        _attenuated,
        {
            "quantity": _QUANTITY,
            "window": Setting("duration"),
            "suspect": Setting("number"),
            "fail": Setting("number", 0.0),
            "method": Setting("choice", "std", choices=("std", "range")),
            "least": Setting("integer", 3, 1, 96),
        },
        is_test=True,
    ),
    Recipe(
        "neighbour",
        "1",
        _neighbour,
        {
            "quantity": _QUANTITY,
            "other": Setting("text"),
            "absolute": Setting("number"),
            "relative": Setting("number", 0.0),
            "age": Setting("duration", 300.0),
        },
        is_test=True,
    ),
)
