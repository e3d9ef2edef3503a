"""The model of a broker keeps mosquitto's contract: the same scripts for both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from gateway.mqtt.broker import Broker, Message
from gateway.mqtt.errors import ConnectFailed
from gateway.mqtt.link import connect
from tests.rig.broker import Mosquitto
from tests.rig.model_broker import ModelBroker
from tests.rig.model_link import Network
from tests.rig.process import need_program
from tests.rig.sim_time import SimLoop


class Running(Protocol):
    """A broker's life."""

    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> Any: ...


@dataclass
class Place:
    """A broker, real or not, and how to connect to it."""

    broker: Running
    url: str
    dial: Callable[..., AbstractAsyncContextManager[Any]]

    def connect(self, client: str, will: Message | None = None, **options: Any) -> AbstractAsyncContextManager[Any]:
        """A connection; options are those of gateway.mqtt.broker.Broker."""
        return self.dial(Broker(self.url, client, **options), will)


Script = Callable[[Place], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture(params=["model", "mosquitto"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a script at a broker with these bounds."""

    def real(script: Script, *, persistence: bool = False, max_queued: int = 1000, max_inflight: int = 20) -> None:
        need_program("mosquitto", "mosquitto")
        settings = {"max_queued_messages": max_queued, "max_inflight_messages": max_inflight}
        with Mosquitto(tmp_path / "broker", persistence=persistence, settings=settings) as broker:
            asyncio.run(_within(script(Place(broker, broker.url, connect))))

    def model(script: Script, *, persistence: bool = False, max_queued: int = 1000, max_inflight: int = 20) -> None:
        loop = SimLoop()
        try:
            broker = ModelBroker(is_persistent=persistence, max_queued=max_queued, max_inflight=max_inflight)
            place = Place(broker, "mqtt://127.0.0.1:1883", Network(broker).connect)
            loop.run_until_complete(_within(script(place)))
        finally:
            loop.close()

    return real if request.param == "mosquitto" else model


async def _within(script: Awaitable[None]) -> None:
    async with asyncio.timeout(20):
        await script


async def _take(connection: Any, count: int, *, acks: bool = True) -> list[bytes]:
    """The next `count` payloads."""
    taken: list[bytes] = []
    async with asyncio.timeout(5):
        while len(taken) < count:
            for message in await connection.receive(count - len(taken)):
                taken.append(message.payload)
                if acks:
                    connection.ack(message.token)
    await asyncio.sleep(0.05)  # acknowledgements leave in the next turn of the loop
    return taken


async def _is_quiet(connection: Any) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await connection.receive()
            return False
    return True


async def _send(place: Place, *messages: Message) -> None:
    async with place.connect("source") as source:
        await asyncio.gather(*(source.publish(message) for message in messages))


def _numbered(count: int, first: int = 0) -> list[Message]:
    return [Message("a/b", b"%d" % n) for n in range(first, first + count)]


def _payloads(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(first, first + count)]


def test_in_order_and_acknowledged(play: Play) -> None:
    async def script(place: Place) -> None:
        async with place.connect("sink") as sink:
            await sink.subscribe("a/+")
            await _send(place, *_numbered(50), Message("b/c", b"not for us"))
            assert await _take(sink, 50) == _payloads(50)
            assert await _is_quiet(sink)

    play(script)


def test_a_kept_session_waits_and_a_clean_one_does_not(play: Play) -> None:
    async def script(place: Place) -> None:
        for expiry_s in (3600, 0):
            async with place.connect(f"sink-{expiry_s}", session_expiry_s=expiry_s) as sink:
                assert not sink.session_present
                await sink.subscribe("a/#")
        await _send(place, *_numbered(50))
        async with place.connect("sink-3600", session_expiry_s=3600) as sink:
            assert sink.session_present
            assert await _take(sink, 50) == _payloads(50)
        async with place.connect("sink-0") as sink:
            assert not sink.session_present
            assert await _is_quiet(sink)

    play(script)


def test_what_is_not_acknowledged_comes_again(play: Play) -> None:
    async def script(place: Place) -> None:
        again = partial(place.connect, "sink", session_expiry_s=3600)
        async with again() as sink:
            await sink.subscribe("a/#")
            await _send(place, *_numbered(10))
            assert await _take(sink, 4) == _payloads(4)
            assert await _take(sink, 6, acks=False) == _payloads(6, 4)
        await _send(place, *_numbered(3, 10))
        async with again() as sink:
            assert await _take(sink, 9) == _payloads(9, 4)

    play(script)


def test_retained_until_emptied(play: Play) -> None:
    async def script(place: Place) -> None:
        await _send(place, Message("a/b", b"old", 1, True))
        await _send(place, Message("a/b", b"kept", 1, True))
        async with place.connect("one") as one:
            await one.subscribe("a/#")
            (message,) = await one.receive()
            assert (message.payload, message.retain) == (b"kept", True)
            await _send(place, Message("a/b", b"live", 1, True))
            (message,) = await one.receive()
            assert (message.payload, message.retain) == (b"live", False)
        await _send(place, Message("a/b", b"", 1, True))
        async with place.connect("two") as two:
            await two.subscribe("a/#")
            assert await _is_quiet(two)

    play(script)


def test_a_will_for_those_who_do_not_say_goodbye(play: Play) -> None:
    class Cut(Exception):
        pass

    async def script(place: Place) -> None:
        async with place.connect("sink") as sink:
            await sink.subscribe("will")
            async with place.connect("polite", Message("will", b"polite")):
                pass
            assert await _is_quiet(sink)
            with suppress(Cut):
                async with place.connect("rude", Message("will", b"rude")):
                    raise Cut
            assert await _take(sink, 1) == [b"rude"]

    play(script)


def test_a_queue_has_a_bound_and_tells_nobody(play: Play) -> None:
    async def script(place: Place) -> None:
        async with place.connect("sink", session_expiry_s=3600) as sink:
            await sink.subscribe("a/#")
        await _send(place, *_numbered(40))
        async with place.connect("sink", session_expiry_s=3600) as sink:
            assert await _take(sink, 10) == _payloads(10)
            assert await _is_quiet(sink)

    play(script, max_queued=10, max_inflight=5)


def test_no_more_in_flight_than_wanted(play: Play) -> None:
    async def script(place: Place) -> None:
        async with place.connect("sink", receive_maximum=3) as sink:
            await sink.subscribe("a/#")
            await _send(place, *_numbered(9))
            assert await _take(sink, 3, acks=False) == _payloads(3)
            assert await _is_quiet(sink)

    play(script)


@pytest.mark.parametrize(
    ("persistence", "ending", "survives"), [(True, "stop", True), (True, "kill", False), (False, "stop", False)]
)
def test_what_outlives_the_broker(play: Play, persistence: bool, ending: str, survives: bool) -> None:
    async def script(place: Place) -> None:
        async with place.connect("sink", session_expiry_s=3600) as sink:
            await sink.subscribe("a/#")
        await _send(place, *_numbered(5), Message("c", b"kept", 1, True))
        getattr(place.broker, ending)()
        with pytest.raises(ConnectFailed):
            async with place.connect("nobody"):
                pass
        place.broker.start()
        async with place.connect("sink", session_expiry_s=3600) as sink:
            assert sink.session_present == survives
            assert (await _take(sink, 5) == _payloads(5)) if survives else await _is_quiet(sink)
            await sink.subscribe("c")
            assert (await _take(sink, 1) == [b"kept"]) if survives else await _is_quiet(sink)

    play(script, persistence=persistence)


def test_a_second_client_of_that_name_throws_out_the_first(play: Play) -> None:
    async def script(place: Place) -> None:
        async with place.connect("one") as first, place.connect("one"):
            await first.lost()
            assert first.why_lost is not None

    play(script)


def test_a_broker_that_ends_ends_its_connections(play: Play) -> None:
    async def script(place: Place) -> None:
        async with place.connect("one", Message("will", b"?")) as one:
            place.broker.kill()
            await one.lost()
            with pytest.raises(type(one.why_lost)):
                await one.publish(Message("a", b"1"))

    play(script)
