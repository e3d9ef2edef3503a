"""Datagrams of packet forwarders: captures, published examples, and what must be refused."""

from __future__ import annotations

import contextlib
import random

import pytest

from gateway.lora.gwmp import PULL_DATA, PUSH_DATA, TX_ACK, BadDatagram, parse, reply
from tests.lora.vectors import Vector, bad, name_of, vectors

KINDS = {"PUSH_DATA": PUSH_DATA, "PULL_DATA": PULL_DATA, "TX_ACK": TX_ACK}
UPWARD = [each for each in vectors("semtech-udp") if each["expect"].get("type") in KINDS]


@pytest.mark.parametrize("vector", UPWARD, ids=name_of)
def test_datagrams(vector: Vector) -> None:
    data, said = bytes.fromhex(vector["hex"]), vector["expect"]
    found = parse(data)
    assert (found.kind, found.token.hex(), found.gateway) == (KINDS[said["type"]], said["tokenHex"], said["gatewayEui"])
    assert (reply(data) or b"").hex() == said.get("replyHex", "")
    assert found.bad == ()
    assert len(found.packets) == len(said.get("rxpk", []))
    for packet, wanted in zip(found.packets, said.get("rxpk", []), strict=True):
        assert packet.phy.hex() == wanted["phyHex"]
        assert (packet.crc, packet.crc == "ok") == (wanted["crc"], wanted["forward"])
        assert (packet.tmst, packet.freq_hz, packet.sf) == (wanted["tmst"], wanted["freqHz"], wanted["sf"])
        assert (packet.bw_hz, packet.codr) == (wanted["bwHz"], wanted["codr"])
        assert (packet.rssi, packet.lsnr) == (wanted["rssi"], wanted["lsnr"])
    assert dict(found.stat) == said.get("stat", {})
    assert dict(found.txpk_ack) == said.get("txpkAck", {})


@pytest.mark.parametrize("vector", bad("semtech-udp"), ids=name_of)
def test_bad_datagrams(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    if vector["expect"]["error"] == "base64":
        found = parse(data)
        assert [refusal.reason for refusal in found.bad] == ["base64"]
        return
    with pytest.raises(BadDatagram) as refused:
        parse(data)
    assert refused.value.reason == vector["expect"]["error"]


def test_what_a_server_sends_does_not_come_from_a_gateway() -> None:
    for vector in vectors("semtech-udp"):
        if vector["expect"].get("type") == "PULL_RESP":
            with pytest.raises(BadDatagram, match="does not come from a gateway"):
                parse(bytes.fromhex(vector["hex"]))


def test_one_bad_packet_costs_the_others_nothing() -> None:
    packets = b'{"data":"@@"},5,{"data":"QFAEACCAaU/SEYst","rssi":"x"},{"data":"QL7v_-8","stat":1}'
    body = b'{"rxpk":[%b]}' % packets
    found = parse(bytes.fromhex("02123400aa555adcdba823be") + body)
    assert [refusal.reason for refusal in found.bad] == ["base64", "field", "field"]
    assert [packet.phy.hex() for packet in found.packets] == ["40beefffef"]


def test_nothing_random_gets_through_or_raises_anything_else() -> None:
    chance = random.Random(5)
    seeds = [bytes.fromhex(vector["hex"]) for vector in UPWARD]
    for _ in range(3000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        data = data[: chance.randint(0, len(data))] if chance.random() < 0.3 else data
        reply(bytes(data))
        with contextlib.suppress(BadDatagram):
            parse(bytes(data))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"rxpk":' + b"[" * 50_000, b'{"rxpk":[' + b"1," * 99 + b"1]}"])
def test_deep_and_long_ones_are_refused(body: bytes) -> None:
    with pytest.raises(BadDatagram):
        parse(bytes.fromhex("02123400aa555adcdba823be") + body)
