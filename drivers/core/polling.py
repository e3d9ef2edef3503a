"""The one way through a round of questions to a polled device: station, command line, prover and fuzzer use it."""

from __future__ import annotations

from collections import Counter

from drivers.core.contract import Decoded, DeviceFault, Exchange, Framer, Options, Polled, Reason, Rejection, Request

QUESTIONS_LIMIT = 64
"""No device leads a round further than this."""
LATE_S = 1.0
"""How long an answer that may still come is waited for before a question whose answer would look like it."""


class Round:
    """One round of questions to one device, without I/O. The caller does, until `request` is None:

    keep the line silent for `wait_s`, throw away what arrived meanwhile, write `request.data`, hand what comes to
    `feed` until it returns True, or call `timeout` after `request.patience_s(line)`. Then `result`.
    `wait_s` stands after the last question too: after an unanswered one a late reply may still come, and it must not
    pass for the answer to the next question of the same length.
    """

    def __init__(
        self, kind: Polled, requests: tuple[Request, ...], options: Options | None = None, tries: int = 1
    ) -> None:
        self._kind = kind
        self._requests = requests
        self._options: Options = options or {}
        self._tries = tries
        self._left = tries
        self._replies: list[bytes | None] = []
        self._framer: Framer | None = None
        self._refusal: Rejection | None = None
        self._late: Request | None = None
        """A question whose answer may still come."""
        self._discarded = 0
        self.rejected: Counter[Reason] = Counter()
        self.refusals: list[Rejection] = []
        """What was refused in this round, in order; at most a few per question."""

    @classmethod
    def of(cls, kind: Polled, address: int, options: Options | None = None, tries: int = 1) -> Round:
        """The driver's own round for the device at this address."""
        return cls(kind, kind.requests(address, options or {}), options, tries)

    @property
    def request(self) -> Request | None:
        """What to ask now; None when the round is over."""
        return self._requests[len(self._replies)] if len(self._replies) < len(self._requests) else None

    @property
    def wait_s(self) -> float:
        """Seconds of silence to keep, and then to empty the input, before anything more is asked of this device."""
        request, late = self.request, self._late
        gap_s = request.gap_s if request else 0.0
        if late is None:
            return gap_s
        is_alike = request is None or (request.data != late.data and request.reply_bytes == late.reply_bytes)
        return max(gap_s, late.timeout_s, LATE_S if is_alike else 0.0)

    @property
    def missing(self) -> int:
        """Questions that had no answer so far."""
        return self._replies.count(None)

    @property
    def answered(self) -> int:
        """Questions that had an answer so far."""
        return len(self._replies) - self.missing

    @property
    def discarded(self) -> int:
        """Bytes that belonged to no answer."""
        return self._discarded + (self._framer.discarded if self._framer else 0)

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of an answer."""
        return self._framer.held if self._framer else 0

    def feed(self, data: bytes) -> bool:
        """Take bytes that arrived after `request` was written; True when that question is done with."""
        request = self.request
        if request is None:
            self._discarded += len(data)
            return True
        if self._framer is None:
            self._framer = request.framer()
        return self._take(self._framer.feed(data))

    def timeout(self) -> None:
        """The answer did not come in time. Asks again while tries are left, else the answer is missing."""
        request = self.request
        if request is None:
            return
        if self._framer is not None and self._take(self._framer.finish()):
            return
        self._late = request
        self._left -= 1
        if self._left > 0:
            self._drop_framer()
        else:
            self._settle(None)

    def result(self) -> Decoded | None:
        """What the answers say; None when there was no answer at all. Raises the device's own `Rejection`."""
        if not self.answered:
            if self._refusal is not None:
                raise self._refusal
            return None
        try:
            return self._kind.decode(self.exchanges, self._options)
        except Rejection as refusal:
            self.rejected[refusal.reason] += 1
            raise

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Questions asked so far and their answers."""
        return tuple(zip(self._requests, self._replies, strict=False))

    def _take(self, items: list[bytes | Rejection]) -> bool:
        for item in items:
            if isinstance(item, bytes):
                self._settle(item)
                return True
            self.rejected[item.reason] += 1
            if len(self.refusals) < 16:
                self.refusals.append(item)
            if isinstance(item, DeviceFault):  # the device has answered: it will not tell this
                self._refusal = item
                self._settle(None)
                return True
        return False

    def _settle(self, reply: bytes | None) -> None:
        self._drop_framer()
        self._replies.append(reply)
        # An answer to a repeated question may be the late one to the first asking; then another is still to come.
        if reply is not None and self._left == self._tries:
            self._late = None
        self._left = self._tries
        if self._kind.follow is not None and len(self._replies) == len(self._requests) < QUESTIONS_LIMIT:
            self._requests += self._kind.follow(self.exchanges, self._options)

    def _drop_framer(self) -> None:
        if self._framer is not None:
            self._framer.reset()
            self._discarded += self._framer.discarded
            self._framer = None
