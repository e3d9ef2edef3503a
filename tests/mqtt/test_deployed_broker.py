"""The broker configuration that we ship, run by a real mosquitto."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.mqtt.link import Broker, Message, PublishRefused, Refused, connect
from tests.mqtt.helpers import collect, send
from tests.rig.broker import Authority, Mosquitto

SHIPPED = Path(__file__).parents[2] / "deploy" / "broker"


def with_own_paths(text: str) -> str:
    """The shipped text with the test's ports and folder; what it sets is untouched."""
    text = text.replace("{", "{{").replace("}", "}}")
    text = re.sub(r"^pid_file .*\n", "", text, flags=re.MULTILINE)
    for place in ("/var/lib/mosquitto/", "/etc/mosquitto/certs/", "/etc/mosquitto/"):
        text = text.replace(place, "{folder}/")
    for number, port in enumerate(("1883", "8883")):
        text = re.sub(rf"^listener {port}", f"listener {{ports[{number}]}}", text, flags=re.MULTILINE)
    return text + "user root\n"


def shipped() -> str:
    return (SHIPPED / "mosquitto.conf").read_text()


def opened() -> str:
    """As the README says."""
    return re.sub(r"^#([a-z])", r"\1", shipped(), flags=re.MULTILINE)


def test_no_listener_off_loopback_is_anonymous() -> None:
    listeners = re.split(r"^(?=listener )", opened(), flags=re.MULTILINE)[1:]
    assert len(listeners) == 2
    for each in listeners:
        settings = dict(line.split(" ", 1) for line in each.splitlines() if line and not line.startswith("#"))
        is_loopback = settings["listener"].endswith(" 127.0.0.1")
        assert settings["allow_anonymous"] == ("true" if is_loopback else "false")
        assert is_loopback or {"certfile", "keyfile", "password_file", "acl_file"} <= settings.keys()


async def test_as_shipped_a_queue_of_many_thousands_survives_absence_and_a_restart(
    make_mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = make_mosquitto(config=with_own_paths(shipped()))
    ingest = Broker(broker.url, "ingest", session_expiry_s=86400)
    async with connect(ingest) as connection:
        assert connection.peer_receive_maximum == 1000
        assert connection.peer_maximum_packet == 262_144
        await connection.subscribe("lanna/v1/#")
    await send(broker.url, *[Message("lanna/v1/n/air/d/reading", b"%05d" % n) for n in range(5000)])
    broker.restart()
    async with connect(ingest) as connection:
        assert connection.session_present
        got = await collect(connection, 5000)
    assert [each.payload for each in got] == [b"%05d" % n for n in range(5000)]
    assert "Warning" not in broker.log_text().replace("Warning: Mosquitto should not be run as root", "")
    assert "Error" not in broker.log_text()


async def test_the_tls_listener_asks_for_a_name_and_gives_each_its_rights(
    make_mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    folder = tmp_path / "mosquitto-0"
    folder.mkdir()
    server = authority.issue("broker")
    for source, name in ((server.cert, "server.pem"), (server.key, "server.key"), (SHIPPED / "acl", "acl")):
        (folder / name).write_bytes(source.read_bytes())
    broker = make_mosquitto(
        config=with_own_paths(opened()), listeners=2, users={"nimman-07": "one", "doi-01": "two", "ingest": "three"}
    )
    url = f"mqtts://127.0.0.1:{broker.ports[1]}"

    def client(user: str | None, password: str | None) -> Broker:
        return Broker(url, f"client-{user}", user, password, ca_file=authority.ca)

    for user, password in ((None, None), ("nimman-07", "two"), ("stranger", "one")):
        with pytest.raises(Refused):
            async with connect(client(user, password)):
                pass
    async with connect(client("ingest", "three")) as ingest, connect(client("nimman-07", "one")) as node:
        await ingest.subscribe("lanna/v1/#")
        await node.subscribe("lanna/v1/nimman-07/stored", "lanna/v1/doi-01/#")
        await node.publish(Message("lanna/v1/nimman-07/air/pms/reading", b"1"))
        for foreign in ("lanna/v1/doi-01/status", "lanna/v1/x", "other"):
            with pytest.raises(PublishRefused):
                await node.publish(Message(foreign, b"1"))
        await ingest.publish(Message("lanna/v1/doi-01/stored", b"not yours"))
        await ingest.publish(Message("lanna/v1/nimman-07/stored", b"yours"))
        with pytest.raises(PublishRefused):
            await ingest.publish(Message("lanna/v1/nimman-07/status", b"forged"))
        assert [each.payload for each in await collect(node, 1)] == [b"yours"]
        assert (await collect(ingest, 1))[0].payload == b"1"
    async with connect(Broker(f"mqtt://127.0.0.1:{broker.ports[0]}", "local")) as local:
        await local.publish(Message("lanna/v1/any/status", b"1"))
