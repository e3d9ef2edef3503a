"""All of a node's radio as one part of it: the hub and the ways in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.lora.hub import Hub
from gateway.lora.receiver import Inlet
from gateway.wire.payload import ReceiverHealth


class RadioService:
    """Runs the hub and its inlets."""

    def __init__(self, hub: Hub, inlets: Mapping[str, Inlet]) -> None:
        self.hub, self.inlets = hub, dict(inlets)

    def health(self) -> Mapping[str, ReceiverHealth]:
        """Of every receiver, by the id of its [[lora]]."""
        return {name: inlet.desk.health() for name, inlet in self.inlets.items()}

    async def run(self) -> None:
        """Until cancelled; what waited for copies is then handed on."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run(), name="radio hub")
            for name, inlet in self.inlets.items():
                group.create_task(inlet.run(), name=f"receiver {name}")
