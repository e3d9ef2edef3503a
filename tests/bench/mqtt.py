"""QoS 1 through mosquitto: our link beside a bare aiomqtt and a bare paho, in one run.

Receiving: the same 10,000 messages wait in the broker for each subscriber, which takes and acknowledges them; MQTT 5,
a receive maximum of 1000. Publishing: 10,000 messages, at most 500 unanswered. The best of three rounds each.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.mqtt.link import Broker, Message, connect
from tests.rig.broker import Mosquitto

COUNT = 10_000
ROUNDS = 3
TOPIC = "lanna/v1/nimman-07/air/pms-roof/reading"
PAYLOAD = b'{"t":"2026-03-20T09:46:40.120Z","spool":"9f3c71aa","seq":1234,"v":{"pm1":21.0,"pm2_5":37.5,"pm10":61.0}}'
WINDOW = 500


def run() -> Iterator[dict[str, object]]:
    """Messages a second for each way, and ours as a share of bare aiomqtt."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        for direction, ways in (("receive", RECEIVERS), ("publish", PUBLISHERS)):
            best = dict.fromkeys(ways, 0.0)
            for _ in range(ROUNDS):
                if direction == "receive":
                    asyncio.run(_fill(broker.url))
                for name, way in ways.items():
                    best[name] = max(best[name], COUNT / asyncio.run(way(broker.port)))
            for name, rate in best.items():
                yield {"name": f"mqtt {direction} {name}", "value": round(rate), "unit": "messages/s"}
            share = 100 * best["link"] / best["aiomqtt"]
            yield {"name": f"mqtt {direction} link/aiomqtt", "value": round(share), "unit": "%"}


async def _fill(url: str) -> None:
    for name in RECEIVERS:
        async with connect(Broker(url, f"bench-{name}", session_expiry_s=3600)) as connection:
            await connection.subscribe(TOPIC)
    async with connect(Broker(url, "bench-filler")) as connection:
        for _ in range(COUNT // WINDOW):
            await asyncio.gather(*[connection.publish(Message(TOPIC, PAYLOAD)) for _ in range(WINDOW)])


def _properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 1000
    return properties


async def _receive_aiomqtt(port: int) -> float:
    started = time.perf_counter()
    async with aiomqtt.Client(
        *("127.0.0.1", port),
        identifier="bench-aiomqtt",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=_properties(),
    ) as client:
        left = COUNT
        async for _ in client.messages:
            left -= 1
            if not left:
                break
        return time.perf_counter() - started
    raise AssertionError("unreachable")


async def _receive_paho(port: int) -> float:
    return await asyncio.to_thread(_receive_paho_blocking, port)


def _receive_paho_blocking(port: int) -> float:
    left = COUNT

    def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        nonlocal left
        left -= 1

    client = paho.Client(CallbackAPIVersion.VERSION2, "bench-paho", protocol=paho.MQTTv5)
    client.on_message = on_message
    started = time.perf_counter()
    client.connect("127.0.0.1", port, clean_start=False, properties=_properties())
    while left:
        client.loop(1.0)
    taken_s = time.perf_counter() - started
    client.disconnect()
    client.loop(0.1)
    return taken_s


async def _receive_link(port: int) -> float:
    started = time.perf_counter()
    async with connect(Broker(f"mqtt://127.0.0.1:{port}", "bench-link", session_expiry_s=3600)) as connection:
        left = COUNT
        while left:
            messages = await connection.receive()
            for each in messages:
                connection.ack(each.token)
            left -= len(messages)
        return time.perf_counter() - started


async def _publish_aiomqtt(port: int) -> float:
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, max_inflight_messages=WINDOW
    ) as client:
        client.pending_calls_threshold = 10 * WINDOW
        room = asyncio.Semaphore(WINDOW)

        async def one() -> None:
            async with room:
                await client.publish(TOPIC, PAYLOAD, qos=1)

        started = time.perf_counter()
        await asyncio.gather(*[one() for _ in range(COUNT)])
        return time.perf_counter() - started


async def _publish_link(port: int) -> float:
    async with connect(Broker(f"mqtt://127.0.0.1:{port}", "bench-source")) as connection:
        room = asyncio.Semaphore(WINDOW)
        started = time.perf_counter()
        futures = []
        for _ in range(COUNT):
            await room.acquire()
            future = connection.publish(Message(TOPIC, PAYLOAD))
            future.add_done_callback(lambda _: room.release())
            futures.append(future)
        await asyncio.gather(*futures)
        return time.perf_counter() - started


RECEIVERS: dict[str, Callable[[int], Coroutine[None, None, float]]] = {
    "aiomqtt": _receive_aiomqtt,
    "paho": _receive_paho,
    "link": _receive_link,
}
PUBLISHERS: dict[str, Callable[[int], Coroutine[None, None, float]]] = {
    "aiomqtt": _publish_aiomqtt,
    "link": _publish_link,
}
