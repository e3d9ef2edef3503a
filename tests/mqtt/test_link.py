"""The link against a real mosquitto: what it promises where the bare library does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.mqtt.link import (
    AckToken,
    Broker,
    Disconnected,
    Incoming,
    Message,
    PublishRefused,
    connect,
)
from tests.mqtt.helpers import ACL, collect, send, until
from tests.rig.broker import IotcoreBroker, Mosquitto
from tests.rig.tcp_proxy import TcpProxy


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_message_arrives_as_it_was_sent(mosquitto: Mosquitto, protocol: str) -> None:
    broker = Broker(mosquitto.url, "both", protocol=protocol)  # type: ignore[arg-type]
    payloads = [b"", b"\x00\xff", b"x" * 127, b"y" * 128, b"z" * 16_384, b"w" * 200_000]
    async with connect(broker) as connection:
        assert connection.protocol == protocol
        assert not connection.session_present
        await connection.subscribe("เชียงใหม่/+", "b/#")
        for payload in payloads:
            connection.publish(Message("เชียงใหม่/pm", payload))
        connection.publish(Message("b/c", b"qos 0", qos=0))
        got = await collect(connection, len(payloads) + 1)
    assert [(each.topic, each.payload, each.qos) for each in got] == [
        *[("เชียงใหม่/pm", payload, 1) for payload in payloads],
        ("b/c", b"qos 0", 0),
    ]


async def test_a_message_that_is_not_acknowledged_comes_again(mosquitto: Mosquitto) -> None:
    broker = Broker(mosquitto.url, "ingest", session_expiry_s=3600)
    async with connect(broker) as first:
        await first.subscribe("a/#")
        await send(mosquitto.url, *[Message("a/b", b"%d" % n) for n in range(4)])
        got = await collect(first, 4, ack=False)
        first.ack(got[0].token)
        first.ack(got[1].token)
    async with connect(broker) as second:
        assert second.session_present
        assert [each.payload for each in await collect(second, 2)] == [b"2", b"3"]


async def test_acks_leave_in_the_order_of_receipt(mosquitto: Mosquitto) -> None:
    broker = Broker(mosquitto.url, "ingest", session_expiry_s=3600)
    async with connect(broker) as first:
        await first.subscribe("a/#")
        await send(mosquitto.url, *[Message("a/b", b"%d" % n) for n in range(5)])
        got = await collect(first, 5, ack=False)
        for late in (got[4], got[1], got[3]):
            assert first.ack(late.token)
    async with connect(broker) as second:
        again = await collect(second, 5, ack=False)
        assert [each.payload for each in again] == [b"0", b"1", b"2", b"3", b"4"]
        for early in (again[1], again[0]):
            second.ack(early.token)
    async with connect(broker) as third:
        assert [each.payload for each in await collect(third, 3)] == [b"2", b"3", b"4"]


async def test_a_token_of_an_earlier_connection_acknowledges_nothing(mosquitto: Mosquitto) -> None:
    broker = Broker(mosquitto.url, "ingest", session_expiry_s=3600)
    async with connect(broker) as first:
        await first.subscribe("a/#")
        await send(mosquitto.url, Message("a/b", b"old"))
        stale = (await collect(first, 1, ack=False))[0].token
    assert not first.ack(stale)
    async with connect(broker) as second:
        assert second.number != first.number
        again = await collect(second, 1, ack=False)
        assert not second.ack(stale)
        assert not second.ack(AckToken(first.number, again[0].token.order))
    async with connect(broker) as third:
        assert [each.payload for each in await collect(third, 1)] == [b"old"]


async def test_a_refused_publish_is_an_error_with_its_reason(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(users={"node": "secret"}, acl=ACL)
    async with connect(Broker(broker.url, "node", "node", "secret")) as connection:
        await connection.publish(Message("ok/a", b"1"))
        with pytest.raises(PublishRefused, match="not authorized") as refused:
            await connection.publish(Message("forbidden/a", b"1"))
        assert refused.value.code == 0x87
        await connection.publish(Message("ok/a", b"2"))


async def test_what_waits_in_the_session_is_not_lost_between_connack_and_receive(mosquitto: Mosquitto) -> None:
    broker = Broker(mosquitto.url, "ingest", session_expiry_s=3600, receive_maximum=50)
    async with connect(broker) as first:
        await first.subscribe("a/#")
    await send(mosquitto.url, *[Message("a/b", b"%d" % n) for n in range(200)])
    async with connect(broker) as second:
        await until(lambda: len(second._inbox) == 50)
        await second.subscribe("b/#")
        got: list[Incoming] = []
        while len(got) < 200:
            got += await collect(second, 50)
    assert [each.payload for each in got] == [b"%d" % n for n in range(200)]


async def test_the_broker_sends_no_more_than_our_receive_maximum(mosquitto: Mosquitto) -> None:
    async with connect(Broker(mosquitto.url, "ingest", receive_maximum=7)) as connection:
        await connection.subscribe("a/#")
        await send(mosquitto.url, *[Message("a/b", b"%d" % n) for n in range(30)])
        held = await collect(connection, 7, ack=False)
        connection.publish(Message("b", b"", qos=0))
        await connection.publish(Message("b", b""))  # a round trip: whatever the broker would have sent is here
        assert not connection._inbox
        for each in held:
            connection.ack(each.token)
        await collect(connection, 7, ack=False)


async def test_publishing_never_exceeds_the_peers_receive_maximum(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(settings={"max_inflight_messages": 5})
    async with connect(Broker(broker.url, "sink")) as sink, connect(Broker(broker.url, "source")) as source:
        assert source.peer_receive_maximum == 5
        await sink.subscribe("a/#")
        sent = [source.publish(Message("a/b", b"%d" % n)) for n in range(100)]
        assert len(source._open) == 5
        got = await collect(sink, 100)
        async with asyncio.timeout(5):
            await asyncio.gather(*sent)
    assert [each.payload for each in got] == [b"%d" % n for n in range(100)]


async def test_a_thousand_publishes_are_all_on_their_way_at_once(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy, connect(Broker(proxy.url, "source")) as source:
        before = proxy.bytes_up
        proxy.black_hole("down")
        for _ in range(1000):
            source.publish(Message("a/b", b"1234567890"))
        await until(lambda: proxy.bytes_up - before >= 1000 * 20)


async def test_a_packet_larger_than_the_broker_takes_is_refused_here(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(settings={"max_packet_size": 1000})
    async with connect(Broker(broker.url, "source")) as connection:
        assert connection.peer_maximum_packet == 1000
        # 1 + 2 (lengths) + 2 + 3 (topic) + 2 (packet id) + 1 (properties) = 11 bytes around the payload
        await connection.publish(Message("a/b", b"x" * 989))
        with pytest.raises(PublishRefused) as refused:
            await connection.publish(Message("a/b", b"x" * 990))
        assert refused.value.code == 0x95
        await connection.publish(Message("a/b", b"still here"))


async def test_a_qos_0_message_with_the_id_of_an_open_one_does_not_answer_for_it(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy, connect(Broker(proxy.url, "source")) as connection:
        proxy.black_hole("down")
        sent = connection.publish(Message("a", b"1"))
        (packet_id,) = connection._open
        connection._session._client._last_mid = packet_id - 1  # as after 65,535 more
        await connection.publish(Message("a", b"2", qos=0))
        await until(lambda: not connection._session._is_write_due)
        assert not sent.done()
        proxy.let_pass()
        await sent


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "\ud800", "x" * 65536])
async def test_an_impossible_topic_is_refused_here(mosquitto: Mosquitto, topic: str) -> None:
    async with connect(Broker(mosquitto.url, "source")) as connection:
        with pytest.raises(PublishRefused) as refused:
            await connection.publish(Message(topic, b"1"))
        assert refused.value.code == 0x90
        await connection.publish(Message("a", b"still here"))


async def test_a_publish_without_answer_fails_when_the_connection_ends_and_is_never_repeated(
    mosquitto: Mosquitto,
) -> None:
    async with connect(Broker(mosquitto.url, "sink")) as sink, TcpProxy(mosquitto.port) as proxy:
        await sink.subscribe("a/#")
        broker = Broker(proxy.url, "source", session_expiry_s=3600)
        async with connect(broker) as first:
            proxy.black_hole("down")
            sent = first.publish(Message("a/b", b"once"))
            assert [each.payload for each in await collect(sink, 1)] == [b"once"]
            await proxy.drop()
            with pytest.raises(Disconnected):
                await sent
            with pytest.raises(Disconnected):
                await first.publish(Message("a/b", b"too late"))
        proxy.let_pass()
        async with connect(broker) as second:
            await second.publish(Message("a/b", b"next"))
        assert [each.payload for each in await collect(sink, 1)] == [b"next"]


async def test_a_lost_connection_ends_every_wait(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy, connect(Broker(proxy.url, "one")) as connection:
        proxy.black_hole()
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(connection.receive()),
            asyncio.ensure_future(connection.subscribe("a")),
            asyncio.ensure_future(asyncio.shield(connection.publish(Message("a", b"1")))),
        ]
        await asyncio.sleep(0)
        await proxy.drop()
        async with asyncio.timeout(3):
            results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in results] == [Disconnected] * 3
        await connection.lost()


async def test_what_arrived_is_handed_out_before_the_end_is_told(mosquitto: Mosquitto) -> None:
    async with connect(Broker(mosquitto.url, "one")) as connection:
        await connection.subscribe("a")
        await send(mosquitto.url, Message("a", b"1"))
        await until(lambda: bool(connection._inbox))
        mosquitto.kill()
        await connection.lost()
        got = await connection.receive()
        assert not connection.ack(got[0].token)
        with pytest.raises(Disconnected):
            await connection.receive()


async def test_the_embedded_broker(iotcore_broker: IotcoreBroker) -> None:
    broker = Broker(iotcore_broker.url, "both", session_expiry_s=60)
    async with connect(broker) as connection:
        assert connection.protocol == "3.1.1"
        await connection.subscribe("a/#")
        await asyncio.gather(*[connection.publish(Message("a/b", b"%d" % n)) for n in range(50)])
        assert [each.payload for each in await collect(connection, 50)] == [b"%d" % n for n in range(50)]


async def test_two_readers_at_once_are_a_mistake(mosquitto: Mosquitto) -> None:
    async with connect(Broker(mosquitto.url, "one")) as connection:
        first = asyncio.ensure_future(connection.receive())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await connection.receive()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await connection.subscribe("a")
        await connection.publish(Message("a", b"1"))
        assert len(await collect(connection, 1)) == 1


async def test_a_publish_that_was_given_up_counts_until_its_answer(
    make_mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = make_mosquitto(settings={"max_inflight_messages": 2})
    async with connect(Broker(broker.url, "one")) as connection:
        futures = [connection.publish(Message("a", b"%d" % n)) for n in range(6)]
        for each in (futures[0], futures[3]):
            each.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*futures, return_exceptions=True)
        await until(lambda: not connection._open)
        async with asyncio.timeout(5):
            await connection.publish(Message("a", b"last"))
