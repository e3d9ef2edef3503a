"""Drivers that exist only here, so that these tests say what a driver is, not which there are."""

from dataclasses import fields
from pathlib import Path

import pytest

from drivers.core.contract import Driver, Line, Listening, Option, Polled
from gateway.config import check
from gateway.ops import texts


def never(*_):
    raise AssertionError("the configuration must not run a driver")


def driver(name, kind, **more):
    facts = {"title": name, "device_class": "air", "models": (), "quantities": (), "line": Line(), "sources": ()}
    return Driver(name=name, kind=kind, **(facts | more))


LISTENER = driver(
    "acme-dust",
    Listening(never, never),
    aliases=("acme",),
    options={
        "variant": Option("a", "which", choices=("a", "b")),
        "offset": Option(0.5, "how much"),
        "count": Option(3, "how many"),
    },
)
ANSWERS = Polled(*[never] * len(fields(Polled)))
POLLED = driver("acme-meter", ANSWERS)
FIXED = driver("acme-probe", ANSWERS, default_address=1)


@pytest.fixture(autouse=True)
def _english():
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def drivers():
    return lambda: (LISTENER, POLLED, FIXED)


@pytest.fixture
def look(tmp_path, drivers):
    """What the check says about a text: the configuration, and `line key: message` of each finding."""

    def look_at(content: str | bytes, **how):
        file = tmp_path / "c.toml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        config, problems = check(file, known_drivers=drivers, **how)
        assert all(problem.file == file for problem in problems)
        return config, [f"{p.line} {'? ' if p.is_warning else ''}{p.key}: {p.message}" for p in problems]

    return look_at


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "lanna"
    made.mkdir()
    return made
