"""Steps of air: corrections, means, NowCast and indices, each only with enough data and otherwise absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.meaning import aqi
from gateway.meaning.correction import FORMULAS, Formula, clamped
from gateway.meaning.flags import FAIL, verdict
from gateway.meaning.kinds.parts import HIDDEN, Base, Named, beside, inherited, watched
from gateway.meaning.means import RunningMean
from gateway.meaning.nowcast import RunningNowCast
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, needs
from gateway.meaning.state import State, StateError, integer, opened
from gateway.meaning.steps import Context, Event, Values

_DAY_S, _HOUR_S = 86400.0, 3600.0
_CORRECTED = "pm2_5_corrected"


def _usable(values: Values, name: str) -> float | None:
    """A quantity's number unless it failed: what is wrong must not enter a mean."""
    results, numbers = values.results.get(name), values.numbers
    if results is not None and FAIL in results.values() and verdict(results) == FAIL:
        return None
    value = numbers.get(name)
    return numbers.get(HIDDEN + name, value) if name == _CORRECTED else value


class Correction(Base):
    """A published correction of PM2.5 by humidity, beside the raw value."""

    def __init__(self, named: Named, formula: Formula, source: str, humidity: str) -> None:
        super().__init__(named)
        self._formula, self._source, self._humidity = formula, source, humidity

    def __call__(self, values: Values, context: Context) -> Values:
        x, rh = values.numbers.get(self._source), beside(values, context, self._humidity)
        y = self._formula(x, rh) if x is not None and rh is not None else None
        if y is None:
            return values
        sources = (self._source,) if "/" in self._humidity else (self._source, self._humidity)
        found = inherited(values, *sources)
        # A concentration begins at 0, but clamping before averaging would bias the mean upwards.
        numbers = {"pm2_5_corrected": round(clamped(y), 6), HIDDEN + "pm2_5_corrected": y}
        return values.put(numbers, {"pm2_5_corrected": found})


def _correction(said: Mapping[str, Any], facts: Facts) -> Correction:
    formula = FORMULAS[said["formula"]]
    source, humidity = said["from"] or formula.source_quantity, said["humidity"]
    needs(facts, (source,), "from")
    if "/" not in humidity:
        needs(facts, (humidity,), "humidity")
    detail = f"{formula.id} of {source} and {humidity}"
    named = Named("correction", "1", detail, ("pm2_5_corrected",), watched(humidity))
    return Correction(named, formula, source, humidity)


class Means(Base):
    """Running means under names of their own; absent where less than 75 % of the readings are there."""

    def __init__(self, named: Named, means: Mapping[str, tuple[str, RunningMean]]) -> None:
        super().__init__(named)
        self._means = means

    def __call__(self, values: Values, context: Context) -> Values:
        numbers: dict[str, float] = {}
        results: dict[str, Mapping[str, int]] = {}
        for name, (source, mean) in self._means.items():
            value = mean.add(context.at, _usable(values, source))
            if value is not None:
                numbers[name] = round(max(value, 0.0), 6)
                results[name] = _COMPLETE
        return values.put(numbers, results) if numbers else values

    def state(self) -> State:
        return {"kind": "means/1", **{name: mean.state() for name, (_, mean) in self._means.items()}}

    def restore(self, state: object) -> None:
        saved = opened(state, "means/1", *self._means)
        before = self.state()
        try:
            for name, (_, mean) in self._means.items():
                mean.restore(saved[name])
        except StateError:
            for name, (_, mean) in self._means.items():
                mean.restore(before[name])
            raise


_COMPLETE = {"completeness": 1}
"""A mean of readings that did not fail, and enough of them, is good."""


def _best(facts: Facts, said: str) -> str:
    """The corrected value where one is configured."""
    if said:
        needs(facts, (said,), "from")
        return said
    return "pm2_5_corrected" if "pm2_5_corrected" in facts.quantities else "pm2_5"


def _means(said: Mapping[str, Any], facts: Facts) -> Means:
    fine = _best(facts, said["from"])
    wanted = {"pm2_5_1h": (fine, _HOUR_S), "pm2_5_24h": (fine, _DAY_S), "pm10_24h": ("pm10", _DAY_S)}
    means = {
        name: (source, RunningMean(window_s, facts.period_s))
        for name, (source, window_s) in wanted.items()
        if not facts.quantities or source in facts.quantities
    }
    if not means or facts.period_s > _HOUR_S:
        raise StepError("steps.no_pollutant", "use")
    detail = ", ".join(f"{name} of {source}" for name, (source, _) in means.items())
    return Means(Named("means", "1", detail, tuple(means)), means)


class Cast(Base):
    """NowCast of PM2.5."""

    def __init__(self, named: Named, source: str, cast: RunningNowCast) -> None:
        super().__init__(named)
        self._source, self._cast = source, cast

    def __call__(self, values: Values, context: Context) -> Values:
        now = self._cast.add(context.at, _usable(values, self._source))
        if now is None:
            return values
        return values.put({"pm2_5_nowcast": round(max(now.value, 0.0), 6)}, {"pm2_5_nowcast": _COMPLETE})

    def state(self) -> State:
        return self._cast.state()

    def restore(self, state: object) -> None:
        self._cast.restore(state)


def _nowcast(said: Mapping[str, Any], facts: Facts) -> Cast:
    source = _best(facts, said["from"])
    needs(facts, (source,), "from")
    return Cast(Named("nowcast", "1", f"of {source}", ("pm2_5_nowcast",)), source, RunningNowCast(facts.period_s))


class ThaiIndex(Base):
    """Thai AQI of the 24 h means that are there; above 200 the level alone. A change of level is an event."""

    def __init__(self, named: Named, inputs: Mapping[str, str]) -> None:
        super().__init__(named)
        self._inputs = inputs
        self._level = 0

    def __call__(self, values: Values, context: Context) -> Values:
        present = {
            pollutant: value
            for pollutant, name in self._inputs.items()
            if (value := values.numbers.get(name)) is not None and 0 <= value <= 1e9
        }
        if not present:
            return values
        index = aqi.thai_overall(present)
        numbers = {"aqi_th_level": float(index.level.number)}
        if index.aqi is not None:
            numbers["aqi_th"] = float(index.aqi)
        found = inherited(values, *(self._inputs[pollutant] for pollutant in present))
        events = []
        if self._level and self._level != index.level.number:
            level = index.level
            data: dict[str, float | str] = {"from": self._level, "to": level.number, "pollutant": index.pollutant}
            events = [Event("aqi-level", context.at, {**data, "th": level.th, "en": level.en})]
        self._level = index.level.number
        return values.put(numbers, dict.fromkeys(numbers, found), events=events)

    def state(self) -> State:
        return {"kind": "aqi-th/1", "level": self._level}

    def restore(self, state: object) -> None:
        self._level = integer(opened(state, "aqi-th/1", "level")["level"], "level", 0, len(aqi.TH_LEVELS))


def _thai(said: Mapping[str, Any], facts: Facts) -> ThaiIndex:
    inputs = {name: name for name in ("pm2_5_24h", "pm10_24h") if not facts.quantities or name in facts.quantities}
    if not inputs:
        raise StepError("steps.needs_means", "use")
    of = "pm2_5_corrected" if "pm2_5_corrected" in facts.quantities else "pm2_5"
    named = Named("aqi-th", "1", f"{aqi.TH_ID} of {', '.join(inputs)}, PM2.5 from {of}", ("aqi_th", "aqi_th_level"))
    return ThaiIndex(named, inputs)


class UsIndex(Base):
    """US EPA AQI of the NowCast of PM2.5 and PM10; absent above its table."""

    def __init__(self, named: Named, coarse: RunningNowCast | None) -> None:
        super().__init__(named)
        self._coarse = coarse
        self._known: dict[tuple[str, float], int | None] = {}
        """Indices of the NowCasts of this hour: they change once an hour."""

    def __call__(self, values: Values, context: Context) -> Values:
        fine = values.numbers.get("pm2_5_nowcast")
        coarse = None if self._coarse is None else self._coarse.add(context.at, _usable(values, "pm10"))
        found = [] if fine is None else [self._index("pm2_5", fine)]
        if coarse is not None:
            found.append(self._index("pm10", coarse.value))
        numbers = [each for each in found if each is not None]
        if not numbers or len(numbers) < len(found):
            return values
        results = inherited(values, "pm2_5_nowcast") if fine is not None else _COMPLETE
        return values.put({"aqi_us": float(max(numbers))}, {"aqi_us": results})

    def _index(self, pollutant: str, value: float) -> int | None:
        key = pollutant, value
        if key not in self._known:
            if len(self._known) > 8:
                self._known.clear()
            self._known[key] = aqi.us(pollutant, value).aqi
        return self._known[key]

    def state(self) -> State:
        return {"kind": "aqi-us/1", "coarse": None if self._coarse is None else self._coarse.state()}

    def restore(self, state: object) -> None:
        saved = opened(state, "aqi-us/1", "coarse")["coarse"]
        if (saved is None) != (self._coarse is None):
            raise StateError("coarse: expected to be there with PM10 alone")
        if self._coarse is not None:
            self._coarse.restore(saved)


def _us(said: Mapping[str, Any], facts: Facts) -> UsIndex:
    has_coarse = not facts.quantities or "pm10" in facts.quantities
    if facts.quantities and "pm2_5_nowcast" not in facts.quantities:
        raise StepError("steps.needs_nowcast", "use")
    of = "pm2_5_nowcast, pm10" if has_coarse else "pm2_5_nowcast"
    coarse = RunningNowCast(facts.period_s) if has_coarse else None
    return UsIndex(Named("aqi-us", "1", f"{aqi.US_ID} of NowCast of {of}", ("aqi_us",)), coarse)


RECIPES = (
    Recipe(
        "correction",
        "1",
        _correction,
        {
            "formula": Setting("choice", choices=tuple(FORMULAS)),
            "from": Setting("text", ""),
            "humidity": Setting("text", "relative_humidity"),
        },
    ),
    Recipe("means", "1", _means, {"from": Setting("text", "")}),
    Recipe("nowcast", "1", _nowcast, {"from": Setting("text", "")}),
    Recipe("aqi-th", "1", _thai),
    Recipe("aqi-us", "1", _us),
)
