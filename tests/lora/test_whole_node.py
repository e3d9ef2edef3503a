"""A whole node from its configuration: forwarders over UDP, a ChirpStack over a real broker, and what it records."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.core.registry import find
from gateway.app.edge import OUTLET, build_node
from gateway.config import load
from gateway.edge.node import Node
from gateway.lora.concentrator import MOST_PER_S, ConcentratorInlet
from gateway.lora.hub import Hub
from gateway.lora.keys import Keys, KeysError, new_address, new_keys, write_keys
from gateway.lora.receiver import Desk
from gateway.lora.server import SERVERS, Durable, ServerInlet
from gateway.lora.service import RadioService
from gateway.mqtt.link import AckToken, Broker, Incoming, Message
from gateway.sim.forwarder import Forwarder
from gateway.sim.network_server import NetworkServer
from gateway.sim.radio_sender import Air, RadioSender, Weather
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, unpack
from tests.lora.radio import Radio, Sender, StillClock, open_spool
from tests.mqtt.helpers import send
from tests.rig.broker import Mosquitto

EUI = "24e124713b492637"


def config(folder: Path, keys: Keys, broker: str = "mqtt://127.0.0.1:1") -> Path:
    write_keys(folder / "gauge.keys", "01000001", keys)
    path = folder / "node.toml"
    path.write_text(f"""
[node]
id = "node-1"
site = "test"
clock = "trusted"
[spool]
path = "{folder}/spool"
window_ms = 10
[mqtt]
url = "{broker}"
confirm = "broker"
[[lora]]
id = "tower"
kind = "gwmp"
listen = "127.0.0.1:0"
gateways = ["aa555a0000000101", "aa555a0000000102", "aa555a0000000103"]
[[lora]]
id = "city"
kind = "chirpstack"
mqtt = {{ url = "{broker}" }}
[[device]]
id = "gauge"
driver = "milesight-em500-udl"
radio = {{ dev_addr = "01000001", keys_file = "gauge.keys" }}
[[device]]
id = "bridge"
driver = "milesight-em310-udl"
radio = {{ dev_eui = "{EUI}" }}
""")
    return path


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Node, RadioService]]:
    said = load(path)
    assert said.node is not None
    spool = Spool.open(Path(said.spool.path), outlets=[OUTLET], max_bytes=1 << 22, window_s=0.01)
    try:
        node = build_node(said, said.node, spool)
        service = node.services["radio"]
        assert isinstance(service, RadioService)
        task = asyncio.create_task(node.run())
        try:
            yield node, service
        finally:
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait([task])
    finally:
        await spool.close()


def entries(node: Node, device: str, *, events: bool = False) -> list[Entry]:
    found: list[Entry] = []
    first = node.spool.first
    while first <= node.spool.committed and (read := node.spool.read(first, node.spool.committed)):
        found += [unpack(data) for _, data in read]
        first = read[-1][0] + 1
    return [each for each in found if each.device == device and bool(each.event) == events]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_three_concentrators_and_bad_weather(tmp_path: Path) -> None:
    keys = new_keys()
    sender = RadioSender("gauge", find("milesight-em500-udl"), 0x01000001, keys)
    air = Air(sender, Weather(loss=0.1, copy=0.2, replay=0.3, wrong_key=0.3, flip=0.3, cut=0.3), seed=1)
    forwarders = [Forwarder(f"aa555a000000010{n}", seed=n) for n in (1, 2, 3)]
    async with running(config(tmp_path, keys)) as (node, service):
        tower = service.inlets["tower"]
        assert isinstance(tower, ConcentratorInlet)
        await until(lambda: tower.bound is not None)
        for each in forwarders:
            await each.connect(*(tower.bound or ("", 0)))
            each.pull()
            each.stat()
        for _ in range(40):
            heard = air.next()
            tokens = [each.push(heard) for each in forwarders if heard]
            await until(
                lambda tokens=tokens: all(t in f.acknowledged for t, f in zip(tokens, forwarders, strict=False))
            )
        await until(lambda: len(entries(node, "gauge")) >= sender.owed)
        await node.spool.flush()
        readings = entries(node, "gauge")
        assert len(readings) == sender.owed == air.sent - air.lost
        counters = [each.v["frame_counter"] for each in readings]
        assert counters == sorted(set(counters))
        assert all(len(each.via) == 3 for each in readings)
        gaps = sum(each.data["count"] for each in entries(node, "gauge", events=True) if each.event == "lost-in-air")
        assert gaps + counters[0] + (air.sent - 1 - counters[-1]) == air.lost
        health = json.loads(node.health())
        assert health["receivers"]["tower"]["readings"] == sender.owed
        assert health["receivers"]["tower"]["copies"] >= 2 * sender.owed
        assert set(health["receivers"]["tower"]["refused"]) <= {"Repeat", "Replay", "Integrity", "length", "Unknown"}
        assert health["devices"]["gauge"]["lost_in_air"] == gaps
        assert set(health["receivers"]["tower"]["gateways"]) == {f"aa555a000000010{n}" for n in (1, 2, 3)}
        intruder = Forwarder("ffffffffffffffff")
        await intruder.connect(*(tower.bound or ("", 0)))
        intruder.pull()
        await until(lambda: tower.desk.refused["gateway"] == 1)
        assert intruder.acknowledged == set()
        for each in (*forwarders, intruder):
            each.close()


@pytest.mark.mosquitto
async def test_a_network_server_s_device_is_read_and_its_states_told(tmp_path: Path, mosquitto: Mosquitto) -> None:
    server = NetworkServer()
    sender = RadioSender("bridge", find("milesight-em310-udl"), 0x78000024, new_keys())
    path = config(tmp_path, new_keys(), mosquitto.url)
    async with running(path) as (node, service):
        await until(lambda: service.health()["city"].state == "ok")
        first = server.up(sender, EUI, gateways=3)
        for topic, body in (server.join(EUI), first, first, server.fault(EUI, "counter"), server.up(sender, EUI)):
            await send(mosquitto.url, Message(topic, body))
        await send(mosquitto.url, Message(f"application/x/device/{EUI}/event/up", b"\x0a\x24protobuf"))
        await until(lambda: len(entries(node, "bridge")) == 2 and service.inlets["city"].desk.refused["encoding"] == 1)
        reading = entries(node, "bridge")[0]
        assert reading.v["spreading_factor"] == 9
        assert len(reading.via) == 3
        states = [each.data["to"] for each in entries(node, "bridge", events=True) if each.event == "state"]
        assert states[0] == "ok"
        assert "faulty" in states
        assert service.health()["city"].state == "faulty"
        assert "JSON" in service.health()["city"].why or "json" in service.health()["city"].why
    # What comes while the node is away waits at the broker.
    await send(mosquitto.url, Message(*server.up(sender, EUI)))
    async with running(path) as (node, service):
        await until(lambda: [each.v["frame_counter"] for each in entries(node, "bridge")][-1:] == [2])


def test_keys_are_closed_and_never_shown(tmp_path: Path) -> None:
    from gateway.lora.keys import read_keys

    keys, path = new_keys(), tmp_path / "k"
    write_keys(path, "01000001", keys)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_keys(path, "01000001") == keys
    assert keys.nwk_s_key.hex() not in repr(keys) + str(Sender(1).session)
    with pytest.raises(FileExistsError):
        write_keys(path, "01000001", keys)
    with pytest.raises(KeysError, match="another address"):
        read_keys(path, "01000002")
    path.chmod(0o604)
    with pytest.raises(KeysError, match="chmod 600"):
        read_keys(path, "01000001")
    path.chmod(0o600)
    path.write_text(f'nwk_s_key = "{keys.nwk_s_key.hex()}"\napp_s_key = "00"\n')
    with pytest.raises(KeysError) as refused:
        read_keys(path, "01000001")
    assert keys.nwk_s_key.hex() not in str(refused.value)
    with pytest.raises(KeysError, match="gateway lora keys new"):
        read_keys(tmp_path / "none", "01000001")
    assert len({new_address() for _ in range(50)}) == 50


def concentrator(hub: Hub, clock: StillClock) -> ConcentratorInlet:
    return ConcentratorInlet(Desk("tower", hub, lambda *_: None), "127.0.0.1", 0, clock)


def datagram(frame: bytes, stat: int) -> bytes:
    packet = {"stat": stat, "datr": "SF9BW125", "rssi": -90, "lsnr": 5, "data": base64.b64encode(frame).decode()}
    return bytes.fromhex("02123400aa555a0000000101") + json.dumps({"rxpk": [packet]}).encode()


def test_only_packets_with_a_good_crc_are_heard(tmp_path: Path) -> None:
    spool, sender = open_spool(tmp_path / "spool"), Sender(1)
    radio = Radio(spool, [sender])
    tower = concentrator(radio.hub, radio.clock)
    frame = sender.frame()
    for stat in (-1, 0, 7):
        assert tower.take(datagram(frame, stat), "10.0.0.1") is not None  # acknowledged all the same
    assert radio.reports == []
    assert tower.desk.refused == {"crc": 3}
    tower.take(datagram(frame, 1), "10.0.0.1")
    assert len(radio.reports) == 1
    spool.release()


def test_an_error_in_a_program_costs_one_packet(tmp_path: Path) -> None:
    spool, sender = open_spool(tmp_path / "spool"), Sender(1)
    radio = Radio(spool, [sender])
    tower = concentrator(radio.hub, radio.clock)
    whole, radio.book.accept = radio.book.accept, None  # type: ignore[method-assign,assignment]
    tower.take(datagram(sender.frame(), 1), "10.0.0.1")
    assert (radio.hub.failures, radio.reports) == (1, [])
    radio.book.accept = whole  # type: ignore[method-assign]
    tower.take(datagram(sender.frame(), 1), "10.0.0.1")
    assert len(radio.reports) == 1
    spool.release()


def test_the_things_stack_is_read_and_its_simulated_uplinks_are_not(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    radio = Radio(spool, [Sender(1)])
    desk = Desk("city", radio.hub, lambda *_: None)
    inlet = ServerInlet(desk, SERVERS["things-stack"], lambda: Broker("mqtt://127.0.0.1", "x"), Durable(spool))
    uplink = {"f_port": 1, "f_cnt": 5, "frm_payload": base64.b64encode(b"\x07\xd0").decode()}
    said = {"end_device_ids": {"device_id": "d", "dev_eui": f"{0x01000001:016X}"}, "uplink_message": uplink}
    for body in (said, said | {"simulated": True}):
        data = json.dumps(body).encode()
        inlet.take(Incoming("v3/app@tenant/devices/d/up", data, 0, False, AckToken(1, -1)))
    assert [report.decoded.values["distance"] for report in radio.reports] == [2.0]
    assert desk.refused == {"simulated": 1}
    spool.release()


def test_one_source_cannot_keep_the_node_busy(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    radio = Radio(spool, [])
    tower = concentrator(radio.hub, radio.clock)
    pull = bytes.fromhex("02107d02a84041ffff1f8020")
    answered = sum(tower.take(pull, "10.0.0.1") is not None for _ in range(1000))
    assert answered == 2 * MOST_PER_S
    assert tower.desk.refused["rate"] == 1000 - answered
    assert tower.take(pull, "10.0.0.2") == bytes.fromhex("02107d04")
    radio.clock.mono += 10**9
    assert tower.take(pull, "10.0.0.1") is not None
    spool.release()
