"""The vectors of tests/lora/vectors: other people's captures and published examples, as plain values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Vector = dict[str, Any]
FOLDER = Path(__file__).parent / "vectors"


def vectors(name: str, **wanted: str) -> list[Vector]:
    """The good ones of a file whose fields are these."""
    return _chosen(name, "vectors", wanted)


def bad(name: str, **wanted: str) -> list[Vector]:
    """Those that must be refused."""
    return _chosen(name, "bad", wanted)


def _chosen(name: str, key: str, wanted: dict[str, str]) -> list[Vector]:
    found = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))[key]
    return [each for each in found if all(each.get(field) == value for field, value in wanted.items())]


def name_of(vector: Vector) -> str:
    """For the names of tests."""
    return str(vector["id"])
