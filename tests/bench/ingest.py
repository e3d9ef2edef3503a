"""Mosquitto QoS 1 through ingest to VictoriaMetrics, readings a second; beside it a bare aiomqtt and a bare paho.

Everything waits in the broker's queue when the clock starts; it stops when the last message is acknowledged, which is
after the database's yes. Singles: 10,000 messages of one reading of three values. Batches: 500 readings a message. The
best of three rounds each; all programs share the machine's cores.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.ingest.ledger import SqliteLedger
from gateway.ingest.parked import ParkedStore
from gateway.ingest.pipeline import Ingest, IngestSettings
from gateway.ingest.sinks.influx import InfluxSink
from gateway.mqtt.link import Broker, Message, connect
from gateway.wire.times import MS, SECOND, format_time
from tests.bench import mqtt
from tests.rig.broker import Mosquitto
from tests.rig.database import VictoriaMetrics

SINGLES = mqtt.COUNT
BATCHED = 400_000
PER_BATCH = 500
ROUNDS = 3
DAY_NS = 86_400 * SECOND


def run() -> Iterator[dict[str, object]]:
    """Singles and batches, and singles as a share of bare aiomqtt."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with Mosquitto(path / "broker") as broker, VictoriaMetrics(path / "database") as database:
            rounds = [_round(path, broker, database, number) for number in range(ROUNDS)]
    best = {name: max(each[name] for each in rounds) for name in rounds[0]}
    for name, rate in best.items():
        yield {"name": f"ingest {name}", "value": round(rate), "unit": "readings/s"}
    yield {"name": "ingest singles/aiomqtt", "value": round(100 * best["singles"] / best["bare aiomqtt"]), "unit": "%"}


def _round(folder: Path, broker: Mosquitto, database: VictoriaMetrics, number: int) -> dict[str, float]:
    started_at = time.time_ns() - DAY_NS
    singles = [(_topic("reading"), _single(number, seq, started_at)) for seq in range(1, SINGLES + 1)]
    batches = [
        ("lanna/v1/nimman-07/air/backlog", _batch(number, first, started_at))
        for first in range(SINGLES + 1, SINGLES + BATCHED + 1, PER_BATCH)
    ]
    asyncio.run(_fill(broker.url, singles, ("bench-ingest", "bench-aiomqtt", "bench-paho")))
    taken = {f"bare {name}": SINGLES / asyncio.run(mqtt.RECEIVERS[name](broker.port)) for name in ("aiomqtt", "paho")}
    taken["singles"] = SINGLES / asyncio.run(
        _ingest(folder / f"s{number}", broker.url, database.url, len(singles), SINGLES)
    )
    asyncio.run(_fill(broker.url, batches, ("bench-ingest",)))
    taken["batches"] = BATCHED / asyncio.run(
        _ingest(folder / f"b{number}", broker.url, database.url, len(batches), BATCHED)
    )
    return taken


async def _fill(url: str, messages: list[tuple[str, bytes]], clients: tuple[str, ...]) -> None:
    # The very filters of ingest: overlapping ones would have the broker send everything twice.
    kind = "+/reading" if messages[0][0].endswith("reading") else "backlog"
    for name in clients:
        async with connect(Broker(url, name, session_expiry_s=3600)) as connection:
            await connection.subscribe(f"lanna/v1/+/+/{kind}")
    async with connect(Broker(url, "bench-filler")) as connection:
        for first in range(0, len(messages), 200):
            await asyncio.gather(*[connection.publish(Message(*each)) for each in messages[first : first + 200]])


async def _ingest(folder: Path, broker_url: str, database_url: str, count: int, readings: int) -> float:
    sink = InfluxSink(database_url)
    ledger, parked = SqliteLedger(folder / "ledger.db"), ParkedStore(folder / "parked.db", max_bytes=1 << 20)
    broker = Broker(broker_url, "bench-ingest", session_expiry_s=3600)
    ingest = Ingest(IngestSettings(confirms=True), sink, ledger, parked, broker, lambda part, state, why: None)
    started = time.perf_counter()
    task = asyncio.create_task(ingest.run(), name="ingest")
    while ingest.counters.acknowledged < count and not task.done():
        await asyncio.sleep(0.005)
    taken_s = time.perf_counter() - started
    task.cancel()
    await asyncio.wait((task,))
    for each in (sink, ledger, parked):
        each.close()
    assert ingest.counters.readings == readings, ingest.counters
    return taken_s


def _topic(kind: str) -> str:
    return f"lanna/v1/nimman-07/air/pms-roof/{kind}"


def _entry(seq: int, started_at: int) -> dict[str, object]:
    values = {"pm1": 21.0 + seq % 7 / 10, "pm2_5": 37.5 + seq % 13 / 10, "pm10": 61.0 + seq % 17 / 10}
    return {"t": format_time(started_at + seq * 100 * MS), "seq": seq, "v": values}


def _single(number: int, seq: int, started_at: int) -> bytes:
    return json.dumps({"spool": f"{number:08x}", **_entry(seq, started_at)}).encode()


def _batch(number: int, first: int, started_at: int) -> bytes:
    readings = [{"device": "pms-roof", **_entry(seq, started_at)} for seq in range(first, first + PER_BATCH)]
    return json.dumps({"spool": f"{number:08x}", "readings": readings}, separators=(",", ":")).encode()
