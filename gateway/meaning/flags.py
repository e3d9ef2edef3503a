"""QARTOD flags of a value: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from gateway.meaning.state import Keeper

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9

MAY_FAIL = frozenset({"gross-range", "instrument"})
"""Only these may hide a number from a naive reader. What another test fails counts as suspect: records are real."""

_RANK = {MISSING: 0, NOT_EVALUATED: 1, GOOD: 2, SUSPECT: 3, FAIL: 4}


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
    return max(flags, key=_RANK.__getitem__, default=NOT_EVALUATED)


def verdict(results: Mapping[str, int]) -> int:
    """The value's own flag from each test's result: the worst, where only `MAY_FAIL` tests can give 4."""
    flag = worst(results.values())
    if flag == FAIL and not any(own == FAIL and test.partition(":")[0] in MAY_FAIL for test, own in results.items()):
        return SUSPECT
    return flag


def judge(test: QualityTest, series: Iterable[tuple[int, float | None]]) -> list[int]:
    """Final flags of a whole series of (at, value): what the stream says in the end, revisions applied."""
    flags: list[int] = []
    for at, value in series:
        result = test.add(at, value)
        if result.previous is not None:
            flags[-1] = result.previous
        flags.append(result.flag)
    return flags
