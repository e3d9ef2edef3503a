"""How long an outage may last before readings are lost: the room left in the spool, at the rate it fills."""

from __future__ import annotations

from collections import deque

_EVERY_S, _SPAN_S = 60.0, 900.0
_LEAST_S = 30.0


class Supply:
    """`max_bytes` is the spool's bound. `look` now and then, with monotonic seconds and what the spool says."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._seen: deque[tuple[float, int]] = deque()

    def look(self, now: float, *, held_bytes: int, held: int, committed: int, unsettled: int) -> float | None:
        """Hours left at the rate of the last quarter of an hour; None while that is unknown or nothing comes.

        `held` numbers take `held_bytes` on the disk; `unsettled` of them cannot be removed.
        """
        if not self._seen or now - self._seen[-1][0] >= _EVERY_S:
            self._seen.append((now, committed))
        while len(self._seen) > 1 and now - self._seen[1][0] >= _SPAN_S:
            self._seen.popleft()
        then, counted = self._seen[0]
        if now - then < _LEAST_S or committed <= counted or held <= 0:
            return None
        bytes_each = held_bytes / held
        room = max(0.0, self._max_bytes - unsettled * bytes_each)
        return room / (bytes_each * (committed - counted) / (now - then)) / 3600
