"""A recorder with chains on a real spool and a computer whose clocks are the test's: fed, killed, begun again."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.config.steps import chain_of
from gateway.edge.clock import SystemClock
from gateway.edge.dating import Dating
from gateway.edge.instruments import FILE, Instruments
from gateway.edge.meaning import Meaning
from gateway.edge.memory import Memory
from gateway.edge.past import read_past
from gateway.edge.presence import DeviceFacts, NodeFacts, Presence
from gateway.edge.recorder import Recorder
from gateway.edge.revisions import Revisions
from gateway.edge.watch import Watch
from gateway.meaning.chain import Chain
from gateway.meaning.recipe import Facts
from gateway.mqtt.link import Message
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, unpack
from gateway.wire.payload import DeviceAbout
from tests.edge.machine import Machine


def chain(text: str, *quantities: str, period_s: float = 60.0, device: str = "") -> Chain:
    """The chain of TOML text with `steps` and `alarms`."""
    table = tomllib.loads(text)
    return chain_of(table.get("steps"), table.get("alarms", ()), Facts(device, period_s, frozenset(quantities)))


class Bench:
    """`make` gives new chains by device; `say` is a broker that remembers what is retained."""

    def __init__(
        self,
        path: Path,
        make: Callable[[], Mapping[str, Chain]],
        machine: Machine | None = None,
        device_class: str = "water",
    ) -> None:
        self.path, self.make, self.device_class = path, make, device_class
        self.machine = machine or Machine()
        if machine is None:
            self.machine.sync()
        self.retained: dict[str, bytes] = {}
        self.start()

    def start(self) -> None:
        self.clock = SystemClock(believes=False, system=self.machine)
        self.spool = Spool.open(self.path, outlets=["main"], max_bytes=1 << 22, segment_bytes=1 << 14)
        self.dating = Dating(self.spool, self.clock, read_past(self.spool, self.clock.boot), wait_s=900)
        self.meaning = Meaning(self.make())
        classes = dict.fromkeys(self.meaning.lives, self.device_class)
        self.recorder = Recorder(self.spool, self.clock, self.dating, classes, self.meaning)
        self.memory = Memory(self.path / "meaning.json", self.spool, self.meaning)
        self.presence = Presence(
            "r",
            NodeFacts("n", "s", "1", {}, {}),
            [DeviceFacts(name, self.device_class, DeviceAbout(0, None, "driver")) for name in classes],
            revisions=Revisions(self.path / "about.json"),
            now=self.clock.now,
            spools=dict,
        )
        self.watch = Watch(
            self.recorder,
            self.memory,
            self.presence,
            self.clock,
            classes,
            self.hear,
            lambda: True,
            Instruments(self.path / FILE),
        )
        self.dating.look(is_online=True)
        self.watch.begin()

    def hear(self, message: Message) -> None:
        """What the broker retains."""
        self.retained[message.topic] = message.payload

    def read(self, device: str, values: Mapping[str, float], after_s: float = 60.0, **more: object) -> int:
        """Time passes, and a reading comes."""
        self.machine.advance(after_s)
        self.dating.look(is_online=True)
        self.watch.tick()
        machine = self.machine
        return self.recorder.reading(
            device, machine.wall_ns(), machine.mono_ns(), values, more.pop("quality", {}), **more
        )  # type: ignore[arg-type]

    async def kill(self) -> None:
        """It ends by force after a commit, and begins again."""
        await self.spool.flush()
        self.spool.release()
        self.start()

    async def stop(self) -> None:
        """It ends in order, and begins again."""
        self.dating.close()
        await self.spool.close()
        self.watch.end()
        self.start()

    async def entries(self) -> list[Entry]:
        """All that was recorded and is held."""
        await self.spool.flush()
        found: list[Entry] = []
        first = self.spool.first
        while first <= self.spool.committed and (read := self.spool.read(first, self.spool.committed)):
            found += [unpack(data) for _, data in read]
            first = read[-1][0] + 1
        return found
