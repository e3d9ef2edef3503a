"""What all radio receivers share: their state, their counters, and how these are told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from gateway.lora.hub import Hub
from gateway.wire.payload import DeviceState, ReceiverHealth

log = logging.getLogger(__name__)

OnReceiver = Callable[[str, DeviceState, str], None]
"""Receiver, state, why: called when it changes."""


class Desk:
    """One receiver's state and counters."""

    def __init__(self, name: str, hub: Hub, on_state: OnReceiver) -> None:
        self.name, self.hub = name, hub
        self.heard = self.resets = 0
        self.refused: Counter[str] = Counter()
        self.gateways: Callable[[], dict[str, int]] = dict
        """How many seconds ago each concentrator behind it was heard."""
        self.on_refused: Callable[[str, str], None] = lambda reason, text: None
        self._on_state = on_state
        self._state: DeviceState | None = None
        self._why = ""

    def tell(self, state: DeviceState, why: str = "") -> None:
        """It is in this state now."""
        if (state, why) == (self._state, self._why):
            return
        self._state, self._why = state, why
        log.log(logging.INFO if state == "ok" else logging.WARNING, "receiver %s: %s %s", self.name, state, why)
        self._on_state(self.name, state, why)

    def refuse(self, reason: str, text: str = "") -> None:
        """Something it heard is nothing that can be used; `text` says more to people."""
        self.refused[reason] += 1
        self.on_refused(reason, text)

    def health(self) -> ReceiverHealth:
        """As of now."""
        hub, name = self.hub, self.name
        return ReceiverHealth(
            self._state or "absent",
            self._why,
            self.heard,
            hub.readings[name],
            hub.copies[name],
            dict(self.refused),
            self.resets,
            self.gateways(),
        )


class Inlet(Protocol):
    """One way in: a modem, a concentrator's port, a network server."""

    desk: Desk

    async def run(self) -> None:
        """Live until cancelled. Raises nothing else."""
