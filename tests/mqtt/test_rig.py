"""The rig itself: servers come up as asked, keep port and data, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.broker import Authority, IotcoreBroker, Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.process import need_program
from tests.rig.tcp_proxy import TcpProxy


def test_mosquitto_keeps_port_and_is_gone_after_stop(mosquitto: Mosquitto) -> None:
    port, pid = mosquitto.port, mosquitto.program.pid
    mosquitto.restart()
    assert mosquitto.port == port
    assert mosquitto.program.pid != pid
    last = mosquitto.program.pid
    mosquitto.kill()
    assert not os.path.exists(f"/proc/{last}")


def test_a_port_that_another_process_holds_is_not_taken_for_ours(tmp_path: Path, mosquitto: Mosquitto) -> None:
    config = f"listener {mosquitto.port} 127.0.0.1\nallow_anonymous true\nlog_dest stdout\n"
    with pytest.raises(RuntimeError), Mosquitto(tmp_path / "second", config=config):
        pass


async def test_tls_listener(make_mosquitto: Callable[..., Mosquitto], authority: Authority) -> None:
    broker = make_mosquitto(tls=authority.issue("server"), users={"node": "secret"})
    context = ssl.create_default_context(cafile=str(authority.ca))
    _, writer = await asyncio.open_connection("127.0.0.1", broker.port, ssl=context)
    writer.close()
    await writer.wait_closed()


def test_victoria_counts_and_survives_a_restart(victoria: VictoriaMetrics) -> None:
    now_ns = time.time_ns()
    lines = "".join(f"air,node=n1 pm2_5={n} {now_ns + n * 1_000_000_000}\n" for n in range(5))
    assert victoria.write(lines) == 204
    assert victoria.write(lines) == 204
    assert victoria.count('{__name__="air_pm2_5"}') == 5
    victoria.restart()
    assert victoria.count() == 5


async def test_iotcore_answers(iotcore_broker: IotcoreBroker) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", iotcore_broker.port)
    writer.close()
    await writer.wait_closed()


async def test_proxy_cuts_in_mid_packet_and_drops() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        proxy.cut_after(3, "down")
        writer.write(b"world")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(5)
        writer.close()
        await proxy.wait_connections(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.wait_accepted(2)
        await proxy.drop()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)


def test_a_missing_server_skips_but_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.rig.process.MISSING", [])
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception):
        need_program("no-such-server", "no-such-package")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        need_program("no-such-server", "no-such-package")
