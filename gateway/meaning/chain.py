"""A device's chain of steps: from what a driver decoded to what is published, with every step's word kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.meaning.flags import MISSING, NOT_EVALUATED, verdict
from gateway.meaning.kinds.parts import HIDDEN, RAW, Named
from gateway.meaning.kinds.vocabulary import INSIDE, Vocabulary
from gateway.meaning.recipe import Facts, Recipe, StepError
from gateway.meaning.state import State, StateError, opened
from gateway.meaning.steps import Context, Event, Step, Values

if TYPE_CHECKING:  # most nodes have none of these, and memory is short on them
    from gateway.meaning.calibration import Curve
    from gateway.meaning.history import Entry
    from gateway.meaning.kinds.alarm import Alarm


class Outcome(NamedTuple):
    """What a chain makes of one reading. `flags` has every quantity, also those that are missing (9).

    `trace` is the reading after each step, `inputs` what is needed to run it again and does not stand in `numbers`.
    """

    numbers: Mapping[str, float]
    flags: Mapping[str, int]
    events: tuple[Event, ...]
    trace: tuple[tuple[Step, Values], ...]


class Chain:
    """The steps of one device in order, then its alarms. `is_tested`: values without a flag of their own are good."""

    def __init__(self, steps: Sequence[Step], alarms: Sequence[Alarm] = ()) -> None:
        self.failures = 0
        """How often a step raised an error since the start."""
        self._previous_at = 0
        self._arrange(steps, alarms)

    def _arrange(self, steps: Sequence[Step], alarms: Sequence[Alarm]) -> None:
        self.steps, self.alarms = tuple(steps), tuple(alarms)
        self.is_tested = bool(self.steps)
        self.watched = frozenset(name for step in self.steps for name in said_of(step).watches)
        """Other devices' quantities that it looks at, as `device/quantity`."""
        self.makes = frozenset(name for step in self.steps for name in said_of(step).makes)
        self._all: tuple[Step, ...] = (*self.steps, *self.alarms)
        self._late = tuple(step for step in self._all if not _remembers(step))
        self._keys = _keys(self._all)

    @property
    def has_memory(self) -> bool:
        """True where a restart would lose something."""
        return any(_remembers(step) for step in self._all)

    def about(self) -> list[str]:
        """Each step as id/version and what it does."""
        return [f"{step.id}/{step.version} {said_of(step).detail}".rstrip() for step in self._all]

    def take(self, numbers: Mapping[str, float], quality: Mapping[str, int], context: Context) -> Outcome:
        """One reading through all steps. A late one passes those without memory alone, and raises no alarm."""
        results = {name: {"instrument": flag} for name, flag in quality.items() if flag != NOT_EVALUATED}
        values = Values(numbers, results)
        trace = []
        for step in self._late if context.is_late else self._all:
            try:
                values = step(values, context)
            except Exception as error:  # a step of somebody's that fails must not cost the reading
                values = self._failed(step, values, context, error)
            trace.append((step, values))
        events = values.events
        if values.revised:
            events += tuple(
                Event("quality", context.at, {"quantity": name, "test": test, "flag": flag, "of": self._previous_at})
                for name, tests in values.revised.items()
                for test, flag in tests.items()
                if flag > NOT_EVALUATED
            )
        if not context.is_late:
            self._previous_at = context.at
        return Outcome(*_published(values), events, tuple(trace))

    def _failed(self, step: Step, values: Values, context: Context, error: Exception) -> Values:
        """The reading as it was before; an event tells of the 1st, 2nd, 4th … failure."""
        self.failures += 1
        if self.failures & (self.failures - 1):
            return values
        why = f"{type(error).__name__}: {error}"[:200]
        return values.put(
            events=[Event("step-failed", context.at, {"step": step.id, "why": why, "so_far": self.failures})]
        )

    def tick(self, at: int) -> list[Event]:
        """Time passed without a reading: what alarms make of it."""
        return [event for alarm in self.alarms for event in alarm.tick(at)]

    def shift(self, by_ns: int) -> None:
        """The clock was set by so much."""
        for alarm in self.alarms:
            alarm.shift(by_ns)

    def recalibrate(self, quantity: str, entry: Entry[Curve]) -> None:
        """Let another calibration of a quantity hold from its time on. Raises ValueError where one begins then."""
        from gateway.meaning.kinds.conversion import Calibration, calibration_step

        for step in self.steps:
            if isinstance(step, Calibration) and step.quantity == quantity:
                entries = [*step.history.entries, entry]
                fresh = calibration_step(quantity, entries)
                self._arrange([fresh if each is step else each for each in self.steps], self.alarms)
                return
        # Where there was none it comes first, behind the range of the instrument's own values.
        at = 1 if self.steps and isinstance(self.steps[0], Vocabulary) else 0
        fresh = calibration_step(quantity, [entry])
        self._arrange([*self.steps[:at], fresh, *self.steps[at:]], self.alarms)

    def replace(self) -> None:
        """Another instrument stands in for this one: its registers begin anew, its totals go on."""
        for step in self.steps:
            replace = getattr(step, "replace", None)
            if replace is not None:
                replace()

    def state(self) -> State:
        """What every step remembers."""
        parts = {
            key: step.state()  # type: ignore[attr-defined]
            for key, step in zip(self._keys, self._all, strict=True)
            if _remembers(step)
        }
        return {"kind": "chain/1", "previous_at": self._previous_at, "parts": parts}

    def restore(self, state: object) -> list[str]:
        """Take over what fits; a step that is new or configured otherwise begins anew. Gives the keys of those."""
        saved = opened(state, "chain/1", "previous_at", "parts")
        parts, previous_at = saved["parts"], saved["previous_at"]
        if not isinstance(parts, dict) or not isinstance(previous_at, int):
            raise StateError("chain: expected the state of each step")
        self._previous_at = previous_at
        fresh = []
        for key, step in zip(self._keys, self._all, strict=True):
            if not _remembers(step):
                continue
            try:
                step.restore(parts[key])  # type: ignore[attr-defined]
            except Exception:  # a KeyError or StateError, or whatever a step of somebody's makes of a state
                fresh.append(key)
        return fresh


def inputs_of(chain: Chain, numbers: Mapping[str, float]) -> dict[str, float]:
    """What a published reading says of what went into the chain: each first value, nothing that was derived."""
    return {
        name: numbers.get(name + RAW, value)
        for name, value in numbers.items()
        if name + RAW in numbers or (name not in chain.makes and not name.endswith(RAW))
    }


def said_of(step: Step) -> Named:
    """What a step says of itself; one of another package may say its name alone."""
    named = getattr(step, "named", None)
    return named if isinstance(named, Named) else Named(step.id, step.version)


def _remembers(step: Step) -> bool:
    return hasattr(step, "state")


def _keys(steps: Sequence[Step]) -> list[str]:
    """A name for each step's memory that a change elsewhere in the chain leaves as it is."""
    keys: list[str] = []
    for step in steps:
        named = said_of(step)
        subject = getattr(step, "rule", None) or named.detail.split(" ")[0]
        key, count = f"{step.id} {subject}", 2
        while key in keys:
            key, count = f"{step.id} {subject} {count}", count + 1
        keys.append(key)
    return keys


def _published(values: Values) -> tuple[dict[str, float], dict[str, int]]:
    numbers = {name: value for name, value in values.numbers.items() if name[0] != HIDDEN}
    flags = {}
    found = values.results.get
    for name in numbers:
        results = found(name)
        flags[name] = 1 if results is INSIDE else NOT_EVALUATED if results is None else verdict(results)
    for name, results in values.results.items():
        if name not in flags and verdict(results) == MISSING:
            flags[name] = MISSING
    return numbers, flags


@dataclass(frozen=True, slots=True)
class Wish:
    """One step as it is configured: which kind, with which settings."""

    recipe: Recipe
    settings: Mapping[str, Any]


def build(wishes: Sequence[Wish] | None, alarms: Sequence[Wish], facts: Facts) -> Chain:
    """The chain of a device. None: the default one, gross range by the vocabulary; no steps: no quality tests.

    With steps of its own a device's values are held to the vocabulary before the first and after the last.
    Raises StepError with `at`, the place of the wish in its list, and `is_alarm`.
    """
    if wishes is not None and not wishes and not alarms:
        return Chain(())
    steps: list[Step] = [Vocabulary(Named("gross-range", "1", "vocabulary"))] if wishes is None or wishes else []
    quantities = set(facts.quantities)
    rules: list[Alarm] = []
    for number, wish in enumerate(wishes or ()):
        made = _made(wish, Facts(facts.device, facts.period_s, frozenset(quantities)), number, is_alarm=False)
        steps += made
        quantities |= {name for step in made for name in said_of(step).makes}
    if wishes:
        steps.append(Vocabulary(Named("gross-range", "1", "vocabulary, again")))
    for number, wish in enumerate(alarms):
        for step in _made(wish, Facts(facts.device, facts.period_s, frozenset(quantities)), number, is_alarm=True):
            rule = getattr(step, "rule", "")
            if any(rule == other.rule for other in rules):
                raise _placed(StepError("steps.same_rule", "id", rule=rule), number, is_alarm=True)
            rules.append(step)  # type: ignore[arg-type]  # recipes of alarms make nothing else
    return Chain(steps, rules)


class PlacedError(StepError):
    """A StepError with its place."""

    def __init__(self, error: StepError, at: int, *, is_alarm: bool) -> None:
        super().__init__(error.text, error.key, **error.values)
        self.at, self.is_alarm = at, is_alarm


def _placed(error: StepError, at: int, *, is_alarm: bool) -> PlacedError:
    return PlacedError(error, at, is_alarm=is_alarm)


def _made(wish: Wish, facts: Facts, at: int, *, is_alarm: bool) -> list[Step]:
    try:
        made = wish.recipe.make(wish.recipe.complete(wish.settings), facts)
    except StepError as error:
        raise _placed(error, at, is_alarm=is_alarm) from None
    except (ValueError, TypeError) as error:
        raise _placed(StepError(str(error)), at, is_alarm=is_alarm) from None
    return list(made) if isinstance(made, Sequence) else [made]
