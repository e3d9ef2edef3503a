"""Steps that change values: units, transformer ratios, sign, calibration, filters; and the doubt of a warm-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.core.quantities import quantity as known_quantity
from drivers.core.units import UnknownUnit, factor
from gateway.meaning.calibration import EVERYWHERE, Curve, Linear, Polynomial, Table, calibrate
from gateway.meaning.energy import primary, reversed_sign
from gateway.meaning.filters import EchoFilter
from gateway.meaning.flags import FAIL, GOOD, SUSPECT
from gateway.meaning.history import Entry, History
from gateway.meaning.kinds.parts import Base, Named, changed, dated, story
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, history_of, needs
from gateway.meaning.state import SECOND, State, integer, opened
from gateway.meaning.steps import Context, Values

UNBOUND = (float("-inf"), float("inf"))


class Units(Base):
    """A quantity that the device gives in another unit than the vocabulary's."""

    def __init__(self, named: Named, quantity: str, numerator: float, denominator: float) -> None:
        super().__init__(named)
        self._quantity, self._numerator, self._denominator = quantity, numerator, denominator

    def __call__(self, values: Values, context: Context) -> Values:
        value = values.numbers.get(self._quantity)
        if value is None:
            return values
        return values.put({self._quantity: value * self._numerator / self._denominator})


def _units(said: Mapping[str, Any], facts: Facts) -> Units:
    name, unit = said["quantity"], known_quantity(said["quantity"]).unit
    needs(facts, (name,), "quantity")
    try:
        ratio = factor(said["from"], unit)
    except UnknownUnit as error:
        raise StepError(str(error), "from") from None
    return Units(Named("units", "1", f"{name} from {said['from']}"), name, *ratio)


class Calibration(Base):
    """The calibration that holds at the reading's time; before the first one the value is the instrument's."""

    def __init__(self, named: Named, quantity: str, history: History[Curve]) -> None:
        super().__init__(named)
        self.quantity, self.history = quantity, history

    def __call__(self, values: Values, context: Context) -> Values:
        value = values.numbers.get(self.quantity)
        if value is None:
            return values
        result = calibrate(self.history, context.at, value)
        return changed(values, self.quantity, result.value, "calibration", result.flag)


def calibration_step(quantity: str, entries: Sequence[Entry[Curve]]) -> Calibration:
    """A calibration of a quantity from its dated curves."""
    history = History(entries)
    detail = " ".join(filter(None, (quantity, story(history))))
    return Calibration(Named("calibration", "1", detail, (quantity + "_raw",)), quantity, history)


def _curve(said: Mapping[str, Any]) -> Curve:
    kinds = [key for key in ("gain", "coefficients", "points") if said[key] is not None]
    if len(kinds) > 1:
        raise StepError("steps.one_curve", "history")
    valid = said["valid"] or EVERYWHERE
    if said["coefficients"] is not None:
        return Polynomial(said["coefficients"], valid)
    if said["points"] is not None:
        return Table(said["points"])
    return Linear(1.0 if said["gain"] is None else said["gain"], said["offset"], valid)


def _calibration(said: Mapping[str, Any], facts: Facts) -> Calibration:
    needs(facts, (said["quantity"],), "quantity")
    return calibration_step(said["quantity"], [dated(entry, _curve(entry)) for entry in said["history"]])


class Filter(Base):
    """A median or Hampel filter against false echoes. A value that failed does not enter it."""

    def __init__(self, named: Named, quantity: str, echoes: EchoFilter) -> None:
        super().__init__(named)
        self._quantity, self._echoes = quantity, echoes

    def __call__(self, values: Values, context: Context) -> Values:
        name = self._quantity
        value = values.numbers.get(name)
        if value is None or values.flag(name) == FAIL:
            return values
        filtered = self._echoes.add(context.at, value)
        if filtered.value is None:  # outside the span that the filter takes: nothing to replace it with
            return values.put(results={name: {"filter": SUSPECT}})
        return changed(values, name, filtered.value, "filter", GOOD)

    def state(self) -> State:
        return self._echoes.state()

    def restore(self, state: object) -> None:
        self._echoes.restore(state)


def _filter(said: Mapping[str, Any], facts: Facts) -> Filter:
    name = said["quantity"]
    needs(facts, (name,), "quantity")
    echoes = EchoFilter(
        said["size"],
        method=said["method"],
        limit=said["limit"],
        floor=said["floor"],
        span=said["span"] or UNBOUND,
        age_s=said["age"],
    )
    return Filter(Named("filter", "1", f"{name} {said['method']} of {said['size']}", (name + "_raw",)), name, echoes)


class Transformers(Base):
    """The values in the mains of a meter behind current and voltage transformers."""

    def __init__(self, named: Named, ct: float, vt: float) -> None:
        super().__init__(named)
        self._ct, self._vt = ct, vt

    def __call__(self, values: Values, context: Context) -> Values:
        return Values(primary(values.numbers, self._ct, self._vt), values.results, values.revised, values.events)


def _transformers(said: Mapping[str, Any], facts: Facts) -> Transformers:
    primary({}, said["ct"], said["vt"])
    return Transformers(Named("transformers", "1", f"ct {said['ct']:g} vt {said['vt']:g}"), said["ct"], said["vt"])


class ReversedSign(Base):
    """A meter that counts export as positive, in our convention."""

    def __call__(self, values: Values, context: Context) -> Values:
        numbers = reversed_sign(values.numbers)
        # A flag belongs to the register that was judged, whatever it is called now.
        names = dict(zip(values.numbers, numbers, strict=True))
        results = {names.get(name, name): found for name, found in values.results.items()}
        return Values(numbers, results, values.revised, values.events)


def _reversed(said: Mapping[str, Any], facts: Facts) -> ReversedSign:
    return ReversedSign(Named("reversed-sign", "1"))


class WarmUp(Base):
    """3 for readings that come too soon after the instrument began to speak again: fans and heaters need a while."""

    def __init__(self, named: Named, quantities: Sequence[str], warm_ns: int, gap_ns: int) -> None:
        super().__init__(named)
        self._quantities, self._warm_ns, self._gap_ns = frozenset(quantities), warm_ns, gap_ns
        self._began_at = self._last_at = 0

    def __call__(self, values: Values, context: Context) -> Values:
        at = context.at
        if not self._last_at <= at < self._last_at + self._gap_ns:
            self._began_at = at
        self._last_at = at
        flag = SUSPECT if at - self._began_at < self._warm_ns else GOOD
        names = self._quantities & values.numbers.keys() if self._quantities else values.numbers
        own = {"warm-up": flag}
        return values.put(results=dict.fromkeys(names, own))

    def state(self) -> State:
        return {"kind": "warm-up/1", "began_at": self._began_at, "last_at": self._last_at}

    def restore(self, state: object) -> None:
        saved = opened(state, "warm-up/1", "began_at", "last_at")
        began_at, last_at = integer(saved["began_at"], "began_at"), integer(saved["last_at"], "last_at")
        self._began_at, self._last_at = began_at, last_at


def _warm_up(said: Mapping[str, Any], facts: Facts) -> WarmUp:
    gap_s = said["gap"] or max(60.0, 3 * facts.period_s)
    named = Named("warm-up", "1", f"{said['lasts']:g} s after {gap_s:g} s of silence")
    return WarmUp(named, said["quantities"], round(said["lasts"] * SECOND), round(gap_s * SECOND))


_CURVES = {
    "gain": Setting("number", None),
    "offset": Setting("number", 0.0),
    "coefficients": Setting("numbers", None),
    "points": Setting("points", None),
    "valid": Setting("span", None),
}
RECIPES = (
    Recipe("units", "1", _units, {"quantity": Setting("quantity"), "from": Setting("text")}),
    Recipe("calibration", "1", _calibration, {"quantity": Setting("quantity"), "history": history_of(_CURVES)}),
    Recipe(
        "filter",
        "1",
        _filter,
        {
            "quantity": Setting("quantity"),
            "method": Setting("choice", "hampel", choices=("hampel", "median")),
            "size": Setting("integer", 7, 3, 31),
            "limit": Setting("number", 3.5),
            "floor": Setting("number", 0.0),
            "span": Setting("span", None),
            "age": Setting("duration", 3600.0),
        },
    ),
    Recipe("transformers", "1", _transformers, {"ct": Setting("number", 1.0), "vt": Setting("number", 1.0)}),
    Recipe("reversed-sign", "1", _reversed),
    Recipe(
        "warm-up",
        "1",
        _warm_up,
        {"lasts": Setting("duration"), "gap": Setting("duration", None), "quantities": Setting("quantities", ())},
        is_test=True,
    ),
)
