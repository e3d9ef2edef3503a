"""Between a database's yes and its disk: which batches share one look, and what a crash in between costs."""

from __future__ import annotations

from pathlib import Path

from gateway.ingest.sinks.base import Unavailable
from tests.ingest.rig import MemorySink, a_node, running, until
from tests.rig.broker import Mosquitto


async def test_what_is_written_after_a_crash_is_not_doubted_with_what_was_before(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    sink = MemorySink(durable_after_s=0.3)
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.backlog(1, 10)
        await until(lambda: 10 in sink.seqs, "written in the database's first life")
        sink.crash()
        sink.trouble = Unavailable("it is starting")
        await node.backlog(11, 20)
        await until(lambda: ingest.counters.retries, "the next one meets a database that is away")
        sink.trouble = None
        await until(lambda: ingest.counters.settled == 10, "what the second life took is there")
        assert ingest.counters.unconfirmed == 10
        assert sink.seqs == list(range(11, 21))


async def test_batches_of_one_second_share_one_look(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink(durable_after_s=0.2)
    looks = []
    confirm = sink.confirm
    sink.confirm = lambda mark, last: looks.append(last.seq) or confirm(mark, last)  # type: ignore[method-assign]
    async with running(tmp_path, sink, mosquitto.url, batch_age_s=0.0) as ingest, a_node(mosquitto.url) as node:
        await node.readings(*range(1, 21))
        await until(lambda: ingest.counters.settled == 20, "settled")
        assert ingest.counters.batches > len(looks)
        assert looks[-1] == 20
