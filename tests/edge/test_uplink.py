"""The node's side of one connection: what is said at the birth, what later, and what the ledger's messages do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.edge import confirmation, uplink
from gateway.edge.presence import NodeFacts, Presence
from gateway.edge.revisions import Revisions
from gateway.edge.uplink import Uplink
from gateway.mqtt.link import AckToken, Broker, Disconnected, Incoming
from gateway.wire.payload import SpoolRange
from tests.edge.outlet_bench import Bench, Wire, bench

STORED = "lanna/v1/n/stored"


class Line(Wire):
    """The wire, and what comes back on it."""

    def __init__(self) -> None:
        super().__init__()
        self.filters: tuple[str, ...] = ()
        self.inbox: asyncio.Queue[Incoming] = asyncio.Queue()

    async def subscribe(self, *filters: str) -> None:
        self.filters = filters

    async def receive(self) -> list[Incoming]:
        return [await self.inbox.get()]

    def ack(self, token: AckToken) -> bool:
        return True

    def say(self, payload: bytes, *, is_retained: bool = False, topic: str = STORED) -> None:
        self.inbox.put_nowait(Incoming(topic, payload, 1, is_retained, AckToken(1, 1)))

    def said(self, kind: str) -> list[bytes]:
        """Payloads of one of the node's own topics."""
        return [message.payload for message, _ in self.sent if message.topic == f"lanna/v1/n/{kind}"]


def stored(b: Bench, upto: int) -> bytes:
    return json.dumps({"ledger": "led", "spools": {b.eras.current.id: {"upto": upto}}}).encode()


@asynccontextmanager
async def connected(b: Bench, path: Path) -> AsyncIterator[tuple[Uplink, Line, asyncio.Task[None]]]:
    presence = Presence(
        "lanna/v1",
        NodeFacts("n", "site", "1", {}, {}),
        [],
        revisions=Revisions(path / "about.json"),
        now=lambda: "2026-03-20T10:00:00.000Z",
        spools=lambda: {id_: SpoolRange(*held) for id_, held in b.eras.held().items()},
    )
    made = Uplink(
        b.outlet, presence, lambda: Broker("mqtt://x", "n"), root="lanna/v1", node="n", health=lambda: b'{"t":null}'
    )
    b.spool.on_loss(lambda reason, first, last: made.changed())
    line = Line()
    task = asyncio.create_task(made.use(line))  # type: ignore[arg-type]  # the parts the uplink needs
    try:
        yield made, line, task
    finally:
        task.cancel()
        await asyncio.wait((task,))
        line.lose()
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "DECLARE_AT_MOST_EVERY_S", 0.01)
    monkeypatch.setattr(confirmation, "ANSWER_WITHIN_S", 0.2)


async def test_at_the_birth_it_says_what_it_holds_and_what_is_lost(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(3)
        async with connected(b, tmp_path) as (made, line, _):
            await b.until(lambda: len(line.live) == 3, "readings")
            assert line.filters == (STORED,)
            assert made.is_online.is_set()
            assert json.loads(line.said("status")[0])["spools"] == {b.spool.id: {"first": 1, "next": 4}}
            assert line.said("lost") == [b""], "what an earlier life left there is gone"
            kinds = [message.topic.rpartition("/")[2] for message, _ in line.sent]
            assert kinds.index("status") < kinds.index("reading")


async def test_losses_are_declared_when_they_happen_and_until_they_are_passed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(5)
        async with connected(b, tmp_path) as (_, line, _):
            await b.until(lambda: line.said("lost") == [b""], "nothing")
            b.spool.declare(2, 3, "damaged")
            await b.until(lambda: len(line.said("lost")) == 2, "declared")
            assert json.loads(line.said("lost")[1]) == {b.spool.id: [[2, 3, "damaged"]]}
            line.say(stored(b, 1))
            await b.until(lambda: b.outlet.word.heard_at is not None, "heard")
            await b.turn()
            assert len(line.said("lost")) == 2, "the same as before"
            line.say(stored(b, 3))
            await b.until(lambda: line.said("lost")[2:] == [b""], "passed")
        async with connected(b, tmp_path) as (_, line, _):
            b.outlet.word._upto.clear()
            await b.until(lambda: line.said("lost") != [], "declared again at each connect")


async def test_a_restart_publishes_nothing_before_it_was_answered(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(3)
    async with bench(tmp_path) as b:
        await b.record(2)
        b.time += 60
        async with connected(b, tmp_path) as (_, line, _):
            await b.until(lambda: bool(line.said("status")), "birth")
            assert json.loads(line.said("status")[0])["spools"] == {b.spool.id: {"first": 1, "next": 4}}
            assert line.late == []
            line.say(stored(b, 2), is_retained=True)
            await b.until(lambda: line.late == [3, 4, 5], "what is not stored")
            assert len(line.said("status")) == 1


async def test_a_card_put_back_is_announced_with_both_its_spools(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(3)
    async with bench(tmp_path) as b:
        await b.record(2)
        b.time += 60
        old = b.spool.id
        async with connected(b, tmp_path) as (_, line, _):
            await b.until(lambda: bool(line.said("status")), "birth")
            line.say(stored(b, 9))
            await b.until(lambda: len(line.names) == 2, "published")
            new = b.eras.current.id
            assert line.names == {(new, 1), (new, 2)}
            status = json.loads(line.said("status")[-1])
            assert (status["state"], set(status["spools"])) == ("online", {old, new})


async def test_messages_that_are_none_are_counted_and_harmless(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, connected(b, tmp_path) as (made, line, task):
        wrong = b'{"ledger":"a","spools":{"x":{"upto":"1"}}}'
        for payload in (b"", b"{", b'{"ledger":1}', b"\xff", b"[" * 10_000, wrong):
            line.say(payload)
        line.say(stored(b, 1), topic="lanna/v1/other/stored")
        await b.until(lambda: made.unreadable == 5, "counted")
        assert not task.done()
        assert b.outlet.word.heard_at is None


async def test_a_broker_that_owes_an_answer_for_minutes_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "HEALTH_EVERY_S", 0.01)
    async with bench(tmp_path) as b, connected(b, tmp_path) as (_, line, task):
        line.answers_at_once = False
        await b.record(1)
        await b.until(lambda: len(line.live) == 1, "sent")
        b.time += 299
        await b.turn()
        assert not task.done()
        b.time += 2
        await b.until(task.done, "given up")
        with pytest.raises(ExceptionGroup) as caught:
            task.result()
        assert caught.group_contains(Disconnected)
