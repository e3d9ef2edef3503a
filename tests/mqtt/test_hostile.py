"""The link against a server that answers what no decent broker would: bytes by hand."""

from __future__ import annotations

import asyncio
import itertools
import random
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from gateway.mqtt import connection as connection_module
from gateway.mqtt.link import (
    Broker,
    Disconnected,
    Message,
    PublishRefused,
    SubscribeRefused,
    connect,
)
from tests.mqtt.helpers import (
    CONNACK_5,
    answering,
    collect,
    fake_broker,
    publish_packet,
    read_packet,
    until,
    until_goodbye,
)

BAD = {
    "a remaining length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a packet of 256 MB": b"\x30\xff\xff\xff\x7f",
    "a reserved packet type": b"\x00\x00",
    "a client's packet": b"\xc0\x00",
    "a second CONNACK": CONNACK_5,
    "QoS 3": publish_packet(b"a", b"x", 1, first=0x36),
    "QoS 2, never subscribed": publish_packet(b"a", b"x", 1, first=0x34),
    "a topic longer than its packet": b"\x30\x03\x00\xff\x00",
    "a topic that is no UTF-8": publish_packet(b"\xff\xfe", b"x"),
    "an empty topic": publish_packet(b"", b"x"),
    "a PUBLISH without packet id": b"\x32\x03\x00\x01a",
    "a PUBLISH of no bytes": b"\x32\x00",
    "properties longer than their packet": b"\x30\x05\x00\x01a\x7f\x00",
    "an unknown property": b"\x30\x06\x00\x01a\x02\x7e\x00",
    "a PUBACK of one byte": b"\x40\x01\x00",
    "a PUBACK with a reason that is none": b"\x40\x04\x00\x01\x55\x00",
    "a SUBACK of no bytes": b"\x90\x00",
    "a DISCONNECT with a reason that is none": b"\xe0\x01\x55",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("step", [1, 1000])
async def test_malformed_bytes_end_the_connection_and_nothing_else(name: str, step: int) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5)
        await read_packet(reader)  # the publish below: so that PUBACKs meet an open packet id
        for at in range(0, len(BAD[name]), step):
            writer.write(BAD[name][at : at + step])
            await writer.drain()
            await asyncio.sleep(0)
        await until_goodbye(reader)

    async with fake_broker(script) as url, connect(Broker(url, "c")) as connection:
        sent = connection.publish(Message("a", b"1"))
        with pytest.raises(Disconnected):
            async with asyncio.timeout(3):
                await connection.receive()
        with pytest.raises(Disconnected):
            await sent


@pytest.mark.parametrize("seed", range(20))
async def test_random_bytes_harm_nothing(seed: int) -> None:
    noise = random.Random(seed).randbytes(3000)

    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5 + noise)
        writer.close()
        await writer.wait_closed()

    async with fake_broker(script) as url, connect(Broker(url, "c")) as connection:
        async with asyncio.timeout(3):
            await connection.lost()
        assert len(connection._inbox) < 10


@pytest.mark.parametrize(
    ("disconnect", "code", "words"),
    [
        (b"\xe0\x01\x8e", 0x8E, "session taken over"),
        (b"\xe0\x01\x8b", 0x8B, "server shutting down"),
        (b"\xe0\x01\x93", 0x93, "receive maximum exceeded"),
        (b"\xe0\x07\x97\x05\x1f\x00\x02hi", 0x97, r"quota exceeded \(hi\)"),
        (b"\xe0\x00", 0x00, "normal disconnection"),
    ],
)
async def test_the_brokers_reason_is_told_in_words(disconnect: bytes, code: int, words: str) -> None:
    async with fake_broker(answering(disconnect)) as url, connect(Broker(url, "c")) as connection:
        with pytest.raises(Disconnected, match=words) as ended:
            await connection.receive()
        assert ended.value.code == code


async def test_a_message_sent_twice_on_one_connection_is_taken_once_and_acknowledged_once() -> None:
    acks: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        first = publish_packet(b"a", b"one", 7)
        writer.write(CONNACK_5 + first + b"\x3a" + first[1:] + publish_packet(b"a", b"two", 8))
        acks.append(await read_packet(reader))
        acks.append(await read_packet(reader))
        writer.write(publish_packet(b"a", b"three", 7))
        acks.append(await read_packet(reader))

    async with fake_broker(script) as url, connect(Broker(url, "c")) as connection:
        got = await collect(connection, 3)
        assert [each.payload for each in got] == [b"one", b"two", b"three"]
        assert connection.repeats == 1
        await until(lambda: len(acks) == 3)
        assert acks == [b"\x40\x02\x00\x07", b"\x40\x02\x00\x08", b"\x40\x02\x00\x07"]


async def test_a_flood_of_qos_0_is_held_back_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "INBOX_MESSAGES", 100)
    count = 20_000
    flood = b"".join(publish_packet(b"a", b"%06d" % n + bytes(200)) for n in range(count))

    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5 + flood)
        await until_goodbye(reader)

    async with fake_broker(script) as url, connect(Broker(url, "c", keepalive_s=1)) as connection:
        await until(lambda: connection._session.stream.is_paused)
        assert len(connection._inbox) < 100 + 262_144 // 200
        got = await collect(connection, count)
        assert [each.payload[:6] for each in got] == [b"%06d" % n for n in range(count)]


async def test_a_broker_that_ignores_our_receive_maximum_is_held_back() -> None:
    count = 5000
    flood = b"".join(publish_packet(b"a", b"%06d" % n + bytes(500), n + 1) for n in range(count))

    async with fake_broker(answering(flood)) as url, connect(Broker(url, "c", receive_maximum=10)) as connection:
        await until(lambda: connection._session.stream.is_paused)
        assert len(connection._inbox) < 10 + 262_144 // 500
        assert len(await collect(connection, count)) == count


async def test_a_broker_that_answers_nothing_is_noticed_within_one_and_a_half_keepalives() -> None:
    packets: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        packets.append(await read_packet(reader))
        writer.write(CONNACK_5)
        while True:
            packets.append(await read_packet(reader))

    async with fake_broker(script) as url, connect(Broker(url, "c", keepalive_s=1)) as connection:
        async with asyncio.timeout(1.5):
            await connection.lost()
        assert "has not answered" in str(connection.why_lost)
        assert b"\xc0\x00" in packets


async def test_pings_keep_a_silent_connection_alive() -> None:
    pings: list[float] = []

    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5)
        while await read_packet(reader) == b"\xc0\x00":
            pings.append(asyncio.get_running_loop().time())
            writer.write(b"\xd0\x00")

    async with fake_broker(script) as url, connect(Broker(url, "c", keepalive_s=1)) as connection:
        await until(lambda: len(pings) == 2)
        assert connection.why_lost is None
    assert all(0.5 < later - earlier < 1.0 for earlier, later in itertools.pairwise(pings))


async def test_the_brokers_keepalive_replaces_ours() -> None:
    connack = b"\x20\x06\x00\x00\x03\x13\x00\x01"  # Server Keep Alive 1
    async with fake_broker(answering(b"", connack=connack)) as url, connect(Broker(url, "c")) as connection:
        assert connection._session._keepalive_check.keepalive_s == 1


async def test_a_refused_or_lowered_subscription_is_an_error() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(CONNACK_5)
        for codes in (b"\x01\x87", b"\x00", b"\x01"):
            packet_id = (await read_packet(reader))[2:4]
            body = packet_id + b"\0" + codes
            writer.write(b"\x90" + bytes([len(body)]) + body)
        await until_goodbye(reader)

    async with fake_broker(script) as url, connect(Broker(url, "c")) as connection:
        with pytest.raises(SubscribeRefused, match="not authorized") as refused:
            await connection.subscribe("a", "b/#")
        assert (refused.value.filter, refused.value.code) == ("b/#", 0x87)
        with pytest.raises(SubscribeRefused, match="qos 0"):
            await connection.subscribe("a")
        await connection.subscribe("a")
        with pytest.raises(SubscribeRefused, match="invalid"):
            await connection.subscribe("wrong#/filter")


async def test_what_the_broker_cannot_do_is_refused_here() -> None:
    connack = b"\x20\x07\x00\x00\x04\x24\x00\x25\x00"  # Maximum QoS 0, Retain Available 0
    async with fake_broker(answering(b"", connack=connack)) as url, connect(Broker(url, "c")) as connection:
        with pytest.raises(PublishRefused, match="QoS"):
            await connection.publish(Message("a", b"1"))
        with pytest.raises(PublishRefused, match="retain"):
            await connection.publish(Message("a", b"1", qos=0, retain=True))
        await connection.publish(Message("a", b"1", qos=0))


async def test_answers_to_nothing_are_ignored() -> None:
    strays = b"\x40\x02\x12\x34" + b"\x90\x04\x12\x34\x00\x01" + b"\xb0\x04\x12\x34\x00\x00" + b"\xd0\x00"
    async with (
        fake_broker(answering(strays + publish_packet(b"a", b"x"))) as url,
        connect(Broker(url, "c")) as connection,
    ):
        assert (await collect(connection, 1))[0].payload == b"x"
