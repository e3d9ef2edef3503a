"""A node of real parts, but for its stations and its dating: spool, eras, outlet, uplink, presence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.edge.outlet import Outlet
from gateway.edge.presence import NodeFacts, Presence
from gateway.edge.uplink import Uplink
from gateway.mqtt.broker import Broker
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import Health, SpoolRange, encode
from gateway.wire.times import MS, format_time
from tests.model.broker import ROOT
from tests.rig.sim_time import SimLoop
from tests.spool.simdisk import Inline, SimDisk

NODE = "node-1"
BROKER = Broker("mqtt://127.0.0.1:1883", f"lanna-{NODE}")
POISON = b"\xc1 this is no entry"
Committed = Callable[[list[tuple[int, bytes]]], None]


class Times:
    """Each entry bears its time; one in eleven never gets one."""

    def time_of(self, seq: int, entry: Entry) -> str | None:
        return None if content_of(entry) % 11 == 0 else format_time(entry.at_ms * MS)

    def on_decided(self, callback: Callable[[], None]) -> None:
        """Nothing is ever undecided."""


class Revisions:
    """Descriptions do not change here."""

    def revise(self, name: str, said: str, at: str | None) -> tuple[int, str | None]:
        return 1, at


def content_of(entry: Entry) -> int:
    """What an entry was recorded with: a number that no other one has."""
    return round(entry.data["x"] if entry.event else entry.v["x"])


class Contents:
    """Gives every reading its content and a time of its own; outlives nodes and cards."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop, self._last, self._at_ms = loop, 0, 0

    def entry(self, device_class: str, event: str = "") -> bytes:
        """The next one, as it goes into a spool."""
        self._last += 1
        self._at_ms = at_ms = max(self._at_ms + 1, self._loop.true_ns() // MS)
        if event:
            return pack(Entry("place", NODE, at_ms, 0, "boot", True, event=event, data={"x": self._last}))
        return pack(Entry(device_class, f"{device_class}-1", at_ms, 0, "boot", True, {"x": float(self._last)}))


class Node:
    """One life of the node's process on the card `disk`. It lives while `task` does."""

    def __init__(
        self,
        path: Path,
        disk: SimDisk,
        loop: SimLoop,
        contents: Contents,
        *,
        confirm: str,
        max_bytes: int,
        new_id: Callable[[], str],
        on_commit: Committed,
    ) -> None:
        self.spool = Spool.open(
            path, outlets=["main"], max_bytes=max_bytes, segment_bytes=8192, files=disk, executor=Inline()
        )
        try:
            self.eras = Eras(self.spool, new_id)
            self.outlet = Outlet(
                self.spool,
                self.eras,
                "main",
                root=ROOT,
                node=NODE,
                confirm=confirm,  # type: ignore[arg-type]  # one of both words
                now=loop.time,
                times=Times(),
            )
        except BaseException:
            self.spool._lock.release()
            raise
        self._presence = Presence(
            ROOT,
            NodeFacts(NODE, "site", "1", {}, {}),
            [],
            revisions=Revisions(),  # type: ignore[arg-type]  # the part that is needed
            now=lambda: format_time(loop.true_ns()),
            spools=lambda: {id_: SpoolRange(*held) for id_, held in self.eras.held().items()},
        )
        self.uplink = Uplink(self.outlet, self._presence, lambda: BROKER, root=ROOT, node=NODE, health=self._health)
        self._contents = contents
        self.spool.on_commit(on_commit)
        self.spool.on_loss(lambda reason, first, last: self.uplink.changed())
        self.outlet.word.on_event.append(lambda event, data: self.record("place", event))
        self.task = loop.create_task(self._run(), name="node")

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.spool.run(), name="spool")
            group.create_task(self.uplink.run(), name="uplink")

    def _health(self) -> bytes:
        return encode(Health(None, self._presence.spools()))

    def record(self, device_class: str = "air", event: str = "") -> None:
        """One reading or event."""
        self.spool.append(self._contents.entry(device_class, event))

    def record_poison(self) -> None:
        """Bytes that nobody can read."""
        self.spool.append(POISON)

    @property
    def is_at_rest(self) -> bool:
        """Nothing is unsettled here, and nothing waits for the disk."""
        return not (self.outlet.unsettled or self.spool.pending("main") or self.spool.stats().buffered_bytes)

    def lost(self) -> set[int]:
        """The spool's numbers that are declared lost."""
        ranges = (each for reason in self.spool.losses.values() for each in reason)
        return {number for first, last in ranges for number in range(first, last + 1)}
