"""One confirming ingest a root: who comes second, and what a dead one left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.ingest.presence import AnotherIngest, Presence
from gateway.mqtt.link import Broker, Message, connect
from tests.ingest.rig import ROOT, MemorySink, a_node, running, until
from tests.rig.broker import Mosquitto


async def test_a_second_confirming_ingest_is_refused_and_the_first_goes_on(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    sink = MemorySink()
    async with running(tmp_path / "a", sink, mosquitto.url, confirms=True) as first, a_node(mosquitto.url) as node:
        for client_id in ("ingest", "ingest-2"):
            with pytest.raises(
                AnotherIngest, match=f"confirms for {ROOT} since 20.*{first.ledger.id}.*confirms = false"
            ):
                async with running(tmp_path / "b", MemorySink(), mosquitto.url, client_id=client_id, confirms=True):
                    pass
        async with running(tmp_path / "c", MemorySink(), mosquitto.url, client_id="reader") as reading:
            await node.readings(1)
            await node.upto(1)
            await until(lambda: reading.counters.settled == 1, "another one may read")
        assert first.state("broker") == "up"


async def test_what_a_dead_ingest_left_retained_does_not_stop_a_new_one(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.presence.ANSWER_WITHIN_S", 0.3)
    left = b'{"state":"online","instance":"dead","since":5,"ledger":"0"}'
    async with connect(Broker(mosquitto.url, "left")) as connection:
        await connection.publish(Message(f"{ROOT}/ingest", left, 1, retain=True))
    async with (
        running(tmp_path, MemorySink(), mosquitto.url, confirms=True) as ingest,
        connect(Broker(mosquitto.url, "watcher")) as watcher,
    ):
        assert ingest.state("broker") == "up"
        await watcher.subscribe(f"{ROOT}/ingest")
        (message,) = await watcher.receive()
        assert message.payload != left
        await watcher.publish(Message(f"{ROOT}/ingest", left.replace(b"online", b"offline"), 1, retain=True))
        heard: list[bytes] = []
        async with asyncio.timeout(5):
            while len(heard) < 2:
                heard += [each.payload for each in await watcher.receive()]
        assert heard[1] == message.payload, "a late will of another is put right"


def test_the_elder_of_two_stays() -> None:
    elder, younger = Presence(ROOT, "l1", "b", since=5), Presence(ROOT, "l2", "a", since=6)
    with pytest.raises(AnotherIngest, match="confirms = false"):
        younger.answer(elder.online().payload)
    assert elder.answer(younger.online().payload) == elder.online()
    twin = Presence(ROOT, "l3", "c", since=5)
    assert elder.answer(twin.online().payload) == elder.online(), "the same moment: one of them, the same for both"
    with pytest.raises(AnotherIngest):
        twin.answer(elder.online().payload)


def test_an_ingest_answers_claims_and_puts_wills_right() -> None:
    ours, other = Presence(ROOT, "l1", "b", since=5), Presence(ROOT, "l2", "a", since=1)
    assert ours.answer(other.claim().payload) == ours.online()
    assert ours.answer(other.will().payload) == ours.online()
    assert ours.answer(ours.will().payload) == ours.online(), "of a connection before this one"
    assert ours.answer(ours.online().payload) is None
    for strange in (b"", b"[]", b"\xff", b'{"state":"online"}', b'{"state":"x","instance":"a","since":1}'):
        assert ours.answer(strange) is None
