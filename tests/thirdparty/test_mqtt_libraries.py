"""What the bare libraries do against a real mosquitto: the reasons for gateway.mqtt.

A failure here is good news: a newer library closed the hole, and our own work for it can go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from importlib.metadata import version

import aiomqtt
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.mqtt.link import Broker, Message, connect
from tests.mqtt.helpers import ACL, collect, send, until
from tests.rig.broker import Mosquitto
from tests.rig.tcp_proxy import TcpProxy

V5 = aiomqtt.ProtocolVersion.V5


def persistent() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    return properties


def test_the_versions_these_findings_are_about() -> None:
    assert version("aiomqtt").startswith("2.5.")
    assert version("paho-mqtt").startswith("2.")


async def test_aiomqtt_acknowledges_before_anyone_has_the_message(mosquitto: Mosquitto) -> None:
    assert not hasattr(aiomqtt.Client, "ack")

    def client() -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1", mosquitto.port, identifier="c", protocol=V5, clean_start=False, properties=persistent()
        )

    async with client() as first:
        await first.subscribe("a", qos=1)
        await send(mosquitto.url, Message("a", b"1"))
        await until(lambda: len(first.messages) == 1)  # never taken out
    async with client() as second:
        await second.subscribe("b", qos=1)
        await send(mosquitto.url, Message("b", b"2"))
        await until(lambda: len(second.messages) == 1)
        assert (await anext(second.messages)).payload == b"2"


async def test_aiomqtt_reports_a_refused_publish_as_success(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(users={"node": "secret"}, acl=ACL)
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=V5, username="node", password="secret") as client:
        await client.publish("forbidden/a", b"1", qos=1)


async def test_aiomqtt_drops_what_does_not_fit_its_queue_and_acknowledges_it(mosquitto: Mosquitto) -> None:
    async with aiomqtt.Client(
        "127.0.0.1",
        mosquitto.port,
        identifier="c",
        protocol=V5,
        max_queued_incoming_messages=5,
        clean_start=False,
        properties=persistent(),
    ) as client:
        await client.subscribe("a", qos=1)
        await send(mosquitto.url, *[Message("a", b"%d" % n) for n in range(20)])
        await client.publish("b", b"", qos=1)  # a round trip behind the messages
        assert len(client.messages) == 5
    async with connect(Broker(mosquitto.url, "c", session_expiry_s=60)) as again:
        assert again.session_present
        await again.subscribe("b")
        await again.publish(Message("b", b"end"))
        assert [each.payload for each in await collect(again, 1)] == [b"end"]


async def test_paho_sends_again_by_itself_what_its_caller_has_given_up(mosquitto: Mosquitto) -> None:
    async with connect(Broker(mosquitto.url, "sink")) as sink, TcpProxy(mosquitto.port) as proxy:
        await sink.subscribe("a")
        client = aiomqtt.Client(
            "127.0.0.1", proxy.port, identifier="source", protocol=V5, clean_start=False, properties=persistent()
        )
        with contextlib.suppress(aiomqtt.MqttError):
            async with client:
                proxy.black_hole("down")
                with pytest.raises(aiomqtt.MqttError, match="timed out"):
                    await client.publish("a", b"once", qos=1, timeout=0.1)
                await proxy.drop()
                await until(lambda: client._disconnected.done())
        proxy.let_pass()
        async with client:
            await client.publish("a", b"once", qos=1)
        # Three copies: the one that arrived, paho's repeat of it, and the caller's own retry.
        assert [each.payload for each in await collect(sink, 3)] == [b"once"] * 3


async def test_paho_holds_messages_back_after_twenty(mosquitto: Mosquitto) -> None:
    sent: list[int] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_log = lambda client, userdata, level, text: sent.append(1) if "Sending PUBLISH" in text else None
    client.connect("127.0.0.1", mosquitto.port)
    for _ in range(10):
        client.loop(0.05)
    for _ in range(100):
        assert client.publish("a", b"1", qos=1).rc == paho.MQTT_ERR_SUCCESS
    assert len(sent) == 20
    client.disconnect()


async def test_paho_lets_a_packet_that_is_too_large_cost_the_connection(
    make_mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = make_mosquitto(settings={"max_packet_size": 1000})
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=V5) as client:
            await client.publish("a", b"x" * 2000, qos=1, timeout=0.5)


async def test_aiomqtt_waits_for_an_answer_that_a_lost_connection_can_never_give(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy:
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", proxy.port, protocol=V5) as client:
                proxy.black_hole()
                waiting = asyncio.ensure_future(client.subscribe("a", timeout=0.3))
                await asyncio.sleep(0)
                await proxy.drop()
                await until(lambda: client._disconnected.done())
                assert not waiting.done()
                with pytest.raises(aiomqtt.MqttError, match="timed out"):
                    await waiting


async def test_mosquittos_default_queue_keeps_a_thousand(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(settings={"max_queued_messages": 1000, "max_inflight_messages": 20})
    absent = Broker(broker.url, "absent", session_expiry_s=3600)
    async with connect(absent) as connection:
        await connection.subscribe("a")
    await send(broker.url, *[Message("a", b"%d" % n) for n in range(3000)])
    async with connect(absent) as connection:
        await connection.subscribe("end")
        got = await collect(connection, 1000)
        await connection.publish(Message("end", b"end"))
        while got[-1].topic != "end":
            got += await collect(connection, 1)
    assert 1000 <= len(got) - 1 <= 1020


def test_the_private_names_that_session_stands_on() -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    assert callable(client._create_socket)
    for name in ("_on_connect", "_on_disconnect", "_on_message", "_on_publish", "_on_subscribe"):
        assert callable(getattr(aiomqtt.Client, name))
    for name in ("open", "close", "register_write", "unregister_write"):
        assert callable(getattr(aiomqtt.Client, f"_on_socket_{name}"))
