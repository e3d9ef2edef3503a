"""Staying connected: pauses between attempts, what is told, and a clean end at any moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.mqtt import link
from gateway.mqtt.link import Broker, Connection, Disconnected, Message, stay_connected
from tests.mqtt.helpers import (
    ACL,
    CONNACK_5,
    fake_broker,
    read_packet,
    send,
    until,
)
from tests.mqtt.test_connect import open_sockets
from tests.rig.broker import Mosquitto
from tests.rig.process import free_port
from tests.rig.tcp_proxy import TcpProxy

States = list[tuple[str, str]]
Use = Callable[[Connection], Awaitable[None]]


async def forever(connection: Connection) -> None:
    await asyncio.Event().wait()


class Keeper:
    """`stay_connected` as a task, with what it told."""

    def __init__(self, broker: Broker | Callable[[], Broker], use: Use = forever, **times: float) -> None:
        self.states: States = []
        times = {"min_s": 0.01, "max_s": 0.05, **times}
        self.task = asyncio.create_task(
            stay_connected(
                broker, lambda: None, use, on_state=lambda state, why: self.states.append((state, why)), **times
            )
        )

    async def told(self, *states: str) -> None:
        await until(lambda: [state for state, _ in self.states][: len(states)] == list(states) or self.task.done())
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        assert self.task.cancelled()


def test_pauses_double_to_the_cap_and_differ_from_node_to_node() -> None:
    one, other = (list(itertools.islice(link._pauses(0.5, 30.0), 12)) for _ in range(2))
    full = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]
    for pauses in (one, other):
        assert all(most / 2 <= pause <= most for pause, most in zip(pauses, full, strict=True))
    assert one != other


async def test_it_comes_back_when_the_broker_does(mosquitto: Mosquitto) -> None:
    seen: list[Connection] = []

    async def use(connection: Connection) -> None:
        seen.append(connection)
        await connection.subscribe("a/#")
        await forever(connection)

    keeper = Keeper(Broker(mosquitto.url, "node", session_expiry_s=60), use)
    await keeper.told("up")
    mosquitto.restart()
    await until(lambda: len(seen) == 2)
    assert [state for state, _ in keeper.states][:2] == ["up", "down"]
    assert seen[1].number > seen[0].number
    await send(mosquitto.url, Message("a/b", b"1"))
    assert (await seen[1].receive())[0].payload == b"1"
    await keeper.stop()


async def test_attempts_do_not_storm() -> None:
    keeper = Keeper(Broker(f"mqtt://127.0.0.1:{free_port()}", "node"), min_s=0.02, max_s=0.1)
    await asyncio.sleep(0.5)
    await keeper.stop()
    # 0.01 + 0.02 + 0.04 + 0.05 × n at the least
    assert 2 <= len(keeper.states) <= 12
    assert all(state == "down" and "nothing listens" in why for state, why in keeper.states)


async def test_a_machine_that_is_there_without_a_broker_is_asked_again_soon() -> None:
    times = {"min_s": 20.0, "max_s": 30.0, "near_s": 0.05}
    keeper = Keeper(Broker(f"mqtt://127.0.0.1:{free_port()}", "node"), **times)
    await until(lambda: len(keeper.states) >= 4)
    await keeper.stop()


async def test_a_connection_that_lived_long_enough_comes_back_soon(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy:
        keeper = Keeper(Broker(proxy.url, "node"), min_s=20.0, max_s=30.0, near_s=0.02)
        await keeper.told("up")
        await asyncio.sleep(0.25)
        await proxy.drop()
        await keeper.told("up", "down", "up")
        await keeper.stop()


async def test_a_connection_that_dies_young_does_not_reset_the_pause() -> None:
    connects = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await read_packet(reader)
        writer.write(CONNACK_5 + b"\xe0\x01\x8b")

    async with fake_broker(script) as url:
        keeper = Keeper(Broker(url, "node"), min_s=0.02, max_s=0.2)
        await asyncio.sleep(0.6)
        await keeper.stop()
    assert 2 <= connects <= 9


async def test_two_with_one_id_do_not_fight() -> None:
    connects = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await read_packet(reader)
        writer.write(CONNACK_5 + b"\xe0\x01\x8e")

    async with fake_broker(script) as url:
        keeper = Keeper(Broker(url, "node"), min_s=0.01, max_s=0.2)
        await asyncio.sleep(0.5)
        await keeper.stop()
    assert 2 <= connects <= 3
    assert keeper.states[1][0] == "refused"
    assert "session taken over" in keeper.states[1][1]


async def test_refusals_are_told_apart(make_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    broker = make_mosquitto(users={"node": "secret"}, acl=ACL)
    keeper = Keeper(Broker(broker.url, "node", "node", "wrong"))
    await keeper.told("refused")
    assert "not authorized" in keeper.states[0][1]
    await keeper.stop()

    async def publish(connection: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(connection))
            await connection.publish(Message("forbidden", b"1"))

    keeper = Keeper(Broker(broker.url, "node", "node", "secret"), publish)
    await keeper.told("up", "refused", "up", "refused")
    assert "'forbidden' was not accepted: not authorized" in keeper.states[1][1]
    await keeper.stop()

    def without_its_file() -> Broker:
        return Broker(broker.url, "node", "node", (tmp_path / "password").read_text())

    keeper = Keeper(without_its_file)
    await keeper.told("down")
    assert str(tmp_path / "password") in keeper.states[0][1]
    (tmp_path / "password").write_text("secret")
    await until(lambda: keeper.states[-1][0] == "up")
    await keeper.stop()


async def test_use_is_cancelled_when_the_connection_is_lost(mosquitto: Mosquitto) -> None:
    ended: list[BaseException | None] = []

    async def use(connection: Connection) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            ended.append(error)
            raise

    async with TcpProxy(mosquitto.port) as proxy:
        keeper = Keeper(Broker(proxy.url, "node"), use)
        await keeper.told("up")
        await proxy.drop()
        await keeper.told("up", "down", "up")
        assert len(ended) == 1
        await keeper.stop()


async def test_a_use_that_returns_is_followed_by_the_next_connection(mosquitto: Mosquitto) -> None:
    async def use(connection: Connection) -> None:
        await connection.publish(Message("a", b"1"))

    keeper = Keeper(Broker(mosquitto.url, "node"), use)
    await keeper.told("up", "down", "up", "down")
    await keeper.stop()


async def test_a_mistake_in_use_is_passed_on_and_the_will_speaks(mosquitto: Mosquitto) -> None:
    async def plain(connection: Connection) -> None:
        raise KeyError("mistake")

    async def grouped(connection: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(plain(connection))
            group.create_task(forever(connection))

    async def mixed(connection: Connection) -> None:
        raise ExceptionGroup("both", [KeyError("mistake"), Disconnected("lost")])

    for use, kind in ((plain, KeyError), (grouped, ExceptionGroup), (mixed, ExceptionGroup)):
        keeper = Keeper(Broker(mosquitto.url, "node"), use)
        with pytest.raises(kind) as raised:
            await asyncio.wait_for(keeper.task, 3)
        if isinstance(raised.value, ExceptionGroup):
            assert raised.value.subgroup(KeyError) is not None


async def test_cancelled_at_any_moment_nothing_stays(mosquitto: Mosquitto) -> None:
    async def use(connection: Connection) -> None:
        await connection.subscribe("a")
        while True:
            await connection.publish(Message("a", b"1"))
            await connection.receive()

    before = open_sockets()
    async with TcpProxy(mosquitto.port) as proxy:
        for turns in range(25):
            keeper = Keeper(Broker(proxy.url, "node", session_expiry_s=60), use, min_s=0.001, max_s=0.004)
            for _ in range(turns):
                await asyncio.sleep(0.001)
            if turns % 3 == 0:
                await proxy.drop()
            keeper.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeper.task
    await until(lambda: open_sockets() <= before and len(asyncio.all_tasks()) == 1)


async def test_a_cancellation_that_meets_the_answer_to_a_subscription_is_not_swallowed(mosquitto: Mosquitto) -> None:
    async with link.connect(Broker(mosquitto.url, "node")) as connection:
        client = connection._session._client
        answered = client.on_subscribe
        assert answered is not None

        def and_cancelled(*said: object) -> None:
            answered(*said)  # type: ignore[arg-type]  # passed through as it came
            subscribing.cancel()

        client.on_subscribe = and_cancelled
        subscribing = asyncio.create_task(connection.subscribe("a"))
        await asyncio.wait((subscribing,))
        assert subscribing.cancelled()


async def test_cancelling_has_the_will_published(mosquitto: Mosquitto) -> None:
    async def script() -> None:
        await stay_connected(
            Broker(mosquitto.url, "node"),
            lambda: Message("n/status", b"offline", retain=True),
            forever,
            on_state=lambda state, why: up.set(),
        )

    up = asyncio.Event()
    async with link.connect(Broker(mosquitto.url, "watcher")) as watcher:
        await watcher.subscribe("n/#")
        task = asyncio.create_task(script())
        await up.wait()
        task.cancel()
        assert (await watcher.receive())[0].payload == b"offline"
        await asyncio.gather(task, return_exceptions=True)


async def test_goodbye_reaches_the_broker_whatever_it_still_sends() -> None:
    packets: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5)
        packets.append(await read_packet(reader))

    async with fake_broker(script) as url, link.connect(Broker(url, "c")) as connection:
        assert connection.why_lost is None
    assert packets == [b"\xe0\x00"]
