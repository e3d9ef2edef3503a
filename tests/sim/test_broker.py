"""The demo's broker, both kinds, with clients that are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.sim.broker import EmbeddedBroker, find_mosquitto
from gateway.sim.processes import StartFailed, owns_port
from tests.ports.waiting import until
from tests.rig.process import need_program

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "iotcore"]


class Client:
    """A paho client whose events are waited for."""

    def __init__(self, url: str, name: str, version: str, *, keep: bool = False, will: str = "") -> None:
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.events: queue.Queue[str] = queue.Queue()
        self.session_present = False
        host, port = urlsplit(url).hostname, urlsplit(url).port
        assert host == "127.0.0.1"
        if version == "5":
            self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 600 if keep else 0
            properties.ReceiveMaximum = 1000
            how = {"clean_start": not keep, "properties": properties}
        else:
            self.client = paho.Client(
                paho.CallbackAPIVersion.VERSION2, name, clean_session=not keep, protocol=paho.MQTTv311
            )
            how = {}
        if will:
            self.client.will_set(will, b"gone", 1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.events.put("subscribed")
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.connect(host, port, 30, **how)
        self.client.loop_start()
        assert self.events.get(timeout=5) == "connected"

    def _on_connect(self, _client, _data, flags, reason, _properties) -> None:
        assert not reason.is_failure
        self.session_present = flags.session_present
        self.events.put("connected")

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, 1)
        assert self.events.get(timeout=5) == "subscribed"

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(5)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def client(*arguments: str, **options) -> Iterator[Client]:
    made = Client(*arguments, **options)
    try:
        yield made
    finally:
        made.leave()


@contextlib.asynccontextmanager
async def started(folder: Path, kind: str):
    broker = EmbeddedBroker(folder, kind)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_keeps_what_an_absent_session_has_not_taken(tmp_path, kind):
    async with started(tmp_path / "broker", kind) as broker:
        assert broker.versions == ("5", "3.1.1")

        def use(url: str, version: str) -> None:
            with client(url, f"sub{version}", version, keep=True) as subscriber:
                assert not subscriber.session_present
                subscriber.subscribe(f"{version}/#")
            with client(url, f"pub{version}", version) as publisher:
                publisher.publish(f"{version}/large", bytes(100_000))
                for number in range(2000):
                    publisher.client.publish(f"{version}/n", b"%d" % number, 1)
                publisher.publish(f"{version}/retained", b"kept", retain=True)
            with client(url, f"sub{version}", version, keep=True) as subscriber:
                assert subscriber.session_present
                assert len(subscriber.messages.get(timeout=5).payload) == 100_000
                assert [int(subscriber.messages.get(timeout=5).payload) for _ in range(2000)] == list(range(2000))
                assert subscriber.messages.get(timeout=5).payload == b"kept"
                assert subscriber.messages.empty()

        await asyncio.to_thread(use, broker.url, "5")
        await asyncio.to_thread(use, broker.url_311, "3.1.1")


@pytest.mark.parametrize("kind", KINDS)
async def test_both_versions_meet_and_a_will_is_published(tmp_path, kind):
    async with started(tmp_path / "broker", kind) as broker:

        def use() -> None:
            with client(broker.url_311, "old", "3.1.1") as old:
                old.subscribe("#")
                new = Client(broker.url, "new", "5", will="w/status")
                new.publish("a/b", b"hello")
                assert old.messages.get(timeout=5).payload == b"hello"
                sock = new.client.socket()
                assert sock is not None
                new.client.loop_stop()
                sock.close()  # without a DISCONNECT
                message = old.messages.get(timeout=5)
                assert (message.topic, message.payload) == ("w/status", b"gone")

        await asyncio.to_thread(use)


@pytest.mark.parametrize("kind", KINDS)
async def test_starts_again_on_the_same_ports_and_only_on_the_loopback(tmp_path, kind):
    broker = EmbeddedBroker(tmp_path / "broker", kind)
    await broker.start()
    url, first = broker.url, broker.pid
    port = urlsplit(url).port
    assert first is not None
    assert port is not None
    assert owns_port(first, port)
    assert not owns_port(os.getpid(), port)
    assert _listeners(port) == [f"0100007F:{port:04X}"]
    await broker.stop()
    await broker.stop()
    assert broker.pid is None
    await broker.start()
    assert broker.url == url
    assert broker.pid != first
    await broker.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_another_program_on_its_port_is_not_taken_for_it(tmp_path, kind):
    broker = EmbeddedBroker(tmp_path / "broker", kind)
    await broker.start()
    await broker.stop()
    port = urlsplit(broker.url).port
    squatter = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    async with squatter:
        with pytest.raises(StartFailed):
            await broker.start()
    assert broker.pid is None


@pytest.mark.parametrize("kind", KINDS)
async def test_it_dies_with_its_parent(tmp_path, kind):
    code = (
        "import asyncio, sys; from pathlib import Path; from gateway.sim.broker import EmbeddedBroker\n"
        "async def main():\n"
        "    broker = EmbeddedBroker(Path(sys.argv[1]), sys.argv[2]); await broker.start()\n"
        "    print(broker.pid, flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "broker"), kind]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - a test may wait for a process
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(5)
    await until(lambda: not Path(f"/proc/{pid}/exe").exists() or "Z" in _state(pid))


def _listeners(port: int) -> list[str]:
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [fields[1] for fields in table if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


async def test_a_mosquitto_that_does_not_start_gives_way(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.sim.broker.find_mosquitto", lambda: "/bin/false")
    with pytest.raises(StartFailed, match="status 1"):
        await EmbeddedBroker(tmp_path / "asked", "mosquitto").start()
    broker = EmbeddedBroker(tmp_path / "any")
    assert broker.kind == "mosquitto"
    await broker.start()
    assert broker.kind == "iotcore"
    await broker.stop()


@pytest.mark.mosquitto
async def test_mosquitto_keeps_its_sessions_over_a_restart(tmp_path):
    need_program("mosquitto", "mosquitto")
    assert find_mosquitto()
    broker = EmbeddedBroker(tmp_path / "broker")
    assert broker.kind == "mosquitto"
    await broker.start()

    def before() -> None:
        with client(broker.url, "sub", "5", keep=True) as subscriber:
            subscriber.subscribe("a")
        with client(broker.url, "pub", "5") as publisher:
            publisher.publish("a", b"kept")

    def after() -> None:
        with client(broker.url, "sub", "5", keep=True) as subscriber:
            assert subscriber.messages.get(timeout=5).payload == b"kept"

    await asyncio.to_thread(before)
    await broker.stop()
    await broker.start()
    await asyncio.to_thread(after)
    await broker.stop()
