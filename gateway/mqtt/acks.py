"""Acknowledgements in the order of receipt, whatever the order in which the work gets done."""

from __future__ import annotations

from collections import deque


class AckOrder:
    """The messages of one connection that wait for their acknowledgement.

    `arrived` gives each an order number from 0; `done` returns the packet ids that may be acknowledged now, in the
    order of their arrival: an early one waits for its elders. Memory is bounded by what the broker may have open.
    """

    def __init__(self) -> None:
        self._ids: deque[int] = deque()
        self._open: set[int] = set()
        self._early: set[int] = set()
        self._first = 0

    def __len__(self) -> int:
        return len(self._ids)

    def is_open(self, packet_id: int) -> bool:
        """Whether this packet id is not acknowledged yet: another message with it can only be a repeat."""
        return packet_id in self._open

    def arrived(self, packet_id: int) -> int:
        order = self._first + len(self._ids)
        self._ids.append(packet_id)
        self._open.add(packet_id)
        return order

    def done(self, order: int) -> list[int]:
        """Nothing for a number that is done already or was never given."""
        if not self._first <= order < self._first + len(self._ids):
            return []
        if order != self._first:
            self._early.add(order)
            return []
        ready = [self._take()]
        while self._first in self._early:
            self._early.remove(self._first)
            ready.append(self._take())
        return ready

    def _take(self) -> int:
        self._first += 1
        packet_id = self._ids.popleft()
        self._open.discard(packet_id)
        return packet_id
