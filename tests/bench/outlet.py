"""After an outage: 1,000,000 readings wait in the spool; how fast they reach mosquitto, and what live readings notice.

Backlog leaves with QoS 1 through outlet and link to a real broker; the clock stops at the last acknowledgement. Ten
live readings a second are recorded meanwhile; a subscriber in another process tells when each arrived, counted from the
moment it was recorded (the commit window of 250 ms is in it).
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from gateway.edge.outlet import Outlet
from gateway.mqtt.link import Broker, Connection, Message, connect
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack
from gateway.wire.payload import Reading, decode
from tests.edge.outlet_bench import Times
from tests.rig.broker import Mosquitto

COUNT = 1_000_000
LIVE_HZ = 10
CLASSES = ("air", "air", "air", "energy", "water")


def run(count: int = COUNT) -> Iterator[dict[str, object]]:
    """Drain rate, live delay while it lasts, and how much memory the node's side grew by."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder) / "broker") as broker:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        listener = multiprocessing.get_context("spawn").Process(target=_listen, args=(broker.url, theirs), daemon=True)
        listener.start()
        assert ours.recv() == "ready"
        rate, grown = asyncio.run(_drain(Path(folder) / "spool", broker.url, count, ours))
        delays: list[float] = ours.recv()
        listener.join(10)
    delays.sort()
    yield {"name": f"backlog of {count}: drain through mosquitto", "value": round(rate), "unit": "readings/s"}
    for percent in (50, 99, 100):
        delay_ms = 1000 * delays[min(len(delays) - 1, len(delays) * percent // 100)]
        yield {"name": f"live delay while it drains, p{percent}", "value": round(delay_ms, 1), "unit": "ms"}
    yield {"name": "memory while it drains", "value": round(grown / 1024, 1), "unit": "MiB more"}


async def _drain(folder: Path, url: str, count: int, listener: Pipe) -> tuple[float, float]:
    spool = Spool.open(folder, outlets=["main"], max_bytes=1 << 32)
    outlet = Outlet(
        spool,
        Eras(spool),
        "main",
        root="lanna/v1",
        node="nimman-07",
        confirm="broker",
        now=time.monotonic,
        times=Times(),
    )
    committing = asyncio.create_task(spool.run(), name="spool")
    classes = itertools.cycle(CLASSES)
    for number in range(count):
        spool.append(_entry(next(classes), f"device-{number % 7}", number))
        if number % 20_000 == 0:
            await spool.flush()
    await spool.flush()
    outlet.numbers.spill(time.monotonic() + 3600)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with connect(Broker(url, "lanna-nimman-07")) as connection:
        started = time.perf_counter()
        using = asyncio.create_task(_use(outlet, connection), name="outlet")
        living = asyncio.create_task(_live(spool), name="live")
        while outlet.counters.late < count or outlet.unsettled > LIVE_HZ:
            await asyncio.sleep(0.01)
            if using.done():
                using.result()
        taken_s = time.perf_counter() - started
        living.cancel()
        await connection.publish(Message("bench/end", b""))
        using.cancel()
        await asyncio.wait((using, living))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    committing.cancel()
    await asyncio.wait((committing,))
    await spool.close()
    listener.send("end")
    return count / taken_s, after - before


async def _use(outlet: Outlet, connection: Connection) -> None:
    await outlet.use(connection)


async def _live(spool: Spool) -> None:
    while True:
        spool.append(_entry("air", "live", 0, at=time.monotonic()))
        await asyncio.sleep(1 / LIVE_HZ)


def _entry(device_class: str, device: str, number: int, at: float = 0.0) -> bytes:
    values = {"pm1": 21.0 + number % 7 / 10, "pm2_5": 37.5 + number % 13 / 10, "pm10": 61.0 + number % 17 / 10}
    if at:
        values["recorded"] = at
    return pack(Entry(device_class, device, 1_774_000_000_000 + number, number, "b00t", True, values, {"*": 2}))


def _listen(url: str, parent: Pipe) -> None:
    parent.send(asyncio.run(_hear(url, parent)))


async def _hear(url: str, parent: Pipe) -> list[float]:
    delays: list[float] = []
    async with connect(Broker(url, "bench-listener")) as connection:
        await connection.subscribe("lanna/v1/+/+/live/reading", "bench/end")
        parent.send("ready")
        while True:
            for message in await connection.receive():
                now = time.monotonic()
                connection.ack(message.token)
                if message.topic == "bench/end":
                    return delays
                delays.append(now - decode(Reading, message.payload).v["recorded"])
