"""What a simulated device owes: the readings that a host must have understood from what was put on the line whole.

The driver's own way through a round counts here as it does in a station, fed with what was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from drivers.core.contract import Decoded, Dialogue, Driver, Listening, Options, Polled, Rejection
from drivers.core.following import Follower
from drivers.core.polling import Round

Values = Mapping[str, float]
_HEARD_BOUND = 1024
_ANSWERS_BOUND = 64


class Account(Protocol):
    """One device's account."""

    def heard(self, data: bytes) -> None:
        """The host has written this."""

    def said(self, frame: bytes) -> list[Values]:
        """This is on the line, whole; the readings that it completed."""


def account_of(driver: Driver, address: int, options: Options) -> Account:
    """The account of a device of this driver."""
    if isinstance(driver.kind, Polled):
        return _Answers(driver.kind, address, options)
    if isinstance(driver.kind, Dialogue):
        return _Dialogue(driver.kind, address, options)
    if isinstance(driver.kind, Listening):
        return _Talk(driver.kind, options)
    raise ValueError(f"{driver.name} is heard by radio, not on a line")


class _Talk:
    """Of a device that talks by itself: each frame of values is one."""

    def __init__(self, kind: Listening, options: Options) -> None:
        self._kind = kind
        self._options = options

    def heard(self, data: bytes) -> None:
        """It may listen, and still owes what it says."""

    def said(self, frame: bytes) -> list[Values]:
        for item in self._kind.framer(self._options).feed(frame):  # not all that a sensor says is a frame
            if isinstance(item, bytes):
                try:
                    decoded = self._kind.decode(item, self._options)
                except Rejection:
                    return []
                return [] if decoded is None else [decoded.values]
        return []


class _Answers:
    """Of a device that is polled: a round is owed when all its questions were answered, whatever their order.

    Which questions these are may follow from answers, so each answer leads a round from its beginning.
    """

    def __init__(self, kind: Polled, address: int, options: Options) -> None:
        self._kind = kind
        self._address = address
        self._options = options
        self._heard = b""
        self._replies: dict[bytes, bytes] = {}

    def heard(self, data: bytes) -> None:
        self._heard = (self._heard + data)[-_HEARD_BOUND:]

    def said(self, frame: bytes) -> list[Values]:
        heard, self._heard = self._heard, b""
        one = Round.of(self._kind, self._address, self._options)
        while (request := one.request) is not None:
            if request.data in heard and len(self._replies) < _ANSWERS_BOUND:
                self._replies[request.data] = frame
            reply = self._replies.get(request.data)
            if reply is None or not one.feed(reply):
                return []
        self._replies = {}
        try:
            decoded = one.result()
        except Rejection:
            return []
        return [] if decoded is None else [decoded.values]


class _Dialogue:
    """Of a device that is talked with: what a host understands that leads its dialogue."""

    def __init__(self, kind: Dialogue, address: int, options: Options) -> None:
        self._follower = Follower(kind, address, options)

    def heard(self, data: bytes) -> None:
        self._follower.asked(data)

    def said(self, frame: bytes) -> list[Values]:
        return [item.values for item in self._follower.answered(frame) if isinstance(item, Decoded)]
