"""Between a database's yes and its disk: which batches share one look, and what a crash in between costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ingest import durable
from gateway.ingest.sinks.base import Unavailable
from tests.ingest.rig import NODE, SPOOL, MemorySink, a_node, running, until
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
    monkeypatch.setattr(durable, "GROUP_S", 0.0)
    monkeypatch.setattr(durable, "MOST_GROUPS", 5)
    monkeypatch.setattr(durable.Durability, "wants_mark", lambda self: True)
    sink = MemorySink(durable_after_s=0.01)

    def confirm(mark: str | None, last: object) -> bool:
        raise Unavailable("queries are off")

    sink.confirm = confirm  # type: ignore[method-assign]
    async with running(tmp_path, sink, mosquitto.url, batch_age_s=0.0, confirms=True, grace_s=0.05) as ingest:
        waiting = ingest.ingest._settler._durability
        async with a_node(mosquitto.url) as node:
            for number in range(1, 41):
                await node.readings(number)
                await until(lambda n=number: n in sink.seqs, "written")  # type: ignore[misc]
                assert len(waiting.groups) <= 7
            await until(lambda: ingest.counters.unconfirmed >= 33, "given up")
            said = await node.hear(lambda said: SPOOL in said["spools"], "what became of them")
            assert said["spools"][SPOOL].get("upto", 0) == 0
            assert ingest.counters.settled == 0


async def test_what_a_crash_left_is_settled_and_what_it_took_is_missing_without_waiting(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Numbers are told stored or missing once they were looked for, not when the grace period is over."""
    sink = MemorySink(durable_after_s=0.5)
    async with (
        running(tmp_path, sink, mosquitto.url, confirms=True, grace_s=3600.0) as ingest,
        a_node(mosquitto.url) as node,
    ):
        await node.backlog(1, 30)
        await until(lambda: 30 in sink.seqs, "written in the database's first life")
        sink.crash(keeps=set(range(1, 11)) | {15})
        await node.backlog(31, 40)
        said = await node.hear(lambda said: said["spools"][SPOOL].get("missing"), "what is gone")
        assert said["spools"][SPOOL]["missing"] == [[11, 14], [16, 30]]
        await node.upto(10)
        assert ingest.counters.unconfirmed == 19
        assert ingest.counters.settled == 11 + 10
        await node.backlog(11, 30)
        await node.upto(40)
        assert node.stored[-1]["spools"][SPOOL] == {"upto": 40}


async def test_nothing_is_vouched_for_that_the_new_life_may_only_have_got_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """What is read back after a crash may have been sent again since, and a second crash may take that, too."""
    sink = MemorySink(durable_after_s=0.6)
    async with (
        running(tmp_path, sink, mosquitto.url, confirms=True, grace_s=3600.0) as ingest,
        a_node(mosquitto.url) as node,
    ):
        await node.backlog(1, 10)
        await until(lambda: 10 in sink.seqs, "written in the first life")
        sink.crash()
        await node.backlog(1, 10)
        await until(lambda: 10 in sink.seqs, "written in the second life")
        sink.crash()
        await node.backlog(11, 20)
        await until(lambda: ingest.counters.settled == 10, "what the third life took is there")
        assert sink.seqs == list(range(11, 21))
        said = await node.hear(lambda said: said["spools"][SPOOL].get("missing"), "what is gone")
        assert said["spools"][SPOOL] == {"upto": 0, "missing": [[1, 10]], "next": 21}


async def test_one_point_that_cannot_be_read_back_keeps_no_other_waiting(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A database may take a point and never show it, in the same life."""
    sink = MemorySink(durable_after_s=0.3)
    sink.confirm = lambda mark, last: False  # type: ignore[method-assign]
    async with running(tmp_path, sink, mosquitto.url, confirms=True, grace_s=3600.0), a_node(mosquitto.url) as node:
        await node.backlog(1, 10)
        await until(lambda: 10 in sink.seqs, "written")
        del sink.kept[NODE, 0x9F3C71AA, 10]
        said = await node.hear(lambda said: said["spools"][SPOOL].get("upto"), "the others")
        assert said["spools"][SPOOL] == {"upto": 9, "missing": [[10, 10]], "next": 11}
