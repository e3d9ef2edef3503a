"""The chain: each part becomes a step in a few lines; results, revisions and events gather on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.meaning.correction import FORMULAS, Formula
from gateway.meaning.flags import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, QualityTest
from gateway.meaning.qartod import GrossRange, Spike
from gateway.meaning.state import State
from gateway.meaning.steps import Context, Event, Step, Values, run
from tests.meaning.support import SECOND, START, reborn


@dataclass(frozen=True, slots=True)
class Correct:
    """Formula as a step."""

    formula: Formula = FORMULAS["airnow-fasm-2021-10"]
    version: str = "1"

    @property
    def id(self) -> str:
        return self.formula.id

    def __call__(self, values: Values, context: Context) -> Values:
        x, rh = (values.numbers.get(name) for name in (self.formula.source_quantity, "relative_humidity"))
        y = self.formula(x, rh) if x is not None and rh is not None else None
        if y is None:
            return values
        inherited = {"inherited": values.flag_of(self.formula.source_quantity, "relative_humidity")}
        return values.put({"pm2_5_corrected": y}, {"pm2_5_corrected": inherited})


@dataclass(frozen=True, slots=True)
class Judge:
    """A quality test as a step."""

    test: QualityTest
    quantity: str = "pm2_5"
    version: str = "1"

    @property
    def id(self) -> str:
        return self.test.id

    def __call__(self, values: Values, context: Context) -> Values:
        result = self.test.add(context.at, values.numbers.get(self.quantity))
        revised = None if result.previous is None else {self.quantity: {self.id: result.previous}}
        return values.put(results={self.quantity: {self.id: result.flag}}, revised=revised)

    def state(self) -> State:
        return self.test.state()

    def restore(self, state: object) -> None:
        self.test.restore(state)


def chain() -> list[Step]:
    return [Judge(GrossRange((0, 1000), (0, 500))), Judge(Spike(30.0)), Correct()]


def test_a_chain_carries_numbers_flags_and_revisions() -> None:
    steps = chain()
    outputs = []
    for i, pm in enumerate([30.0, 31.0, 600.0, 31.0, 1200.0]):
        steps[1] = reborn(lambda: Judge(Spike(30.0)), steps[1])  # type: ignore[type-var]
        outputs.append(run(steps, Values({"pm2_5": pm, "relative_humidity": 50.0}), Context(START + i * 60 * SECOND)))
    assert [output.flag("pm2_5") for output in outputs] == [GOOD, GOOD, SUSPECT, GOOD, FAIL]
    assert outputs[2].results["pm2_5"] == {"gross-range": SUSPECT, "spike": NOT_EVALUATED}
    assert [output.revised.get("pm2_5") for output in outputs[2:4]] == [{"spike": SUSPECT}, {"spike": SUSPECT}]
    # What is derived of a doubtful value is doubtful; the raw value is still there.
    assert [output.flag("pm2_5_corrected") for output in outputs[1:3]] == [GOOD, SUSPECT]
    assert outputs[2].numbers["pm2_5"] == 600.0
    assert outputs[2].numbers["pm2_5_corrected"] > 600


def test_a_flag_says_what_is_known() -> None:
    values = Values({"stage": 1.0})
    assert (values.flag("stage"), values.flag("discharge")) == (NOT_EVALUATED, MISSING)
    judged = values.put(results={"stage": {"rate-of-change": FAIL}, "distance": {"gross-range": MISSING}})
    assert (judged.flag("stage"), judged.flag("distance")) == (SUSPECT, MISSING)
    assert judged.flag_of("stage", "distance") == SUSPECT
    assert values.results == {}


@dataclass(slots=True)
class Count:
    """A step that only notices."""

    id: str = "count"
    version: str = "1"
    seen: list[int] = field(default_factory=list)

    def __call__(self, values: Values, context: Context) -> Values:
        self.seen.append(context.at)
        return values.put(events=[Event("seen", context.at, {"n": len(self.seen)})])


def test_events_gather_in_order() -> None:
    count = Count()
    values = run([count, count], Values({}, events=(Event("first", 1),)), Context(START))
    assert [(event.kind, event.data.get("n")) for event in values.events] == [("first", None), ("seen", 1), ("seen", 2)]
