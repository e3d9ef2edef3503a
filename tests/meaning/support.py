"""Cases from files, and what every part with memory must stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gateway.meaning.state import Keeper

CASES = Path(__file__).parent / "cases"
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_774_000_000 * SECOND

K = TypeVar("K", bound=Keeper)


def cases(name: str) -> list[Any]:
    """The cases of cases/NAME.json as pytest parameters named by their id."""
    return list(json.loads((CASES / f"{name}.json").read_text("utf-8"))["cases"])


def case_id(case: dict[str, Any]) -> str:
    return str(case["id"])


def reborn(make: Callable[[], K], part: K) -> K:
    """A new part that took over the old one's state, through JSON text."""
    text = json.dumps(part.state(), allow_nan=False)
    other = make()
    other.restore(json.loads(text))
    assert other.state() == json.loads(text)
    return other


def survives_restarts(make: Callable[[], K], feed: Callable[[K, Any], object], inputs: Sequence[Any]) -> list[object]:
    """Feed the inputs to one part, and to one that is restarted before every input: the outputs are equal."""
    steady, restarted = make(), make()
    outputs: list[object] = []
    for item in inputs:
        restarted = reborn(make, restarted)
        outputs.append(feed(steady, item))
        assert feed(restarted, item) == outputs[-1], f"after a restart before {item}"
    return outputs
