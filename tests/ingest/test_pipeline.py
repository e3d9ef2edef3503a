"""The running ingest on a real broker: order of acknowledgements, dead and wavering sinks, what is told to nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.ingest.ledger import LedgerError
from gateway.ingest.sinks.base import Unavailable
from gateway.ingest.sinks.influx import InfluxSink
from gateway.ingest.sinks.sqlite import SqliteSink
from gateway.mqtt.link import Broker, connect
from tests.ingest.rig import NODE, ROOT, SPOOL, MemorySink, a_node, running, until
from tests.rig.broker import IotcoreBroker, Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.influx_stub import Answer, InfluxStub


async def test_readings_are_stored_acknowledged_settled_and_told(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1, 2, 3)
        await node.backlog(4, 500)
        await node.upto(500)
        assert sink.seqs == list(range(1, 501))
        assert node.stored[-1] == {"ledger": ingest.ledger.id, "spools": {SPOOL: {"upto": 500}}}
        assert ingest.counters.messages == ingest.counters.acknowledged == 4
        assert ingest.counters.settled == 500


async def test_it_works_over_mqtt_3_1_1_and_the_embedded_broker(tmp_path: Path, iotcore_broker: IotcoreBroker) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, iotcore_broker.url, confirms=True) as ingest, a_node(iotcore_broker.url) as node:
        await node.backlog(1, 100)
        await node.readings(101)
        await node.upto(101)
        assert ingest.counters.points == 101


async def test_without_confirms_it_stores_and_says_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url) as ingest, a_node(mosquitto.url) as node:
        await node.birth(1, 4)
        await node.readings(1, 2, 3)
        await until(lambda: ingest.counters.settled == 3, "settled")
        assert ingest.counters.stored_published == 0
        async with connect(Broker(mosquitto.url, "watcher")) as watcher:
            await watcher.subscribe(f"{ROOT}/ingest", f"{ROOT}/+/stored", f"{ROOT}/+/status")
            (only,) = await watcher.receive()
            assert only.topic == f"{ROOT}/{NODE}/status"


async def test_a_dead_sink_stops_acknowledgements_and_nothing_else(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    sink.trouble = Unavailable("away")
    async with running(tmp_path, sink, mosquitto.url, confirms=True, receive_maximum=20) as ingest:
        async with a_node(mosquitto.url) as node:
            for first in range(1, 2001, 20):
                await node.backlog(first, first + 19)
            await until(lambda: ingest.counters.retries >= 5, "it tries again")
            assert ingest.counters.acknowledged == 0
            assert ingest.counters.messages <= 20, "no more than the window is held"
            assert ingest.state("sink") == "down"
            sink.trouble = None
            await node.upto(2000)
        assert sink.seqs == list(range(1, 2001))
        assert sink.repeats == 0
        assert ingest.state("sink") == "up"


async def test_what_was_not_acknowledged_comes_again_after_a_crash(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    sink.trouble = Unavailable("away")
    async with a_node(mosquitto.url) as node:
        async with running(tmp_path, sink, mosquitto.url) as ingest:
            await node.backlog(1, 100)
            await until(lambda: ingest.counters.retries, "it was received")
        sink.trouble = None
        await node.backlog(101, 200)
        async with running(tmp_path, sink, mosquitto.url) as ingest:
            await until(lambda: ingest.counters.settled == 200, "both came")
    assert sink.seqs == list(range(1, 201))


async def test_a_broker_that_restarts_costs_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest:
        sink.gate.clear()
        async with a_node(mosquitto.url) as node:
            await node.backlog(1, 100)
            await until(lambda: ingest.counters.messages == 1, "received")
        await asyncio.to_thread(mosquitto.restart)
        sink.gate.set()
        async with a_node(mosquitto.url) as node:
            await node.backlog(101, 200)
            await node.upto(200)
        assert sink.seqs == list(range(1, 201))
        assert ingest.counters.stale_acks >= 1, "an old token acknowledges nothing on the new connection"


async def test_while_one_batch_is_written_the_next_one_fills(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, batch_readings=100) as ingest, a_node(mosquitto.url) as node:
        sink.gate.clear()
        await node.readings(1)
        await until(lambda: ingest.counters.messages == 1, "the first is being written")
        for first in range(2, 1002, 10):
            await node.backlog(first, first + 9)
        await until(lambda: ingest.counters.messages == 11, "one batch more is read")
        sink.gate.set()
        await until(lambda: ingest.counters.settled == 1001, "all of it")
        assert sink.writes[:2] == [1, 100]
        assert max(sink.writes) <= 110


async def test_a_full_window_ends_a_batch_before_its_age(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with (
        running(tmp_path, sink, mosquitto.url, batch_age_s=60.0, receive_maximum=10) as ingest,
        a_node(mosquitto.url) as node,
    ):
        await node.readings(*range(1, 42))
        await until(lambda: ingest.counters.acknowledged >= 36, "windows of five go without waiting")
        assert sink.writes[1:8] == [5] * 7


async def test_bad_points_are_parked_and_the_others_stored(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    sink.bad = {3, 77}
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.backlog(1, 100)
        await node.readings(101, t="2001-01-01T00:00:00.000Z")
        await node.publish("air/pms/reading", b"\x00 no JSON")
        await node.upto(101)
        await until(lambda: ingest.counters.parked.total() == 4, "parked")
        assert sink.seqs == [seq for seq in range(1, 101) if seq not in (3, 77)]
        kept = {one.refused.seq: (one.refused.reason, one.refused.why) for one in ingest.parked.entries()}
        assert kept[3] == ("refused", "type conflict")
        assert kept[101][0] == "too-old"
        assert kept[0][0] == "json"
        exceptions = ingest.ledger.exceptions(NODE, SPOOL)
        assert exceptions == {("parked", "refused"): [(3, 3), (77, 77)], ("parked", "too-old"): [(101, 101)]}
        assert ingest.counters.acknowledged == 3


async def test_parked_ones_can_be_tried_again(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.retries._EVERY_S", 0.05)
    sink = MemorySink()
    sink.bad = {3, 4}
    async with running(tmp_path, sink, mosquitto.url) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1, 2, 3, 4)
        await until(lambda: ingest.counters.parked["refused"] == 2, "parked")
        sink.bad = {4}
        ingest.parked.retry([one.id for one in ingest.parked.entries()])
        await until(lambda: ingest.counters.parked["refused"] == 3, "one was refused again")
        await until(lambda: sink.seqs == [1, 2, 3], "the other one is stored")
        await until(lambda: len(ingest.parked.entries()) == 1, "and leaves the store")
        (left,) = ingest.parked.entries()
        assert (left.refused.seq, left.times, left.is_retry) == (4, 2, False)
        await until(lambda: ingest.ledger.exceptions(NODE, SPOOL) == {("parked", "refused"): [(4, 4)]}, "ledger")


async def test_a_full_parked_store_stops_acknowledgements_until_there_is_room(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, parked_bytes=2000) as ingest, a_node(mosquitto.url) as node:
        await node.publish("air/pms/reading", b"x" * 1500)
        await until(lambda: ingest.counters.acknowledged == 1, "the first fits")
        await node.publish("air/pms/reading", b"y" * 1500)
        await until(lambda: ingest.state("parked") == "full", "the second does not")
        await node.readings(1)
        assert ingest.counters.acknowledged == 1
        ingest.parked.drop([1])
        await until(lambda: ingest.counters.acknowledged == 3, "it goes on")
        assert sink.seqs == [1]


async def test_nothing_is_told_stored_before_it_is_durable(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink(durable_after_s=0.4)
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1, 2)
        await until(lambda: ingest.counters.acknowledged == 2, "the broker may forget it")
        assert ingest.counters.settled == 0
        await node.upto(2)
        assert ingest.counters.settled == 2


async def test_what_a_database_lost_after_its_yes_is_called_missing_and_comes_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    sink = MemorySink(durable_after_s=0.3)
    async with (
        running(tmp_path, sink, mosquitto.url, confirms=True, grace_s=0.1) as ingest,
        a_node(mosquitto.url) as node,
    ):
        await node.backlog(1, 50)
        await node.upto(50)
        await node.backlog(51, 60)
        await until(lambda: 60 in sink.seqs, "written")
        sink.crash()
        await until(lambda: ingest.counters.unconfirmed == 10, "it is found out")
        said = await node.hear(lambda said: said["spools"][SPOOL].get("missing"), "missing is told", 15)
        assert said["spools"][SPOOL] == {"upto": 50, "missing": [[51, 60]], "next": 61}
        await node.backlog(51, 60)
        await node.upto(60)
        assert sink.seqs[-10:] == list(range(51, 61))


async def test_lost_numbers_are_settled_and_a_birth_is_answered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.birth(1, 101)
        await node.hear(lambda said: SPOOL in said["spools"], "the birth is answered")
        await node.readings(1, 2)
        await node.publish("lost", {SPOOL: [[3, 99, "spool bound"]]}, retain=True)
        await node.upto(99)
        assert ingest.counters.declared_lost == 97
        told = len(node.stored)
        await node.birth(1, 101)
        await node.hear(lambda said: True, "each birth is answered, even with nothing new")
        assert len(node.stored) == told + 1


async def test_what_a_node_settled_under_an_earlier_ledger_is_no_loss(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.birth(1, 11)
        await node.readings(1, 2)
        await node.publish("lost", {SPOOL: [[3, 9, "settled before"], [10, 10, "damaged"]]}, retain=True)
        await node.upto(10)
        assert ingest.counters.declared_lost == 1


async def test_undated_readings_keep_one_time_through_repeats(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1, t=None)
        await until(lambda: ingest.counters.settled == 1, "stored")
        first = sink.kept[NODE, 0x9F3C71AA, 1]
        await node.readings(1, t=None)
        await until(lambda: sink.repeats == 1, "repeated")
        assert sink.kept[NODE, 0x9F3C71AA, 1].at == first.at > 0
        assert not first.is_dated


async def test_a_ledger_that_cannot_be_written_tells_nothing_and_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MemorySink()
    async with (
        running(tmp_path, sink, mosquitto.url, confirms=True, grace_s=0.1) as ingest,
        a_node(mosquitto.url) as node,
    ):
        await node.readings(1)
        await node.upto(1)
        good = ingest.ledger.commit

        def fail() -> None:
            raise LedgerError("disk full")

        monkeypatch.setattr(ingest.ledger, "commit", fail)
        await node.readings(2, 3)
        await until(lambda: ingest.state("ledger") == "down" and ingest.counters.acknowledged == 3, "it fails")
        told = ingest.counters.stored_published
        await until(lambda: ingest.counters.ledger_failures >= 3, "it is tried again")
        assert ingest.counters.stored_published == told
        monkeypatch.setattr(ingest.ledger, "commit", good)
        await node.upto(3)
        assert ingest.state("ledger") == "up"


async def test_descriptions_are_stored_again_every_day(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.retries.ABOUT_EVERY_S", 0.05)
    sink = MemorySink()
    async with running(tmp_path, sink, mosquitto.url) as ingest, a_node(mosquitto.url) as node:
        await node.publish("air/pms/about", {"rev": 2, "since": None, "driver": "plantower-pmsx003"}, retain=True)
        await until(lambda: len(sink.notes) >= 3, "stored again")
        assert {(note.measurement, note.fields["rev"], note.tags["driver"]) for note in sink.notes} == {
            ("about", 2, "plantower-pmsx003")
        }
        await node.publish("air/pms/about", b"", retain=True)
        await node.readings(1)
        await until(lambda: sink.seqs == [1], "what came after it is stored")
        assert not ingest.ingest._abouts._kept


async def test_twenty_thousand_readings_into_a_real_database(
    tmp_path: Path, mosquitto: Mosquitto, victoria: VictoriaMetrics
) -> None:
    sink = InfluxSink(victoria.url, durable_after_s=1.0)
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        for first in range(1, 20_001, 400):
            await node.backlog(first, first + 399)
        await node.readings(*range(20_001, 20_101))
        await until(lambda: ingest.counters.acknowledged == 150, "all written")
        await asyncio.to_thread(victoria.flush)  # it shows new points within two seconds by itself
        await node.upto(20_100)
        assert ingest.counters.settled == 20_100
        assert ingest.counters.unconfirmed == 0
    (series,) = victoria.export('{__name__="air_seq"}')
    assert sorted(v for v in series.values if v is not None) == sorted(set(series.values))
    sink.close()


async def test_a_database_that_answers_everything_wrong_in_turn(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with InfluxStub() as stub:
        wrong = (Answer(act="cut"), Answer(503, "busy", {"Retry-After": "0"}), Answer(401, "no"), Answer(act="hang"))
        stub.script += wrong
        sink = InfluxSink(stub.url, timeout_s=0.3)
        async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
            await node.backlog(1, 100)
            await node.upto(100)
            assert ingest.counters.retries == 4
            assert [state for part, state, _ in ingest.states if part == "sink"] == [
                "down",
                "down",
                "refused",
                "down",
                "up",
            ]
        assert len(stub.lines) == 100
        sink.close()


async def test_into_sqlite(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = SqliteSink(tmp_path / "readings.db", retention_ns=10**18, max_bytes=1 << 30)
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.backlog(1, 300)
        await node.backlog(250, 600)
        await node.upto(600)
        assert ingest.counters.settled >= 600
    assert sink.count(NODE, "pms", 0, 2**62) == 600
    sink.close()
