"""Following a dialogue that somebody else leads: a line that is listened in on, or an instrument's own account."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.core.contract import Decoded, Dialogue, Options, Rejection
from drivers.core.talking import Talk

_HEARD_BOUND = 1024


class Follower:
    """Leads a session of its own beside the host's, and begins anew where the host does.

    What belongs to no step of the driver's dialogue is passed over in silence.
    """

    def __init__(self, kind: Dialogue, address: int, options: Options) -> None:
        self._kind = kind
        self._address = address
        self._options = options
        self._talk = self._new()
        self._heard = b""
        self._is_open = False
        """Bytes of an answer may come."""

    def asked(self, data: bytes) -> None:
        """The host has written this."""
        self._heard = (self._heard + data)[-_HEARD_BOUND:]

    def answered(self, data: bytes) -> list[Decoded | Rejection]:
        """This came after it; what the host understands now: refusals at once, readings when its round is over."""
        if self._heard:
            if not (self._is_asked() or any(self._is_begun(talk) for talk in self._candidates())):
                return []
            self._heard, self._is_open = b"", True
        step = self._talk.step
        if step is None or not (self._is_open or not step.data):
            return []
        told = len(self._talk.refusals)
        self._is_open = not self._talk.feed(data)
        readings = self._talk.readings if self._talk.step is None else []
        return [*self._talk.refusals[told:], *readings]

    def _candidates(self) -> Iterator[Talk]:
        """Who may have begun a round: the host that is followed, a new one, or one that has talked before."""
        yield self._talk
        yield self._new()
        for session in self._kind.midway(self._address, self._options):
            yield Talk(session)

    def _new(self) -> Talk:
        return Talk(self._kind.begin(self._address, self._options))

    def _is_asked(self) -> bool:
        """Whether the host has just written what the dialogue wants next."""
        step = self._talk.step
        return step is not None and bool(step.data) and self._heard.endswith(step.data)

    def _is_begun(self, talk: Talk) -> bool:
        """Whether it has begun a round, of the session that is followed or of a new one."""
        talk.begin()
        if talk.step is None or not self._heard.endswith(talk.step.data):
            return False
        self._talk = talk
        return True
