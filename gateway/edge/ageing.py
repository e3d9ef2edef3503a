"""Numbers that become old a fixed time after they came."""

from __future__ import annotations

from collections import deque

from gateway.spool.intervals import Intervals

_STEPS = 8


class Ageing:
    """A set of numbers in two parts, the young and the `old`; `now` is seconds that never go back.

    Ages are kept in steps of an eighth of `after_s`: memory is the number of ranges, not of additions.
    """

    def __init__(self, after_s: float) -> None:
        self.old = Intervals()
        self._after_s, self._step_s = after_s, after_s / _STEPS
        self._young: deque[tuple[float, Intervals]] = deque()

    def add(self, first: int, last: int, now: float) -> None:
        """These came now."""
        self.grow(now)
        if not self._young or now - self._young[-1][0] >= self._step_s:
            self._young.append((now, Intervals()))
        self._young[-1][1].add(first, last)

    def grow(self, now: float) -> None:
        """What came `after_s` ago, and a step more, is old from now on."""
        while self._young and now - self._young[0][0] >= self._after_s + self._step_s:
            self.old.update(self._young.popleft()[1])

    def remove(self, first: int, last: int) -> None:
        """These no longer matter."""
        self.old.remove(first, last)
        for _, numbers in self._young:
            numbers.remove(first, last)

    def all(self) -> Intervals:
        """Old and young."""
        found = self.old.copy()
        for _, numbers in self._young:
            found.update(numbers)
        return found

    def clear(self) -> None:
        """Nothing is left."""
        self.old = Intervals()
        self._young.clear()

    @property
    def pieces(self) -> int:
        """How many ranges are kept: what the memory is proportional to."""
        return self.old.pieces + sum(numbers.pieces for _, numbers in self._young)

    def __len__(self) -> int:
        return len(self.old) + sum(len(numbers) for _, numbers in self._young)
