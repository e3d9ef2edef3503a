"""The demo's workings: a node and a backbone as `gateway run` makes them, instruments on ptys, a broker of their own.

Nothing in it is made easier for the demo: the bytes take the way of a real node's, through its ports, drivers, spool
and link; only the instruments at the far end of the cables are simulated.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.core.registry import find
from gateway import app
from gateway.cli import whereabouts
from gateway.cli.account import Account, account
from gateway.cli.demo_parts import PARTS, Part, write_config
from gateway.cli.readings import Reader, Seen, Wish
from gateway.cli.table import Cell, Column, Table, has_colour
from gateway.config import load
from gateway.mqtt.link import Broker, Connection, stay_connected
from gateway.ops.texts import say
from gateway.sim.broker import EmbeddedBroker, Kind
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from gateway.wire.topics import DEFAULT_ROOT

if TYPE_CHECKING:
    from gateway.sim.radio_modem import SimulatedModem

GRACE_S = 1.0
"""Time that the last bytes of an instrument get to reach the node's process."""
SETTLE_S = 15.0
_DRAW_EVERY_S = 0.5


def run(
    seconds: float,
    *,
    as_json: bool,
    folder: Path | None,
    broker: Kind | None = None,
    real: Sequence[Part] = (),
    has_lora: bool = False,
) -> int:
    """Run the demo; the exit status. With `folder` its files are kept there; `broker` None takes what there is.

    `real` instruments are read beside the simulated ones; what they said is not known, only what was heard. With
    `has_lora` a level gauge is heard by a LoRa modem.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_run(folder.resolve(), broker, real, seconds, as_json=as_json, has_lora=has_lora))
    with tempfile.TemporaryDirectory(prefix="lanna-demo-") as temporary:
        return asyncio.run(_run(Path(temporary), broker, real, seconds, as_json=as_json, has_lora=has_lora))


async def _run(
    folder: Path, kind: Kind | None, real: Sequence[Part], seconds: float, *, as_json: bool, has_lora: bool
) -> int:
    broker = EmbeddedBroker(folder / "broker", kind)
    await broker.start()
    try:
        whereabouts.write(broker.url, DEFAULT_ROOT)
        try:
            found = await _demonstrate(folder, broker, real, seconds, as_json=as_json, has_lora=has_lora)
        finally:
            whereabouts.remove()
    finally:
        await broker.stop()
    _tell(found, as_json=as_json)
    return 0 if found.is_clean else 1


async def _demonstrate(
    folder: Path, broker: EmbeddedBroker, real: Sequence[Part], seconds: float, *, as_json: bool, has_lora: bool
) -> Account:
    ports = {part.device: folder / f"tty-{part.device}" for part in PARTS}
    lines: dict[str, SimulatedLine | SimulatedModem] = {
        part.device: SimulatedLine(
            [SimulatedDevice(find(part.driver), seed=number, name=part.device)], link=ports[part.device], seed=number
        )
        for number, part in enumerate(PARTS)
    }
    more, shown = "", (*PARTS, *real)
    if has_lora:
        from gateway.cli.demo_radio import LORA, radio

        lines[LORA.device], more = radio(folder)
        shown = (*shown, LORA)
    config = load(write_config(folder, broker.url, ports, real, more))
    stop, ended, running = asyncio.Event(), asyncio.Event(), app.Running()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        sims = [group.create_task(line.run(), name=f"demo {name}") for name, line in lines.items()]
        system = group.create_task(app.run(config, stop, running), name="demo gateway")
        view = group.create_task(_show(broker, shown, as_json=as_json), name="demo view")
        await _wait(ended, system, seconds)
        # From here on nothing new is owed: the instruments fall silent, and what they said has its time to arrive.
        for line in lines.values():
            for device in line.devices:
                device.is_mute = True
        assert running.node is not None, "the demo's configuration has a node"
        for part in real:
            if (port := running.node.loans.find(part.port)) is not None:
                await running.node.loans.withdraw(port, say("demo.end"))
        await asyncio.sleep(GRACE_S)
        await running.node.drain(SETTLE_S)
        view.cancel()
        stop.set()
        await system
        for sim in sims:
            sim.cancel()
    counters = {name: station.counters for name, station in running.node.stations.items()}
    return account(
        folder / "readings.sqlite",
        said={name: line.owed for name, line in lines.items()},
        heard={name: each.readings + each.merged for name, each in counters.items()},
        owed=running.node.recorded,
        rejected=sum(sum(each.rejected.values()) for each in counters.values()),
        parked=0 if running.ingest is None else running.ingest.counters.parked.total(),
        seconds=time.monotonic() - started,
    )


async def _wait(ended: asyncio.Event, system: asyncio.Task[None], seconds: float) -> None:
    """Until Ctrl-C, the end of the time, or the end of the gateway (which then says why)."""
    waiting = asyncio.create_task(ended.wait(), name="demo end")
    try:
        await asyncio.wait((waiting, system), timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


class _View:
    """The live table: one line a quantity, redrawn in place on a terminal, printed once in a while elsewhere."""

    def __init__(self, reader: Reader, parts: Sequence[Part]) -> None:
        self._reader = reader
        self._latest: dict[str, Seen] = {}
        self._drawn = 0
        self._is_terminal = sys.stdout.isatty()
        self._shown = {part.device: part.shown for part in parts}

    def take(self, seen: Seen) -> None:
        """Remember the newest reading of a device."""
        self._latest[seen.device] = seen

    def draw(self) -> None:
        """Show what is known now."""
        if not self._latest:
            return
        width = shutil.get_terminal_size().columns if self._is_terminal else None
        columns = [
            Column(say("tail.device"), 12),
            Column(say("tail.quantity"), 14),
            Column(say("tail.value"), 10, align="right"),
            Column(say("tail.unit"), 6),
            Column(say("tail.age"), 7, align="right"),
            Column(say("tail.quality"), 8),
        ]
        table = Table(columns, width=width, colour=has_colour(sys.stdout))
        lines = table.render(self._rows())
        if self._is_terminal and self._drawn:
            sys.stdout.write(f"\x1b[{self._drawn}F\x1b[J")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self._drawn = len(lines)

    def _rows(self) -> Iterator[Sequence[Cell | str]]:
        from gateway.cli.readings import rows

        now = time.time_ns()
        for device, shown in self._shown.items():
            seen = self._latest.get(device)
            if seen is None:
                yield [device, Cell("…", "dim"), "", "", "", ""]
                continue
            for row in rows(seen, self._reader, now):
                _, _, name, quantity, *rest = row
                if (quantity.text if isinstance(quantity, Cell) else quantity) in shown:
                    yield [name, quantity, *rest]


async def _show(broker: EmbeddedBroker, parts: Sequence[Part], *, as_json: bool) -> None:
    """Subscribe like anyone else and show what comes."""
    if as_json:
        return
    sys.stdout.write(say("demo.started", broker=f"{broker.kind} {broker.url}") + "\n")
    for part in parts:
        if part.port:
            sys.stdout.write(say("demo.real_one", device=part.device, driver=part.driver, port=part.port) + "\n")
    sys.stdout.write("\n")
    reader = Reader(DEFAULT_ROOT, Wish())
    view = _View(reader, parts)

    async def use(connection: Connection) -> None:
        await connection.subscribe(*reader.wish.filters(DEFAULT_ROOT))
        while True:
            for message in await connection.receive():
                connection.ack(message.token)
                for seen in reader.take(message.topic, message.payload):
                    view.take(seen)

    async def draw() -> None:
        # A log file wants a picture now and then, not ten a second.
        every_s = _DRAW_EVERY_S if sys.stdout.isatty() else 10.0
        while True:
            await asyncio.sleep(every_s)
            view.draw()

    async with asyncio.TaskGroup() as group:
        address = Broker(broker.url, f"lanna-demo-view-{os.getpid()}")
        group.create_task(stay_connected(address, lambda: None, use, on_state=lambda state, why: None))
        group.create_task(draw())


def _tell(found: Account, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return
    sys.stdout.write("\n" + say("demo.summary", **found.headline) + "\n")
    columns = [Column(say(f"demo.column_{name}"), 8, align="right") for name in ("said", "heard", "owed", "stored")]
    table = Table([Column(say("tail.device"), 12), *columns])
    rows = [[name, *("-" if n is None else str(n) for n in astuple(each))] for name, each in found.devices.items()]
    sys.stdout.write("\n".join(table.render(rows)) + "\n")
    sys.stdout.write(say("demo.clean" if found.is_clean else "demo.not_clean") + "\n")
