"""The one way through a round of a dialogue: station, command line, prover and fuzzer use it."""

from __future__ import annotations

from collections import Counter

from drivers.core.contract import Decoded, Reason, Rejection, Session, Step, Turn

REFUSALS_KEPT = 16


class Talk:
    """Rounds of one session, without I/O. The caller does, after `begin`, until `step` is None:

    what `step` says; hand what comes to `feed` until it returns True, or call `timeout` after `step.timeout_s` of
    silence. `readings` are those of this round.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._heard = 0
        self.step: Step | None = None
        self.readings: list[Decoded] = []
        self.rejected: Counter[Reason] = Counter()
        """Since the session began."""
        self.refusals: list[Rejection] = []
        """What was refused in this round, in order; at most a few."""

    def begin(self) -> None:
        """A new round; one that is not over is left."""
        self.readings, self.refusals = [], []
        self._take(self._session.start())

    def feed(self, data: bytes) -> bool:
        """Take bytes that were heard after `step` was done; True when there is another step, or the round is over."""
        if self.step is None:
            return True
        self._heard += len(data)
        limit = self.step.max_bytes
        if self._take(self._session.feed(data)):
            return True
        if self._heard > limit:
            self.timeout()
            return True
        return False

    def timeout(self) -> None:
        """The line was silent for long enough."""
        if self.step is not None:
            self._take(self._session.on_timeout())

    def _take(self, turn: Turn) -> bool:
        for event in turn.events:
            if isinstance(event, Decoded):
                self.readings.append(event)
                continue
            self.rejected[event.reason] += 1
            if len(self.refusals) < REFUSALS_KEPT:
                self.refusals.append(event)
        if turn.step is None and not turn.is_over:
            return False
        self.step = None if turn.is_over else turn.step
        self._heard = 0
        return True
