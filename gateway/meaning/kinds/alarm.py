"""Alarms at the end of a chain: one rule each, and the ready rules that make several."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

from gateway.meaning import aqi
from gateway.meaning.alarms import RECORDS, Change, Rule, SilenceAlarm, ThresholdAlarm
from gateway.meaning.flags import GOOD, NOT_EVALUATED, SUSPECT
from gateway.meaning.kinds.parts import ALARM, Base, Named
from gateway.meaning.recipe import Facts, Recipe, Setting, StepError, needs
from gateway.meaning.state import State, integer, items, number, opened, text
from gateway.meaning.steps import Context, Event, Values

Level = Literal["info", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("info", "warning", "critical")


class Alarm(Base):
    """One rule of a device. `told` is its last change, for the retained topic."""

    def __init__(
        self, named: Named, rule: str, quantity: str, level: Level, life: ThresholdAlarm | SilenceAlarm
    ) -> None:
        super().__init__(named)
        self.rule, self._quantity, self._level, self._life = rule, quantity, level, life
        self.told: Change | None = None

    def __call__(self, values: Values, context: Context) -> Values:
        life, name = self._life, self._quantity
        if isinstance(life, SilenceAlarm):
            change = life.add(context.at, is_late=context.is_late)
        else:
            value = values.numbers.get(name)
            if value is None:
                change = life.tick(context.at)
            elif life.is_quiet_at(value):
                life.pass_by(context.at)
                return values
            else:
                results = values.results.get(name)
                change = life.add(context.at, value, values.flag(name), results, is_late=context.is_late)
        return values if change is None else values.put(events=[self._tell(change)])

    def tick(self, at: int) -> list[Event]:
        """Time passed without a reading."""
        change = self._life.tick(at)
        return [] if change is None else [self._tell(change)]

    def shift(self, by_ns: int) -> None:
        """The clock was set by so much."""
        self._life.shift(by_ns)

    def _tell(self, change: Change) -> Event:
        self.told = change
        return Event(ALARM, change.at, self.facts(change))

    def facts(self, change: Change) -> dict[str, float | str]:
        """What an event says of a change; `since_s` is how long before it the condition began."""
        return {
            "rule": self.rule,
            "state": change.state,
            "level": self._level,
            "quantity": self._quantity,
            "value": change.value,
            "threshold": change.threshold,
            "since_s": (change.at - change.since_at) / 1e9,
        }

    @property
    def level(self) -> Level:
        return self._level

    @property
    def quantity(self) -> str:
        return self._quantity

    def state(self) -> State:
        return {
            "kind": f"alarm-step/1 {self.rule} {self._quantity}",
            "life": self._life.state(),
            "told": None if self.told is None else list(self.told),
        }

    def restore(self, state: object) -> None:
        saved = opened(state, f"alarm-step/1 {self.rule} {self._quantity}", "life", "told")
        told = None
        if saved["told"] is not None:
            word, at, since_at, value, threshold = items(saved["told"], "told", 5, 5)
            is_raised = text(word, "told") == "raised"
            told = Change(
                "raised" if is_raised else "cleared",
                integer(at, "told"),
                integer(since_at, "told"),
                number(value, "told"),
                number(threshold, "told"),
            )
        self._life.restore(saved["life"])
        self.told = told


def _alarm(rule: Rule) -> Alarm:
    sign = ">=" if rule.is_above else "<="
    detail = f"{rule.id}: {rule.quantity} {sign} {rule.threshold:g} {rule.level}"
    return Alarm(Named(ALARM, "1", detail), rule.id, rule.quantity, rule.level, ThresholdAlarm(rule))


def _threshold(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    name, above, below = said["quantity"], said["above"], said["below"]
    needs(facts, (name,), "quantity")
    if (above is None) == (below is None):
        raise StepError("steps.above_or_below", "")
    if not said["id"]:
        raise StepError("steps.missing_setting", "", setting="id")
    gates = {"good": {GOOD}, "tested": {GOOD, SUSPECT}, "any": {GOOD, NOT_EVALUATED, SUSPECT}}
    rule = Rule(
        said["id"],
        name,
        below if above is None else above,
        above is not None,
        said["level"],
        said["hysteresis"],
        said["hold"],
        said["readings"],
        said["patience"],
        said["clear_hold"],
        frozenset(gates[said["quality"]]),
        RECORDS if said["records"] else frozenset(),
    )
    return [_alarm(rule)]


def _flood(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    """Stages of a gauge. Raised by the second reading in a row, or after a minute without one that contradicts."""
    needs(facts, ("stage",), "use")
    stages = [(level, said[level]) for level in LEVELS if said[level] is not None]
    if not stages or any(a[1] >= b[1] for a, b in pairwise(stages)):
        raise StepError("steps.flood_stages", "")
    return [
        _alarm(
            Rule(
                f"flood-{level}", "stage", stage, True, level, said["hysteresis"], 0.0, 2, 60.0, said["clear_hold"],
                despite=RECORDS,
            )
        )
        for level, stage in stages
    ]  # fmt: skip


def _rise(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    needs(facts, ("stage_rate",), "use")
    above, level = said["above"], said["level"]
    rule = Rule("rapid-rise", "stage_rate", above, True, level, above / 4, 0.0, 2, 60.0, 900.0, despite=RECORDS)
    return [_alarm(rule)]


def _smoke(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    """The upper two levels of the Thai index, taken for a shorter time than its own: a signal, not the index."""
    rules = []
    for names, key in ((("pm2_5_corrected", "pm2_5"), "pm2_5"), (("co",), "co")):
        name = next((name for name in names if not facts.quantities or name in facts.quantities), None)
        if name is None:
            continue
        stem = "smoke-" + key.replace("_", "-")
        for level, threshold in zip(LEVELS[1:], said[key], strict=True):
            id_, hold_s = f"{stem}-{level}", said["hold"]
            rules.append(Rule(id_, name, threshold, True, level, threshold / 10, hold_s, 2, clear_hold_s=600))
    if not rules:
        raise StepError("steps.no_pollutant", "use")
    return [_alarm(rule) for rule in rules]


def _voltage(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    names = [name for name in ("voltage", "voltage_l1", "voltage_l2", "voltage_l3") if name in facts.quantities]
    if not names:
        raise StepError("steps.no_voltage", "use")
    rules = []
    for name in names:
        phase = name.removeprefix("voltage").replace("_", "-")
        for word, limit, is_above in (("under", said["under"], False), ("over", said["over"], True)):
            rules.append(Rule(f"{word}-voltage{phase}", name, limit, is_above, said["level"], 2.0, said["hold"], 2))
    return [_alarm(rule) for rule in rules]


def _silent(said: Mapping[str, Any], facts: Facts) -> list[Alarm]:
    after_s = said["after"] or max(60.0, 5 * facts.period_s)
    named = Named(ALARM, "1", f"silent: no reading for {after_s:g} s {said['level']}")
    return [Alarm(named, "silent", "silence", said["level"], SilenceAlarm("silent", after_s))]


def limits(pollutant: str) -> tuple[float, float]:
    """Where the upper two levels of the Thai index begin."""
    edges = aqi.thai_edges(pollutant)
    return edges[3], edges[4]


_LEVEL = Setting("choice", "warning", choices=LEVELS)
RECIPES = (
    Recipe(
        "threshold",
        "1",
        _threshold,
        {
            "id": Setting("id"),
            "quantity": Setting("quantity"),
            "above": Setting("number", None),
            "below": Setting("number", None),
            "level": _LEVEL,
            "hysteresis": Setting("number", 0.0, 0),
            "hold": Setting("duration", 0.0),
            "readings": Setting("integer", 1, 1, 1000),
            "patience": Setting("duration", None),
            "clear_hold": Setting("duration", 0.0),
            "quality": Setting("choice", "any", choices=("good", "tested", "any")),
            "records": Setting("flag", False),
        },
    ),
    Recipe(
        "flood",
        "1",
        _flood,
        {
            "info": Setting("number", None),
            "warning": Setting("number", None),
            "critical": Setting("number", None),
            "hysteresis": Setting("number", 0.05, 0),
            "clear_hold": Setting("duration", 900.0),
        },
    ),
    Recipe("rise", "1", _rise, {"above": Setting("number", 0.3), "level": _LEVEL}),
    Recipe(
        "smoke",
        "1",
        _smoke,
        {
            "pm2_5": Setting("span", limits("pm2_5_24h")),
            "co": Setting("span", limits("co_8h")),
            "hold": Setting("duration", 600.0),
        },
    ),
    Recipe(
        "voltage",
        "1",
        _voltage,
        {
            "under": Setting("number", 207.0),
            "over": Setting("number", 253.0),
            "level": _LEVEL,
            "hold": Setting("duration", 10.0),
        },
    ),
    Recipe("silent", "1", _silent, {"after": Setting("duration", None), "level": _LEVEL}),
)
