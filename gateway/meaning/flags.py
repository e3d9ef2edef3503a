"""QARTOD flags of a value: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from gateway.meaning.state import Keeper

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9

MAY_FAIL = frozenset({"gross-range", "instrument"})
"""Only these may hide a number from a naive reader. What another test fails counts as suspect: records are real."""

_WORST_FIRST = (FAIL, SUSPECT, GOOD, NOT_EVALUATED, MISSING)


class Result(NamedTuple):
    """What a test says of the value just given and, where it only now can, of the one before (None: as said before)."""

    flag: int
    previous: int | None = None


class QualityTest(Keeper, Protocol):
    """A streaming test of one quantity of one device. `id` may carry a detail behind a colon."""

    @property
    def id(self) -> str: ...

    def add(self, at: int, value: float | None) -> Result:
        """Judge the next value (None: missing) taken at `at`, ns."""


def worst(flags: Iterable[int]) -> int:
    """Combination as in ioos_qc: fail, suspect, good, not evaluated, missing; 2 when there is nothing to combine."""
    # In the order of severity, by membership: this is asked several times for every value of every reading.
    found = flags if isinstance(flags, list | tuple | dict) else tuple(flags)
    for flag in _WORST_FIRST:
        if flag in found:
            return flag
    if found:
        raise ValueError(f"{found} are no QARTOD flags")
    return NOT_EVALUATED


def verdict(results: Mapping[str, int]) -> int:
    """The value's own flag from each test's result: the worst, where only `MAY_FAIL` tests can give 4."""
    flags = results.values()
    if FAIL in flags:
        is_hidden = any(own == FAIL and test.partition(":")[0] in MAY_FAIL for test, own in results.items())
        return FAIL if is_hidden else SUSPECT
    if SUSPECT in flags:
        return SUSPECT
    if GOOD in flags:
        return GOOD
    return MISSING if MISSING in flags and NOT_EVALUATED not in flags else NOT_EVALUATED


def judge(test: QualityTest, series: Iterable[tuple[int, float | None]]) -> list[int]:
    """Final flags of a whole series of (at, value): what the stream says in the end, revisions applied."""
    flags: list[int] = []
    for at, value in series:
        result = test.add(at, value)
        if result.previous is not None:
            flags[-1] = result.previous
        flags.append(result.flag)
    return flags
