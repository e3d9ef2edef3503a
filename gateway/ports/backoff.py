"""How long to wait before the next try: growing, capped, and scattered so that many do not try at once."""

from __future__ import annotations

import random


class Backoff:
    """Waits grow from `min_s` by doubling up to `max_s`; each is scattered over its upper half."""

    def __init__(self, min_s: float = 0.5, max_s: float = 3.0, rng: random.Random | None = None) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._rng = rng or random.Random()
        self._next_s = min_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait_s = self._next_s
        self._next_s = min(self._next_s * 2, self._max_s)
        return wait_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again: the next trouble starts small."""
        self._next_s = self._min_s
