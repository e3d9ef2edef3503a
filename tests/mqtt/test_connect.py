"""Every way in which no connection comes about, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt import session as session_module
from gateway.mqtt.link import Broker, ConnectFailed, Message, connect
from gateway.mqtt.session import Session
from tests.mqtt.helpers import fake_broker
from tests.rig.broker import Authority, Mosquitto
from tests.rig.process import free_port
from tests.rig.tcp_proxy import TcpProxy


async def failure(broker: Broker) -> str:
    with pytest.raises(ConnectFailed) as failed:
        async with connect(broker):
            pass
    return str(failed.value)


async def test_nothing_listens() -> None:
    assert "nothing listens" in await failure(Broker(f"mqtt://127.0.0.1:{free_port()}", "c"))


async def test_an_unknown_host() -> None:
    assert "'no-such-host.invalid' is not found" in await failure(Broker("mqtt://no-such-host.invalid", "c"))


async def test_a_black_hole_times_out_at_every_stage(
    make_mosquitto: Callable[..., Mosquitto], authority: Authority
) -> None:
    with socket.socket() as full:
        # A listener whose queue is full leaves the SYN unanswered.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        started = time.monotonic()
        assert "does not answer" in await failure(Broker(f"mqtt://127.0.0.1:{port}", "c", connect_timeout_s=0.3))
        for each in fillers:
            each.close()
    tls = make_mosquitto(tls=authority.issue("server"))
    async with TcpProxy(tls.port) as proxy:
        proxy.black_hole()
        for url in (proxy.url, f"mqtts://127.0.0.1:{proxy.port}"):
            broker = Broker(url, "c", ca_file=authority.ca, connect_timeout_s=0.3)
            assert "does not answer within 0.3 s" in await failure(broker)
    assert time.monotonic() - started < 3


async def test_tls_in_all_its_ways(
    make_mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    good = make_mosquitto(tls=authority.issue("good"))
    ca = authority.ca
    async with connect(Broker(good.url, "c", ca_file=ca)) as connection:
        await connection.publish(Message("a", b"x" * 100_000))
    other = Authority(tmp_path / "other", "Other CA")
    assert f"not signed by ca_file {other.ca}" in await failure(Broker(good.url, "c", ca_file=other.ca))
    assert "not signed by an authority this system knows" in await failure(Broker(good.url, "c"))
    expired = make_mosquitto(tls=authority.issue("expired", expired=True))
    assert "has expired" in await failure(Broker(expired.url, "c", ca_file=ca))
    stranger = make_mosquitto(tls=authority.issue("stranger", hosts="DNS:else.example"))
    assert "another host name than '127.0.0.1'" in await failure(Broker(stranger.url, "c", ca_file=ca))
    by_address = Broker(f"mqtts://127.0.0.1:{stranger.port}", "c", ca_file=ca)
    assert "another host name than '127.0.0.1'" in await failure(by_address)
    plain = make_mosquitto()
    assert "TLS listener" in await failure(Broker(f"mqtts://127.0.0.1:{plain.port}", "c", ca_file=ca))


async def test_a_client_certificate(make_mosquitto: Callable[..., Mosquitto], authority: Authority) -> None:
    server, client = authority.issue("server"), authority.issue("node-7")
    broker = make_mosquitto(tls=server, client_ca=authority.ca, acl="pattern readwrite only/%u/#\n")
    with_it = Broker(broker.url, "c", ca_file=authority.ca, cert_file=client.cert, key_file=client.key)
    async with connect(with_it) as connection:
        await connection.publish(Message("only/node-7/a", b"1"))
    assert "certificate of ours" in await failure(Broker(broker.url, "c", ca_file=authority.ca))


async def test_files_that_are_not_there_or_no_certificates(authority: Authority, tmp_path: Path) -> None:
    missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
    junk.write_text("junk")
    url = "mqtts://127.0.0.1:1"
    assert f"ca_file {missing} cannot be read" in await failure(Broker(url, "c", ca_file=missing))
    assert str(junk) in await failure(Broker(url, "c", ca_file=junk))
    assert f"key_file {missing}" in await failure(Broker(url, "c", cert_file=authority.ca, key_file=missing))


async def test_one_cut_in_mid_connect_does_not_cost_mqtt_5(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.port) as proxy:
        proxy.cut_after(10)
        async with connect(Broker(proxy.url, "c")) as connection:
            assert connection.protocol == "5"


async def test_cancelled_at_any_stage_nothing_stays_open(
    make_mosquitto: Callable[..., Mosquitto], authority: Authority
) -> None:
    broker = make_mosquitto(tls=authority.issue("server"))
    target = Broker(broker.url, "c", ca_file=authority.ca)

    async def once() -> None:
        async with connect(target) as connection:
            await connection.publish(Message("a", b"1"))

    await once()
    before = open_sockets()
    for turns in range(0, 60, 2):
        task = asyncio.create_task(once())
        for _ in range(turns):
            await asyncio.sleep(0.0005 if turns % 4 else 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert open_sockets() <= before
    assert len(asyncio.all_tasks()) == 1


async def test_cancelled_in_the_very_moment_of_the_answer_nothing_stays_open(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = Session._on_connect

    def accept_and_cancel(session: Session, *arguments: Any) -> None:
        accept(session, *arguments)
        task.cancel()

    async def once() -> None:
        async with connect(Broker(mosquitto.url, "c")):
            await asyncio.Event().wait()

    monkeypatch.setattr(Session, "_on_connect", accept_and_cancel)
    before = open_sockets()
    task = asyncio.create_task(once())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_sockets() == before


async def test_goodbye_does_not_hang_on_a_broker_that_does_not_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_GOODBYE_S", 0.1)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(bytes.fromhex("2003000000"))
        await asyncio.Event().wait()

    async with fake_broker(script) as url:
        started = time.monotonic()
        async with connect(Broker(url, "c")):
            pass
        assert time.monotonic() - started < 0.9


def open_sockets() -> int:
    return sum(
        os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        for name in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{name}")
    )
