"""A whole node from its configuration, without a broker: what it records about itself, and what its health says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.core.contract import Decoded
from gateway.app.edge import OUTLET, build_node
from gateway.config import load
from gateway.edge.node import Node
from gateway.edge.station import Report
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, unpack
from gateway.wire.payload import Stored


@asynccontextmanager
async def node(folder: Path, *, when_full: str = "drop-oldest", max_bytes: int = 1 << 20) -> AsyncIterator[Node]:
    """Running, with one device that is not there."""
    path = folder / "edge.toml"
    path.write_text(
        f"""
[node]
id = "node-1"
site = "test"
clock = "trusted"
[spool]
path = "{folder}/spool"
[mqtt]
url = "mqtt://127.0.0.1:1"
confirm = "stored"
[[device]]
id = "pms"
driver = "plantower-pmsx003"
port = "{folder}/no-such-port"
"""
    )
    config = load(path)
    spool = Spool.open(
        folder / "spool",
        outlets=[OUTLET],
        max_bytes=max_bytes,
        window_s=0.01,
        when_full=when_full,  # type: ignore[arg-type]
    )
    try:
        assert config.node is not None
        made = build_node(config, config.node, spool)
        task = asyncio.create_task(made.run(), name="node")
        try:
            yield made
        finally:
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait((task,))
    finally:
        await spool.close()


def report(number: int) -> Report:
    values = {"pm2_5": float(number)}
    return Report("pms", 10**9 * number, 1_774_000_000 * 10**9 + number, Decoded(values), 1)


def recorded(made: Node) -> list[Entry]:
    entries: list[Entry] = []
    while found := made.spool.read(made.spool.first + len(entries), made.spool.committed):
        entries += [unpack(data) for _, data in found]
    return entries


async def until(made: Node, event: str) -> Entry:
    """Wait until the node has recorded that event about itself."""
    async with asyncio.timeout(5):
        while True:
            await made.spool.flush()
            for entry in recorded(made):
                if entry.event == event and entry.device == "node-1":
                    return entry
            await asyncio.sleep(0.005)


async def test_losses_are_events_of_the_node_and_stand_in_its_health(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        for number in range(1, 6):
            made.record(report(number))
        await made.spool.flush()
        made.spool.declare(1, 2, "damaged")
        found = await until(made, "loss")
        assert found.device_class == "place"
        assert found.data == {"reason": "damaged", "count": 2, "first": 1, "last": 2}
        health = json.loads(made.health())
        assert (health["loss_total"], health["losses"]) == (2, {"damaged": 2})
        assert health["unsettled"] == made.spool.committed - 2
        assert health["spools"][made.spool.id]["next"] == made.spool.committed + 1
        assert "ledger_silent" not in health


async def test_health_says_that_nobody_confirms_and_what_was_sent_again(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        made.outlet.word.taken()
        made.outlet.word.resent = 7
        made.outlet.counters.refused["not authorized"] = 3
        made.outlet.word._unheard_since = -1e9
        health = json.loads(made.health())
        assert (health["ledger_silent"], health["resent"], health["refused"]) == (1, 7, {"not authorized": 3})
        made.outlet.word.hear(Stored("led", {}), is_news=True)
        assert "ledger_silent" not in json.loads(made.health())


async def test_a_full_spool_that_keeps_the_old_counts_what_it_refuses_and_stops_nothing(tmp_path: Path) -> None:
    async with node(tmp_path, when_full="drop-newest", max_bytes=1 << 17) as made:
        for number in range(1, 4000):
            made.record(report(number))
            if number % 200 == 0:
                await made.spool.flush()
        losses = made.losses()
        assert set(losses) == {"spool bound"}
        assert losses["spool bound"] > 500
        assert made.recorded["pms"] == 3999 + sum(entry.event == "state" for entry in recorded(made))
        assert made.event("anything", {}) is False


async def test_what_opening_found_is_said(tmp_path: Path) -> None:
    async with node(tmp_path) as made:
        made.record(report(1))
    segment = next((tmp_path / "spool").glob("*.seg"))
    segment.write_bytes(bytes(len(segment.read_bytes())).replace(b"\0", b"\x55"))
    async with node(tmp_path) as made:
        assert (await until(made, "spool-set-aside")).data == {"folder": "damaged-1"}
