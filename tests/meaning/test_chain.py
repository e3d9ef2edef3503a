"""Chains made of tables: the default one, what is inherited and hidden, cases in text, and steps of other packages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gateway.config import check
from gateway.config.proving import prove
from gateway.meaning import registry
from gateway.meaning.chain import inputs_of
from gateway.meaning.steps import Context, Sample
from tests.edge.meaning_bench import chain
from tests.meaning.support import SECOND, START

BUILT_IN = [*registry.built_in().values(), *registry.alarms().values()]


def at(minutes: float = 0, **more: object) -> Context:
    return Context(START + round(minutes * 60 * SECOND), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", BUILT_IN, ids=lambda recipe: recipe.name)
def test_the_cases_of_built_in_steps_hold(recipe: registry.Recipe) -> None:
    assert prove(recipe).problems == ()


def test_enough_steps_have_cases() -> None:
    assert sum(prove(recipe).cases for recipe in BUILT_IN) >= 15


def test_a_site_range_is_not_forgiven_by_the_vocabulary() -> None:
    steps = chain('steps = [{ use = "gross-range", quantity = "voltage", usual = [207, 253] }]', "voltage")
    assert steps.take({"voltage": 260.0}, {}, at()).flags == {"voltage": 3}
    assert steps.take({"voltage": -1.0}, {}, at(1)).flags == {"voltage": 4}


def test_an_instrument_fault_hides_what_is_derived_and_books_nothing() -> None:
    steps = chain('steps = [{ use = "stage", history = [{ since = 2020-01-01, height = 8 }] }]', "distance")
    outcome = steps.take({"distance": 5.0}, {"distance": 4}, at())
    assert outcome.flags == {"distance": 4, "stage": 4}
    meter = chain('steps = [{ use = "total", most_w = 1e6 }]', "energy_import")
    for minute, (register, quality) in enumerate([(10.0, {}), (11.0, {}), (12.0, {}), (14.0, {"energy_import": 4})]):
        outcome = meter.take({"energy_import": register}, quality, at(minute))
    assert outcome.numbers["energy_import_total"] == 0.0
    assert outcome.flags["energy_import_total"] == 3
    assert meter.take({"energy_import": 13.0}, {}, at(5)).numbers["energy_import_total"] == 1.0


@pytest.mark.parametrize("test", ["spike", "rate-of-change"])
def test_no_test_but_range_and_instrument_hides_a_number(test: str) -> None:
    steps = chain(f'steps = [{{ use = "{test}", quantity = "stage", suspect = 0.1, fail = 0.2 }}]', "stage")
    flags = [steps.take({"stage": x}, {}, at(i)).flags["stage"] for i, x in enumerate([1.0, 9.0, 1.0])]
    assert 4 not in flags


def test_tariffs_add_up() -> None:
    text = 'steps = [{ use = "total", from = ["energy_import_t1", "energy_import_t2"], most_w = 1e6 }]'
    meter = chain(text, "energy_import_t1", "energy_import_t2")
    totals = [
        meter.take({"energy_import_t1": 10.0 + i, "energy_import_t2": 20.0 + i / 2}, {}, at(i)).numbers
        for i in range(4)
    ]
    assert totals[-1]["energy_import_total"] == 1.5


def test_the_mean_is_of_the_corrected_value_before_it_was_clamped() -> None:
    text = 'steps = [{ use = "correction", formula = "barkjohn-2021" }, "means"]'
    air = chain(text, "pm2_5", "pm2_5_cf1", "relative_humidity", period_s=900)
    values = [
        air.take({"pm2_5": 1.0, "pm2_5_cf1": x, "relative_humidity": 100.0}, {}, at(15 * i)).numbers
        for i, x in enumerate([0.0, 20.0, 0.0, 20.0])
    ]
    assert [round(each["pm2_5_corrected"], 2) for each in values] == [0, 7.61, 0, 7.61]
    assert values[-1]["pm2_5_1h"] == pytest.approx((2 * -2.87 + 2 * 7.61) / 4)
    assert ".pm2_5_corrected" not in values[-1]
    assert "pm2_5_1h of pm2_5_corrected" in air.about()[2]


def test_an_index_needs_three_quarters_of_a_day_and_names_its_level() -> None:
    air = chain('steps = ["means", "nowcast", "aqi-th", "aqi-us"]', "pm2_5", "pm10", period_s=3600)
    outcomes = [air.take({"pm2_5": 34.1, "pm10": 50.0}, {}, at(60 * i)) for i in range(30)]
    assert "aqi_th" not in outcomes[16].numbers
    # 34.1 ug/m3 was published as 87 by the Pollution Control Department.
    assert (outcomes[-1].numbers["aqi_th"], outcomes[-1].numbers["aqi_th_level"]) == (87, 3)
    assert outcomes[-1].numbers["aqi_us"] == 98  # 49 / 26.3 * 25 + 51
    risen = [air.take({"pm2_5": 400.0, "pm10": 500.0}, {}, at(60 * i)) for i in range(30, 56)]
    assert "aqi_th" not in risen[-1].numbers
    assert risen[-1].numbers["aqi_th_level"] == 5
    events = [event for outcome in risen for event in outcome.events]
    assert events[-1].kind == "aqi-level"
    assert (events[-1].data["th"], events[-1].data["en"]) == ("มีผลกระทบต่อสุขภาพ", "Affects health")


def test_a_neighbour_is_asked_and_a_doubtful_one_is_not_believed() -> None:
    text = 'steps = [{ use = "neighbour", quantity = "stage", other = "twin/stage", absolute = 0.1 }]'
    gauge = chain(text, "stage")
    near, far = Sample(START, 2.05, 1), Sample(START, 3.0, 1)
    flags = [
        gauge.take({"stage": 2.0}, {}, at(neighbours={"twin/stage": sample} if sample else {})).flags["stage"]
        for sample in (near, far, Sample(START, 3.0, 4), None)
    ]
    assert flags == [1, 3, 1, 1]
    assert gauge.watched == {"twin/stage"}


def test_what_is_published_tells_what_went_in() -> None:
    text = """
    steps = [
      { use = "calibration", quantity = "distance", history = [{ since = 2020-01-01, gain = 2.0 }] },
      { use = "stage", history = [{ since = 2020-01-01, height = 20 }] },
    ]
    """
    gauge = chain(text, "distance")
    outcome = gauge.take({"distance": 3.0}, {}, at())
    assert outcome.numbers == {"distance": 6.0, "distance_raw": 3.0, "stage": 14.0}
    assert inputs_of(gauge, outcome.numbers) == {"distance": 3.0}


PACKAGE = """
from gateway.meaning.recipe import Recipe, Setting

class Double:
    id, version = "acme-double", "2"
    def __init__(self, quantity):
        self.quantity, self.count = quantity, 0
    def __call__(self, values, context):
        self.count += 1
        value = values.numbers.get(self.quantity)
        if value is None:
            return values
        return values.put({self.quantity: 2 * value}, {self.quantity: {"acme": 3 if self.count > 2 else 1}})
    def state(self):
        return {"count": self.count}
    def restore(self, state):
        self.count = state["count"]

DOUBLE = Recipe("acme-double", "2", lambda said, facts: Double(said["quantity"]),
                {"quantity": Setting("quantity", help="what to double")}, help="Twice as much.",
                cases=("acme_steps", "cases.toml"))
RANGE = Recipe("gross-range", "1", DOUBLE.make)
"""
CASES = """
[[case]]
id = "the third is suspect"
settings = { quantity = "pm2_5" }
readings = [
  { v = { pm2_5 = 4 }, expect = { v = { pm2_5 = 8 }, q = { pm2_5 = 1 } } },
  { v = { pm2_5 = 5 }, expect = { v = { pm2_5 = 10 }, q = { pm2_5 = 1 } } },
  { v = { pm2_5 = 6 }, expect = { v = { pm2_5 = 12 }, q = { pm2_5 = 3 } } },
]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of somebody else, installed."""
    folder = tmp_path / "acme_steps"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "cases.toml").write_text(CASES)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint(n, f"acme_steps:{o}", registry.GROUP) for n, o in [("acme-double", "DOUBLE"), ("gross-range", "RANGE"), ("broken", "NOTHING")]]  # fmt: skip # noqa: E501
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == registry.GROUP else [])
    registry.forget()
    yield folder
    monkeypatch.undo()
    sys.modules.pop("acme_steps", None)
    registry.forget()


def test_another_package_brings_a_step(package: Path, tmp_path: Path) -> None:
    assert prove(registry.find("acme-double")).problems == ()
    steps = chain('steps = [{ use = "acme-double", quantity = "pm2_5" }]', "pm2_5")
    assert steps.take({"pm2_5": 4.0}, {}, at()).numbers == {"pm2_5": 8.0}
    assert "acme-double/2" in steps.about()
    assert registry.find("gross-range") is registry.built_in()["gross-range"]
    assert ["refused" in problem or "cannot be loaded" in problem for problem in registry.problems()] == [True, True]
    (package / "cases.toml").write_text(CASES.replace("pm2_5 = 8", "pm2_5 = 9"))
    assert prove(registry.find("acme-double")).problems == (
        "the third is suspect, reading 1: pm2_5 is 8.0, expected 9",
    )
    file = tmp_path / "node.toml"
    file.write_text(
        """
[node]
id = "n"
site = "s"
[mqtt]
url = "mqtt://127.0.0.1:1"
confirm = "stored"
[[device]]
id = "pms"
driver = "plantower-pmsx003"
port = "/dev/ttyUSB9"
steps = [{ use = "acme-double", quantity = "pm2_5", wrong = 1 }]
"""
    )
    _, problems = check(file)
    assert [problem.key for problem in problems if not problem.is_warning] == ["device[pms].steps[1].wrong"]


def test_a_step_that_fails_costs_no_reading(package: Path) -> None:
    steps = chain('steps = [{ use = "acme-double", quantity = "pm2_5" }]', "pm2_5")
    steps.steps[1].quantity = ["no name"]  # type: ignore[attr-defined]
    outcomes = [steps.take({"pm2_5": 4.0}, {}, at(i)) for i in range(5)]
    assert [outcome.numbers for outcome in outcomes] == [{"pm2_5": 4.0}] * 5
    assert [len(outcome.events) for outcome in outcomes] == [1, 1, 0, 1, 0]
    assert outcomes[0].events[0].data["step"] == "acme-double"
