"""The control socket against honest, dead, slow and hostile clients."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.core.contract import Line
from gateway.edge import control_place
from gateway.edge.control import MOST_CLIENTS, Control
from gateway.edge.loans import Loans, SharedPort
from gateway.ports import Port
from gateway.wire.control import LINE_BYTES, HeldDevice
from tests.edge.field import Wire
from tests.ports.waiting import until


class Served:
    """A node's control socket, and the one wire of its only port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wires: list[Wire] = []
        self.states: list[str] = []
        self.loans = Loans(
            lambda: 0, lambda d, s, why, reason="": self.states.append(f"{s} {reason}"), lambda n, d: None
        )
        self.port: SharedPort = self.loans.share("/dev/wire", Line(19200, 8, "E"), self._opening)
        self.port.devices["pms"] = HeldDevice("pms", "plantower-pmsx003")
        self.control = Control(self.loans, "node-1", lambda: 0)

    def _tell(self, device: str, state: str, why: str, reason: str = "") -> None:
        self.states.append(f"{state} {reason}")

    async def _opening(self) -> Port:
        self.wires.append(Wire())
        return self.wires[-1]


def inode(path: Path) -> int:
    return path.lstat().st_ino if path.exists() else 0


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Served]:
    served = Served(path)
    await served.port.open()
    before = inode(path)
    task = asyncio.create_task(served.control.run(path))
    await until(lambda: task.done() or inode(path) not in (0, before))
    try:
        yield served
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait((task,))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "control") as made:
        yield made


@asynccontextmanager
async def client(served: Served, *lines: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(served.path)
    try:
        for line in lines:
            writer.write(line)
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> dict:
    async with asyncio.timeout(5):
        return json.loads(await reader.readline())


def ask(what: str, port: str = "/dev/wire", by: str = "a test") -> bytes:
    return json.dumps({"ask": what, "port": port, "by": by}).encode() + b"\n"


async def test_the_ports_of_a_node(served: Served):
    async with client(served, ask("ports")) as (reader, _):
        assert await answer(reader) == {
            "node": "node-1",
            "pid": os.getpid(),
            "ports": [
                {
                    "url": "/dev/wire",
                    "state": "open",
                    "baud": 19200,
                    "bits": 8,
                    "parity": "E",
                    "stop": 1,
                    "devices": [{"id": "pms", "driver": "plantower-pmsx003"}],
                }
            ],
        }
        assert await reader.read() == b""
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o660


async def test_a_tap_hears_what_the_station_reads(served: Served):
    port = await served.port.open()
    async with client(served, ask("tap")) as (reader, _):
        await answer(reader)
        served.wires[-1].say(b"BM\x00")
        await port.read()
        await port.write(b"?")
        assert await answer(reader) == {"t": 0.0, "d": "<", "hex": "424d00"}
        assert await answer(reader) == {"t": 0.0, "d": ">", "hex": "3f"}
    await until(lambda: not served.control.clients)
    served.wires[-1].say(b"BM\x00")
    await port.read()  # nobody listens any more, and nobody minds


@pytest.mark.parametrize("ending", ["abort", "close", "talk"])
async def test_a_loan_ends_with_its_connection(served: Served, ending: str):
    async with client(served, ask("borrow", by="gateway port scan")) as (reader, writer):
        facts = (await answer(reader))["ports"][0]
        assert facts["state"] == "borrowed"
        assert facts["by"] == f"gateway port scan (process {os.getpid()})"
        assert served.wires[0].is_closed
        assert served.states == ["absent borrowed"]
        async with client(served, ask("borrow")) as (second, _):
            refused = await answer(second)
            assert (refused["error"], refused["ports"][0]["by"]) == ("borrowed", facts["by"])
        if ending == "abort":
            writer.transport.abort()
        elif ending == "close":
            writer.close()
        else:
            writer.write(b"more than was asked")
        await until(lambda: not served.port.borrower)
    assert await served.port.open()


async def test_what_a_client_calls_itself_is_made_harmless(served: Served):
    async with client(served, ask("borrow", by="\x1b[2J\n" + "x" * 5000)) as (reader, _):
        by = (await answer(reader))["ports"][0]["by"]
    assert by.isprintable()
    assert len(by) < 100


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"nonsense\n",
        b'{"ask":"reboot"}\n',
        b'{"ask":"tap","port":7}\n',
        b"\xff\xfe\x00\n",
        b"[" * 5000 + b"\n",
        b"x" * (LINE_BYTES * 3),
        b'{"ask":"ports"}',
    ],
)
async def test_a_line_that_is_none_is_refused_and_the_next_client_served(served: Served, line: bytes):
    async with client(served, line) as (reader, writer):
        writer.write_eof()
        assert (await answer(reader))["error"] == "unreadable"
    assert served.control.refused == 1
    async with client(served, ask("tap", "/etc/passwd")) as (reader, _):
        assert (await answer(reader))["error"] == "unknown-port"


async def test_silent_clients_are_few_and_one_too_many_is_told(served: Served):
    quiet = [await asyncio.open_unix_connection(served.path) for _ in range(MOST_CLIENTS)]
    await until(lambda: served.control.clients == MOST_CLIENTS)
    async with client(served) as (reader, _):
        assert (await answer(reader))["error"] == "too-many"
    for _, writer in quiet:
        writer.transport.abort()
    await until(lambda: not served.control.clients)


async def test_a_slow_reader_loses_the_oldest_and_is_told(served: Served):
    port = await served.port.open()
    async with client(served, ask("tap")) as (reader, writer):
        await answer(reader)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.transport.pause_reading()
        for number in range(400):
            await port.write(bytes((number % 256,)) * 8192)
            await asyncio.sleep(0)
        writer.transport.resume_reading()
        heard = lost = 0
        while heard + lost < 400 * 8192:
            piece = await answer(reader)
            heard += len(piece["hex"]) // 2
            lost += piece.get("lost", 0)
    assert lost > 1_000_000
    assert heard + lost == 400 * 8192


async def test_a_socket_that_nobody_serves_gives_way_and_a_served_one_does_not(tmp_path: Path):
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    async with serving(path) as served, client(served, ask("ports")) as (reader, _):
        assert (await answer(reader))["node"] == "node-1"
        second = Served(path)
        await second.control.run(path)  # says so, and returns
        async with client(served, ask("ports")) as (again, _):
            assert (await answer(again))["ports"]
    assert not path.exists()


async def test_something_else_in_its_place_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "control"
    path.write_text("not a socket")
    await Served(path).control.run(path)
    await Served(path).control.run(tmp_path / ("x" * 120) / "control")
    await Served(path).control.run(tmp_path / "no" / "folder")
    assert path.read_text() == "not a socket"
    assert len(caplog.records) == 3


def test_places_of_other_users_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LANNA_CONTROL")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = control_place.make_own_folder()
    assert (folder, stat.S_IMODE(folder.stat().st_mode)) == (tmp_path / "lanna", 0o700)
    (folder / "control-demo-1").touch()
    assert control_place.places() == [control_place.SYSTEM, folder / "control-demo-1"]
    folder.chmod(0o777)
    assert control_place.places() == [control_place.SYSTEM]
    with pytest.raises(PermissionError):
        control_place.make_own_folder()
