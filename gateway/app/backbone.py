"""The backbone's service from its table: sink, ledger, parked store, pipeline."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.app.links import link_broker
from gateway.app.running import Running
from gateway.config import model as said
from gateway.ingest.ledger import SqliteLedger
from gateway.ingest.parked import ParkedStore
from gateway.ingest.pipeline import Ingest, IngestSettings
from gateway.ingest.sinks.base import Sink
from gateway.ingest.sinks.sqlite import SqliteSink
from gateway.wire.times import SECOND

if TYPE_CHECKING:
    from gateway.ingest.sinks.influx import InfluxSink

log = logging.getLogger(__name__)

PARKED_BYTES = 256 << 20
FOREVER_S = 100 * 365.25 * 86_400
UNBOUNDED = 1 << 62


async def run_ingest(table: said.Ingest, running: Running) -> None:
    """Run the backbone's service until cancelled; files and connections are given back."""
    broker = table.mqtt
    assert broker is not None, "checked when the configuration was read"
    sink, retention_s = await asyncio.to_thread(_sink, table)
    try:
        ledger = await asyncio.to_thread(SqliteLedger, Path(table.state) / "ledger.sqlite")
        try:
            parked = await asyncio.to_thread(ParkedStore, Path(table.state) / "parked.sqlite", max_bytes=PARKED_BYTES)
            try:
                running.ingest = Ingest(
                    IngestSettings(
                        root=broker.root,
                        confirms=table.confirms,
                        retention_s=retention_s,
                        batch_readings=table.batch_readings,
                        batch_age_s=table.batch_age_s,
                        grace_s=table.grace_s,
                    ),
                    sink,
                    ledger,
                    parked,
                    link_broker(
                        broker,
                        "lanna-ingest",
                        session_expiry_s=broker.session_expiry_s,
                        receive_maximum=broker.receive_maximum,
                    ),
                    _say_state,
                )
                await running.ingest.run()
            finally:
                parked.close()
        finally:
            ledger.close()
    finally:
        sink.close()


def _sink(table: said.Ingest) -> tuple[Sink, float]:
    """The sink and for how long it keeps readings, in seconds."""
    if table.sqlite is not None:
        retention_s = table.sqlite.retention_s or FOREVER_S
        max_bytes = table.sqlite.max_bytes or UNBOUNDED
        return SqliteSink(
            Path(table.sqlite.path), retention_ns=int(retention_s * SECOND), max_bytes=max_bytes
        ), retention_s
    assert table.influx is not None, "checked when the configuration was read"
    return influx_sink(table.influx), table.influx.retention_s


def influx_sink(influx: said.Influx) -> InfluxSink:
    """The sink of that table. Raises OSError where the token's file cannot be read."""
    from gateway.ingest.sinks.influx import InfluxSink  # slow to import, and not needed beside SQLite

    token = "" if influx.token_file is None else Path(influx.token_file).read_text("utf-8").strip()
    return InfluxSink(
        influx.url,
        org=influx.org,
        bucket=influx.bucket,
        token=token,
        durable_after_s=influx.durable_after_s,
        timeout_s=influx.timeout_s,
        gzip=influx.gzip,
    )


def _say_state(part: str, state: str, why: str) -> None:
    (log.info if state == "up" else log.warning)("%s %s%s", part, state, why and f": {why}")
