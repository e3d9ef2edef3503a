"""A whole installation in one process and in virtual time: the product's node and ingest, models of all around them.

Real: stations, drivers, dating, recorder, spool (on the simulated disk or a folder), outlet, uplink, presence, and of
ingest everything with its ledger and parked store in SQLite. Models: broker, network, database, clocks, instruments.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gateway.app.backbone as backbone
import gateway.app.edge as edge
import gateway.ingest.sinks.influx  # so that its clocks are virtual, too
from gateway.app.run import Running
from gateway.config import Config, load
from gateway.edge.node import Node
from gateway.ingest.points import Point
from gateway.mqtt.broker import Message
from gateway.spool.spool import Spool
from tests.rig.instrument import Name, name_of
from tests.rig.model_broker import ModelBroker
from tests.rig.model_database import ModelDatabase
from tests.rig.model_link import Network
from tests.rig.oracle import Counts, Row, judge
from tests.rig.sim_parts import SimComputer, SimInstrument, SimPolled, Switchboard
from tests.rig.sim_time import SimLoop, virtual_time
from tests.spool.simdisk import Inline, PowerCut, SimDisk

assert gateway.ingest.sinks.influx
EDGE, BACKBONE = "lanna-node-1", "lanna-ingest"
"""How the client ids of the two begin: names of their ways in the network."""


class SimWorld:
    """One node with `devices` instruments, and a backbone. `clock` is the node's word on its clock ("ntp": as usual).

    Where `disk` is None the spool is a real folder. `extra` is more of the node's configuration.
    """

    def __init__(
        self,
        folder: Path,
        loop: SimLoop,
        *,
        devices: int = 2,
        period_s: float = 1.0,
        every: str = "",
        broker: ModelBroker | None = None,
        flush_s: float = 12.0,
        disk: SimDisk | None = None,
        max_size: str = "64 MB",
        polled: dict[str, SimPolled] | None = None,
        extra: str = "",
        remembers: bool = True,
    ) -> None:
        (folder / "spool").mkdir(parents=True, exist_ok=True)
        self.folder, self.loop = folder, loop
        self.broker = broker or ModelBroker()
        self.network = Network(self.broker)
        self.database = ModelDatabase(loop.time, flush_s=flush_s)
        self.computer = SimComputer(loop)
        self.instruments = [SimInstrument(n, period_s, loop, remembers=remembers) for n in range(1, devices + 1)]
        self.disk = disk
        self.node: Node | None = None
        self.twice: list[str] = []
        """Numbers that were published with two contents."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self._published: dict[tuple[str, int], str] = {}
        self._spool: Spool | None = None
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._switchboard = Switchboard()
        self._config = self._write(every, max_size, polled or {}, extra)
        self.broker.on_publish.append(self._watch)

    # The two processes.

    def start_edge(self) -> None:
        """Start the node; as after a boot where the computer was rebooted."""
        table, files = self._config.spool, self.disk
        options: dict[str, Any] = {} if files is None else {"files": files, "segment_bytes": 1 << 16}
        self._spool = Spool.open(
            Path(table.path),
            outlets=[edge.OUTLET],
            max_bytes=table.max_bytes,
            window_s=table.window_ms / 1000,
            when_full=table.when_full,
            executor=Inline(),
            **options,
        )
        assert self._config.node is not None
        self.node = edge.build_node(self._config, self._config.node, self._spool)
        self._running["edge"] = self.loop.create_task(self.node.run(), name="edge")

    async def stop_edge(self) -> None:
        """In order."""
        await self._cancel("edge")
        if self._spool is not None:
            await self._spool.close()
            self._spool = None

    async def kill_edge(self, *, cut: random.Random | None = None) -> None:
        """kill -9; with dice the power goes: the disk forgets what was not synced, the broker notices late."""

        def dead(operation: str, path: Path) -> None:
            raise PowerCut

        if self._spool is None:
            return
        if self.disk is not None:
            self.disk.fault = dead
        if cut is not None:
            self.network.vanish(EDGE)
        await self._cancel("edge")
        self._spool._lock.release()
        self._spool = None
        if self.disk is not None:
            self.disk = self.disk.after_kill() if cut is None else self.disk.after_cut(cut)

    def start_ingest(self) -> None:
        """Start the backbone's service."""
        assert self._config.ingest is not None
        self._running["ingest"] = self.loop.create_task(
            backbone.run_ingest(self._config.ingest, Running()), name="ingest"
        )

    async def kill_ingest(self) -> None:
        """What it had not committed is forgotten."""
        await self._cancel("ingest")

    def is_alive(self, process: str) -> bool:
        """Whether `edge` or `ingest` runs."""
        task = self._running.get(process)
        return task is not None and not task.done()

    async def _cancel(self, process: str) -> None:
        task = self._running.pop(process, None)
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError, Exception, PowerCut):
            await task
        if process == "edge":
            for instrument in self.instruments:
                instrument.hang_up()

    # What is seen.

    def rows(self) -> list[Row]:
        """The readings in the database; `at` 0 where undated."""
        return [
            Row(
                dict(zip(each.shape.quantities, each.values, strict=False)),
                each.at if each.is_dated else 0,
                each.spool,
                each.seq,
            )
            for each in self.database.points()
            if isinstance(each, Point) and each.origin.device.startswith("pms-")
        ]

    def judge(self, without: frozenset[Name] = frozenset()) -> Counts:
        """The oracle's word now; `without` are names that nobody owes."""
        counts = judge(self.instruments, self.rows())
        lost = tuple(name for name in counts.lost if name not in without)
        return Counts(
            counts.owed,
            counts.arrived,
            lost,
            counts.duplicated,
            counts.altered,
            counts.strange,
            counts.mistimed,
            counts.errors_ms,
        )

    def stored_names(self) -> set[Name]:
        """What is in the database now."""
        return {name_of(row.values) for row in self.rows()}

    async def settle(self, within_s: float, without: frozenset[Name] = frozenset()) -> Counts:
        """The instruments are silent from now on; waits until nothing is lost, at most so long."""
        await asyncio.sleep(2)
        for task in self.tasks:
            task.cancel()
        deadline = self.loop.time() + within_s
        while self.judge(without).lost and self.loop.time() < deadline:
            await asyncio.sleep(30)
        await asyncio.sleep(60)
        return self.judge(without)

    def _watch(self, message: Message) -> None:
        """Every number that passes the broker has one content for ever."""
        kind = message.topic.rpartition("/")[2]
        if kind not in ("reading", "event", "backlog"):
            return
        said = json.loads(message.payload)
        node = message.topic.split("/")[2]
        for each in said["readings"] if kind == "backlog" else [said]:
            device = each.get("device") or message.topic.split("/")[-2]
            content = json.dumps([device, each.get("t"), each.get("v"), each.get("event")])
            known = self._published.setdefault((node + said["spool"], each["seq"]), content)
            if known != content:
                self.twice.append(f"{said['spool']}/{each['seq']}: {known} and {content}")

    # Its making.

    def _write(self, every: str, max_size: str, polled: dict[str, SimPolled], extra: str) -> Config:
        text = f"""
[spool]
path = "{self.folder}/spool"
max_size = "{max_size}"
[mqtt]
url = "mqtt://127.0.0.1:1883"
confirm = "stored"
[ingest]
confirms = true
state = "{self.folder}/state"
mqtt = {{ url = "mqtt://127.0.0.1:1883" }}
sqlite = {{ path = "{self.folder}/unused.sqlite" }}
"""
        text += "" if "[node]" in extra else '[node]\nid = "node-1"\nsite = "test"\n'
        for instrument in self.instruments:
            url = f"tcp://127.0.0.1:{10_000 + instrument.device}"
            self._switchboard.lines[url] = instrument
            text += f'[[device]]\nid = "pms-{instrument.device}"\ndriver = "plantower-pmsx003"\nport = "{url}"\n'
            text += f'every = "{every}"\ncombine = "last"\n' if every else ""
            text += f'silence = "{max(10, 3 * round(instrument.period_s))} s"\n'
        for number, (driver, line) in enumerate(polled.items()):
            url = f"tcp://127.0.0.1:{20_000 + number}"
            self._switchboard.lines[url] = line
            text += f'[[device]]\nid = "polled-{number}"\ndriver = "{driver}"\nport = "{url}"\n'
            text += 'every = "10 s"\naddress = 1\n'
        path = self.folder / "world.toml"
        path.write_text(text + extra)
        return load(path)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """While this holds, the product's doors to the outside lead into the models."""
        sink: Callable[..., Any] = lambda table: (self.database, 365 * 86_400.0)  # noqa: E731
        with ExitStack() as stack:
            stack.enter_context(virtual_time(self.loop))
            stack.enter_context(patch("gateway.mqtt.link.connect", self.network.connect))
            stack.enter_context(patch("gateway.edge.clock.Linux", lambda: self.computer))
            stack.enter_context(patch("gateway.app.sharing.open_port", self._switchboard.open_port))
            stack.enter_context(patch("gateway.app.backbone._sink", sink))
            yield

    async def begin(self) -> None:
        """Everything runs."""
        for instrument in self.instruments:
            self.tasks.add(self.loop.create_task(instrument.run(), name=f"instrument {instrument.device}"))
        self.start_ingest()
        await asyncio.sleep(5)
        self.start_edge()
        await asyncio.sleep(5)

    async def end(self) -> None:
        """Nothing runs any more."""
        await self._cancel("ingest")
        await self.kill_edge()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
