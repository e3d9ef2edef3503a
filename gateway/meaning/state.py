"""Reading back what was written down: every member checked for shape, type and bounds before anything is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

SECOND = 1_000_000_000
LATEST = 2**63 - 1
"""The last time (ns) that is accepted anywhere."""
LARGEST = 1e15
"""No quantity of ours has a larger number; what is beyond it (or NaN) is treated as missing."""

State = dict[str, object]


class StateError(ValueError):
    """A saved state that cannot be this part's own; the message names the member. The part is unchanged."""


class Keeper(Protocol):
    """A part that remembers."""

    def state(self) -> State:
        """What JSON can hold, and all that `restore` needs to go on as if nothing had happened."""

    def restore(self, state: object) -> None:
        """Take over a state of an equally configured part. Raises StateError and changes nothing if it is not one."""


def usable(value: float | None) -> float | None:
    """The value, or None for NaN, infinities and numbers that no instrument can mean."""
    return value if value is not None and -LARGEST <= value <= LARGEST else None


def opened(state: object, kind: str, *keys: str) -> Mapping[str, object]:
    """The members of a state of this kind. `kind` carries the layout's version and the settings that must agree."""
    if not isinstance(state, dict):
        raise StateError(f"{kind}: the state is a {type(state).__name__}, not an object")
    if state.get("kind") != kind:
        raise StateError(f"the state says {str(state.get('kind'))[:60]!r}, expected {kind!r}")
    if state.keys() != {"kind", *keys}:
        raise StateError(f"{kind}: the state has not exactly the members {', '.join(keys)}")
    return state


def integer(value: object, what: str, low: int = 0, high: int = LATEST) -> int:
    """An integer between low and high."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise StateError(f"{what}: expected an integer from {low} to {high}")
    return value


def number(value: object, what: str, low: float = -LARGEST, high: float = LARGEST) -> float:
    """A finite number between low and high."""
    # The comparison also refuses NaN; integers of any length compare exactly with floats.
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise StateError(f"{what}: expected a number from {low:g} to {high:g}")
    return float(value)


def maybe_number(value: object, what: str) -> float | None:
    """A finite number, or None."""
    return None if value is None else number(value, what)


def boolean(value: object, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise StateError(f"{what}: expected true or false")
    return value


def text(value: object, what: str, most: int = 64) -> str:
    """A string of at most `most` characters."""
    if not isinstance(value, str) or len(value) > most:
        raise StateError(f"{what}: expected a text of at most {most} characters")
    return value


def items(value: object, what: str, most: int, least: int = 0) -> list[object]:
    """A list of between `least` and `most` members."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise StateError(f"{what}: expected a list of {least} to {most} members")
    return value
