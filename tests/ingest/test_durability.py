"""Between a database's yes and its disk: which batches share one look, and what a crash in between costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ingest import settle
from gateway.ingest.sinks.base import Unavailable
from tests.ingest.rig import SPOOL, MemorySink, a_node, running, until
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


async def test_batches_that_nobody_confirms_are_bounded_and_sent_again(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database may take batches for hours and show nothing of them."""
    monkeypatch.setattr(settle, "GROUP_S", 0.0)
    monkeypatch.setattr(settle, "MOST_GROUPS", 5)
    monkeypatch.setattr(settle.Settler, "wants_mark", lambda self: True)
    sink = MemorySink(durable_after_s=0.01)

    def confirm(mark: str | None, last: object) -> bool:
        raise Unavailable("queries are off")

    sink.confirm = confirm  # type: ignore[method-assign]
    async with running(tmp_path, sink, mosquitto.url, batch_age_s=0.0, confirms=True, grace_s=0.05) as ingest:
        settler = ingest.ingest._settler
        async with a_node(mosquitto.url) as node:
            for number in range(1, 41):
                await node.readings(number)
                await until(lambda n=number: n in sink.seqs, "written")  # type: ignore[misc]
                assert len(settler._groups) <= 7
            assert ingest.counters.unconfirmed >= 33
            said = await node.hear(lambda said: SPOOL in said["spools"], "what became of them")
            assert said["spools"][SPOOL].get("upto", 0) == 0
            assert ingest.counters.settled == 0
