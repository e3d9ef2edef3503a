"""Steps of water: stage and elevation, rate of rise, discharge, rain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.meaning.flags import MISSING
from gateway.meaning.history import Entry, History
from gateway.meaning.kinds.parts import Base, Named, beside, dated, inherited, story, watched
from gateway.meaning.rain import RainGauge
from gateway.meaning.rating import LogTable, PowerLaw, Rating, Segment
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, history_of, needs
from gateway.meaning.stage import GRAVITY, WATER, Gauge, GaugeZero, Mounting, RateOfRise, sound_corrected
from gateway.meaning.state import State
from gateway.meaning.steps import Context, Values

_SOURCES = ("distance", "water_depth", "water_pressure")
_HOTTEST = 85.0


class Stage(Base):
    """Stage and elevation from what the instrument measures, by the mounting and gauge zero of the reading's time."""

    def __init__(self, named: Named, source: str, gauge: Gauge, air: str, assumed_cel: float) -> None:
        super().__init__(named)
        self._source, self._gauge, self._air, self._assumed_cel = source, gauge, air, assumed_cel

    def __call__(self, values: Values, context: Context) -> Values:
        source, gauge = self._source, self._gauge
        measured = values.numbers.get(source)
        if measured is None:
            return values
        if source == "distance":
            air_cel = beside(values, context, self._air) if self._air else None
            if air_cel is not None and -_HOTTEST < air_cel <= _HOTTEST:
                measured = sound_corrected(measured, air_cel, self._assumed_cel)
            level = gauge.from_distance(context.at, measured)
        elif source == "water_depth":
            level = gauge.from_depth(context.at, measured)
        else:
            level = gauge.from_pressure(context.at, measured)
        if level is None:
            return values
        found = inherited(values, source)
        if level.elevation is None:
            return values.put({"stage": round(level.stage, 6)}, {"stage": found})
        numbers = {"stage": round(level.stage, 6), "water_elevation": round(level.elevation, 6)}
        return values.put(numbers, {"stage": found, "water_elevation": found})


def _stage(said: Mapping[str, Any], facts: Facts) -> Stage:
    source = said["from"]
    needs(facts, (source,), "from")
    if said["air"] and "/" not in said["air"]:
        needs(facts, (said["air"],), "air")
    mountings: History[Mounting] = History(
        dated(each, Mounting(each["height"], each["tilt"], each["density"], each["gravity"]))
        for each in said["history"]
    )
    zeros: History[GaugeZero] = History(
        dated(each, GaugeZero(each["elevation"], each["datum"])) for each in said["zero"]
    )
    datum = f" zero {zeros.entries[-1].value.datum} {story(zeros)}" if zeros.entries else ""
    makes = ("stage", "water_elevation") if zeros.entries else ("stage",)
    named = Named("stage", "1", f"from {source}, mounted {story(mountings)}{datum}", makes, watched(said["air"]))
    return Stage(named, source, Gauge(mountings, zeros), said["air"], said["assumed"])


class Rise(Base):
    """Rate of rise of the stage."""

    def __init__(self, named: Named, rise: RateOfRise) -> None:
        super().__init__(named)
        self._rise = rise

    def __call__(self, values: Values, context: Context) -> Values:
        rate = self._rise.add(context.at, values.numbers.get("stage"))
        if rate is None or "stage" not in values.numbers:
            return values
        return values.put({"stage_rate": round(rate, 6)}, {"stage_rate": inherited(values, "stage")})

    def state(self) -> State:
        return self._rise.state()

    def restore(self, state: object) -> None:
        self._rise.restore(state)


def _rise(said: Mapping[str, Any], facts: Facts) -> Rise:
    needs(facts, ("stage",), "use")
    named = Named("rate-of-rise", "1", f"over {said['window']:g} s", ("stage_rate",))
    return Rise(named, RateOfRise(said["window"], least=said["least"]))


class Discharge(Base):
    """Discharge from the stage by the rating curve of the reading's time."""

    def __init__(self, named: Named, ratings: History[Rating]) -> None:
        super().__init__(named)
        self._ratings = ratings

    def __call__(self, values: Values, context: Context) -> Values:
        stage, entry = values.numbers.get("stage"), self._ratings.at(context.at)
        if stage is None or entry is None:
            return values
        found = entry.value.discharge(stage)
        if found.value is None:
            return values.put(results={"discharge": {"rating": MISSING}})
        results = {**inherited(values, "stage"), "rating": found.flag}
        return values.put({"discharge": round(found.value, 6)}, {"discharge": results})


def _rating(said: Mapping[str, Any]) -> Entry[Rating]:
    if (said["points"] is None) == (said["segments"] is None):
        raise StepError("steps.one_rating", "history")
    if said["points"] is not None:
        table = LogTable(said["points"], said["offset"])
        return dated(said, Rating(table, said["valid"] or (said["points"][0][0], said["points"][-1][0])))
    if said["valid"] is None:
        raise StepError("steps.missing_setting", "history", setting="valid")
    segments = tuple(Segment(*each) for each in said["segments"])
    return dated(said, Rating(PowerLaw(segments), said["valid"]))


def _discharge(said: Mapping[str, Any], facts: Facts) -> Discharge:
    needs(facts, ("stage",), "use")
    ratings: History[Rating] = History(map(_rating, said["history"]))
    return Discharge(Named("discharge", "1", f"rating {story(ratings)}", ("discharge",)), ratings)


class Rain(Base):
    """Total, rate and sums of a rain gauge."""

    def __init__(self, named: Named, source: str, gauge: RainGauge) -> None:
        super().__init__(named)
        self._source, self._gauge = source, gauge

    def __call__(self, values: Values, context: Context) -> Values:
        amount = values.numbers.get(self._source)
        if self._source == "rain":
            rain = self._gauge.add_increment(context.at, amount)
        else:
            rain = self._gauge.add_counter(context.at, amount)
        numbers = {name: value for name, value in rain.numbers.items() if name not in values.numbers}
        results = {name: {"rain": flag} for name, flag in rain.flags.items() if name in rain.numbers}
        return values.put(numbers, results, events=rain.events)

    def state(self) -> State:
        return self._gauge.state()

    def restore(self, state: object) -> None:
        self._gauge.restore(state)


def _rain(said: Mapping[str, Any], facts: Facts) -> Rain:
    source = said["from"]
    needs(facts, (source,), "from")
    gauge = RainGauge(facts.period_s, most_mm_h=said["most"], modulus_mm=said["wraps_at"])
    made = ("rain", "rain_total", "rain_rate", "rain_1h", "rain_24h")
    return Rain(Named("rain", "1", f"from {source}", tuple(name for name in made if name != source)), source, gauge)


_MOUNTING = {
    "height": Setting("number", least=-1000, most=1000),
    "tilt": Setting("number", 0.0, 0, 59),
    "density": Setting("number", WATER, 900, 1300),
    "gravity": Setting("number", GRAVITY, 9.7, 9.9),
}
_ZERO = {"elevation": Setting("number", least=-500, most=9000), "datum": Setting("text", "MSL")}
_RATING = {
    "points": Setting("points", None),
    "offset": Setting("number", 0.0),
    "segments": Setting("rows", None),
    "valid": Setting("span", None),
}
RECIPES = (
    Recipe(
        "stage",
        "1",
        _stage,
        {
            "from": Setting("choice", "distance", choices=_SOURCES),
            "history": history_of(_MOUNTING),
            "zero": Setting("entries", (), entries=history_of(_ZERO).entries),
            "air": Setting("text", ""),
            "assumed": Setting("number", 20.0, -20, 60),
        },
    ),
    Recipe(
        "rate-of-rise",
        "1",
        _rise,
        {"window": Setting("duration", 3600.0, 60, 7 * 86400), "least": Setting("integer", 3, 2, 24)},
    ),
    Recipe("discharge", "1", _discharge, {"history": history_of(_RATING)}),
    Recipe(
        "rain",
        "1",
        _rain,
        {
            "from": Setting("choice", "rain_counter", choices=("rain_counter", "rain")),
            "most": Setting("number", 400.0, 1, 2000),
            "wraps_at": Setting("number", None),
        },
    ),
)
