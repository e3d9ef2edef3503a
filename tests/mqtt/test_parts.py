"""The parts of the link by themselves: framing, decoding, order of acknowledgement, keepalive."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet as paho_packet
from paho.mqtt import client as paho

from gateway.mqtt.acks import AckOrder
from gateway.mqtt.codec import Malformed, decode_publish, encode_puback
from gateway.mqtt.keepalive import Keepalive
from gateway.mqtt.link import Broker, connect
from gateway.mqtt.stream import Stream
from tests.mqtt.helpers import answering, collect, fake_broker, publish_packet


@given(
    topic=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=300),
    payload=st.binary(max_size=300),
    packet_id=st.integers(0, 65535),
    is_5=st.booleans(),
    flags=st.sampled_from([0x00, 0x01, 0x08, 0x09]),
)
def test_decode_publish_agrees_with_paho(topic: str, payload: bytes, packet_id: int, is_5: bool, flags: int) -> None:
    first = (0x32 if packet_id else 0x30) | flags
    packet = publish_packet(topic.encode(), payload, packet_id, is_5=is_5, first=first)
    ours = decode_publish(packet, is_5)
    header = 2
    while packet[header - 1] & 0x80:
        header += 1
    theirs = paho_packet.decode_publish(first, bytearray(packet[header:]), paho.MQTTv5 if is_5 else paho.MQTTv311)
    assert ours is not None
    assert ours == (theirs.topic.decode(), bytes(theirs.payload), theirs.qos, theirs.retain, theirs.mid)
    assert ours[:2] == (topic, payload)


@given(st.binary(max_size=40), st.booleans(), st.sampled_from([0x30, 0x32, 0x3B]))
def test_decode_publish_takes_any_bytes(body: bytes, is_5: bool, first: int) -> None:
    with contextlib.suppress(Malformed, UnicodeDecodeError):
        decode_publish(bytes([first, len(body)]) + body, is_5)


def test_puback_bytes() -> None:
    assert encode_puback(0x1234) == b"\x40\x02\x12\x34"


async def test_a_message_with_properties_goes_through_paho() -> None:
    properties = b"\x03\x00\x10application/json"  # content type
    packet = publish_packet(b"a", bytes([len(properties)]) + properties + b"{}", 3, is_5=False)
    async with fake_broker(answering(packet)) as url, connect(Broker(url, "c")) as connection:
        (got,) = await collect(connection, 1)
        assert (got.topic, got.payload, got.qos) == ("a", b"{}", 1)


@given(st.permutations(range(30)), st.integers(0, 2**32))
def test_acks_are_a_prefix_whatever_the_order_of_work(work: list[int], seed: int) -> None:
    acks, ids = AckOrder(), random.Random(seed).sample(range(1, 65536), 30)
    orders = [acks.arrived(each) for each in ids]
    sent: list[int] = []
    finished: set[int] = set()
    for each in work:
        sent += acks.done(orders[each])
        finished.add(each)
        assert acks.done(orders[each]) == []
        prefix = next((n for n in range(30) if n not in finished), 30)
        assert sent == ids[:prefix]
        assert len(acks) == 30 - prefix
        assert all(acks.is_open(one) == (place >= prefix) for place, one in enumerate(ids))
    assert acks.done(99) == acks.done(-1) == []


async def test_any_cut_of_the_stream_gives_the_same_packets() -> None:
    rng = random.Random(1)
    packets = [
        publish_packet(b"a", rng.randbytes(size), 1) for size in (0, 1, 119, 120, 121, 300, 16_377, 16_378, 70_000)
    ]
    whole = b"".join(packets) * 2
    for size in (1, 2, 3, 7, 1000, 65_536, len(whole)):
        got: list[bytes] = []
        stream = Stream(100_000, got.append, lambda error: pytest.fail(str(error)))
        for at in range(0, len(whole), size):
            stream.data_received(whole[at : at + size])
        assert got == packets * 2
        assert not stream._tail


async def test_what_waits_for_the_rest_of_a_packet_is_bounded() -> None:
    lost: list[Exception | None] = []
    stream = Stream(1000, lambda packet: None, lost.append)
    stream.data_received(b"\x30\xe5\x07")  # 997 + 3 = 1000 bytes
    for _ in range(996):
        stream.data_received(b"x")
    assert len(stream._tail) == 999
    assert not lost
    stream.data_received(b"x\x30\xe6\x07")
    assert isinstance(lost[0], Malformed)
    stream.data_received(bytes(5000))
    assert len(stream._tail) == 0
    assert len(lost) == 1


class Clock:
    """A keepalive of 30 s driven by hand: its checks every 3 s, with what the broker and we do between them."""

    def __init__(self) -> None:
        self.now = self.received = self.sent = 1000.0
        self.keepalive = Keepalive(30, self.now)
        self.pings: list[float] = []

    def run(self, seconds: float, *, answers: bool = True, step_s: float = 3, is_reading: bool = True) -> str:
        end = self.now + seconds
        while self.now < end:
            self.now += step_s
            what = self.keepalive.step(self.now, self.received, self.sent, is_reading=is_reading)
            if what == "dead":
                return what
            if what == "ping":
                self.pings.append(self.now)
                self.sent = self.now
                if answers:
                    self.received = self.now
        return "alive"


def test_silence_is_pinged_well_within_the_keepalive() -> None:
    clock = Clock()
    assert clock.run(600) == "alive"
    gaps = [later - earlier for earlier, later in zip([1000.0, *clock.pings], clock.pings, strict=False)]
    assert max(gaps) <= 24


def test_a_broker_that_takes_but_never_sends_is_dead_within_one_and_a_half_keepalives() -> None:
    clock = Clock()
    assert clock.run(600, answers=False) == "dead"
    assert 39 <= clock.now - 1000 <= 45
    assert clock.pings


def test_incoming_bytes_alone_do_not_excuse_us_from_pinging() -> None:
    clock = Clock()
    for _ in range(40):
        clock.received = clock.now
        assert clock.run(3) == "alive"
    assert len(clock.pings) >= 4


def test_a_paused_stream_is_pinged_but_never_dead() -> None:
    clock = Clock()
    assert clock.run(600, answers=False, is_reading=False) == "alive"
    assert len(clock.pings) >= 20
    assert clock.run(600, answers=False) == "dead"


def test_a_process_that_stood_still_gives_the_broker_another_chance() -> None:
    clock = Clock()
    assert clock.run(3600, answers=False, step_s=3600) == "alive"
    assert len(clock.pings) == 1
    assert clock.run(600, answers=False) == "dead"


async def test_a_stream_without_a_transport_ends_at_once() -> None:
    stream = Stream(10, lambda packet: None, lambda error: None)
    stream.abort()
    async with asyncio.timeout(1):
        await stream.gone


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"url": "http://x:1"}, "url"),
        ({"url": "mqtt://"}, "url"),
        ({"url": "mqtt://x:99999"}, "url"),
        ({"url": "mqtt://x/path"}, "url"),
        ({"url": "mqtt://user:pw@x"}, "url"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"password": "x"}, "password"),
        ({"cert_file": "x"}, "cert_file"),
        ({"keepalive_s": 0}, "keepalive_s"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"session_expiry_s": -1}, "session_expiry_s"),
        ({"connect_timeout_s": 0}, "connect_timeout_s"),
    ],
)
def test_a_broker_that_cannot_be_right_names_the_field(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Broker(**{"url": "mqtt://x", "client_id": "c", **options})  # type: ignore[arg-type]


def test_default_ports_and_ipv6_and_no_password_in_repr() -> None:
    assert Broker("mqtt://x", "c").port == 1883
    assert Broker("mqtts://x", "c").port == 8883
    assert Broker("mqtt://[::1]:77", "c").where == "::1:77"
    assert "secret" not in repr(Broker("mqtt://x", "c", "u", "secret"))
