"""One driver under proof: its cases, what was tried, and what failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isclose

from drivers.core.contract import Decoded, Driver
from drivers.core.hearing import Heard, hear
from drivers.core.vectors import Case, Expected, Vectors


@dataclass(slots=True)
class Trial:
    """What was tried so far."""

    driver: Driver
    cases: Vectors
    stride: int
    failures: list[str] = field(default_factory=list)
    weaknesses: list[str] = field(default_factory=list)
    flips: int = 0
    truncations: int = 0
    unnoticed: int = 0

    def hear(self, case: Case, pieces: Iterable[bytes], *, ends: bool = True) -> Heard:
        """Run a case's bytes with its options and question."""
        return hear(self.driver, pieces, case.options, case.question, ends=ends, fport=case.fport)

    def fail(self, case: Case, what: str) -> None:
        """Note a failure, at most a few for each case."""
        if sum(f.startswith(f"{case.id}: ") for f in self.failures) < 3:
            self.failures.append(f"{case.id}: {what}")


def difference(case: Case | Expected, decoded: Decoded) -> str:
    """How a reading differs from what the case expects; empty where it does not. Values agree to a millionth."""
    expected = case.values or {}
    for name in sorted(expected.keys() | decoded.values.keys()):
        want, got = expected.get(name), decoded.values.get(name)
        if want is None or got is None or not isclose(want, got, rel_tol=1e-6, abs_tol=1e-9):
            return f"{name} is {got}, expected {want}"
    if dict(decoded.quality) != dict(case.quality):
        return f"quality is {dict(decoded.quality)}, expected {dict(case.quality)}"
    for key, want_info in case.info.items():
        if decoded.info.get(key) != want_info:
            return f"info {key} is {decoded.info.get(key)}, expected {want_info}"
    return ""
