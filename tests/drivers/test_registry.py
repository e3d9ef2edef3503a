"""Drivers of other packages arrive by entry point, and never in a built-in's place."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from drivers.core import registry
from drivers.core.registry import UnknownDriver, find
from drivers.core.vectors import of_driver


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    offered: list[EntryPoint] = []
    module = ModuleType("acme_drivers")
    base = find("ultrasonic-ff4")
    module.__dict__.update(
        GAUGE=replace(base, name="acme-gauge", aliases=("acme",)),
        DUST=replace(base, name="plantower-pmsx003"),
        NOT_ONE=42,
    )
    monkeypatch.setitem(sys.modules, "acme_drivers", module)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: offered if group == "gateway.drivers" else [])
    registry.forget()
    yield offered
    monkeypatch.undo()
    registry.forget()


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


def test_names_and_aliases() -> None:
    assert find("pms5003") is find("plantower-pmsx003")
    assert find("eastron-sdm220-sdm230").name == "eastron-sdm230"
    assert [d.name for d in registry.built_in().values()] == sorted(registry.built_in())


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownDriver, match="did you mean 'eastron-sdm630'") as caught:
        find("eastron-sdm631")
    assert caught.value.nearest == "eastron-sdm630"
    with pytest.raises(UnknownDriver, match=r"there is no driver 'zzz'$"):
        find("zzz")


def test_a_driver_of_another_package(points: list[EntryPoint]) -> None:
    points.append(point("acme-gauge", "acme_drivers:GAUGE"))
    assert find("acme-gauge").name == "acme-gauge"
    assert find("acme").name == "acme-gauge"
    assert registry.drivers()[-1].name == "acme-gauge"
    assert registry.problems() == ()


@pytest.mark.parametrize("name", ["plantower-pmsx003", "pms5003"])
def test_a_built_in_is_never_replaced(points: list[EntryPoint], name: str) -> None:
    points.append(point(name, "acme_drivers:DUST"))
    assert find(name).title.startswith("Plantower")
    (problem,) = registry.problems()
    assert "refused" in problem
    assert "'plantower-pmsx003'" in problem


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("acme-other", "acme_drivers:GAUGE", "calls itself 'acme-gauge'"),
        ("acme-gauge", "acme_drivers:NOT_ONE", "is no drivers.core.contract.Driver"),
        ("acme-gauge", "acme_drivers:MISSING", "cannot be loaded: AttributeError"),
        ("acme-gauge", "no_such_package_here:X", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_broken_package_is_told_and_left_out(points: list[EntryPoint], name: str, value: str, words: str) -> None:
    points.append(point(name, value))
    assert words in registry.problems()[0]
    assert len(registry.drivers()) == len(registry.built_in())


def test_two_packages_with_one_name(points: list[EntryPoint]) -> None:
    points += [point("acme-gauge", "acme_drivers:GAUGE"), point("acme-gauge", "acme_drivers:NOT_ONE")]
    assert "brought one of this name first" in registry.problems()[0]
    assert find("acme-gauge").name == "acme-gauge"


def test_vectors_of_another_package_need_not_repeat_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme_vectors"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "gauge.vectors.toml").write_text('vector = [{ id = "a", hex = "ff", expect = {} }]')
    monkeypatch.syspath_prepend(tmp_path)
    driver = replace(find("ultrasonic-ff4"), name="acme-gauge", vectors=("acme_vectors", "gauge.vectors.toml"))
    assert [case.id for case in of_driver(driver).vectors] == ["a"]
