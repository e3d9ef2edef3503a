"""The rig itself: the proxy's faults, the seeded weather, and an oracle that can say no."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults.scenario import SHORT_SLACK, Result, Tally, over_all
from tests.faults.table import NOTES, print_table
from tests.rig.instrument import Instrument, Name, frame_of, is_unaltered, masses, name_of
from tests.rig.oracle import Row, judge, percentile
from tests.rig.tcp_proxy import TcpProxy
from tests.rig.weather import KINDS, Line, storm


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(100):
            writer.write(data)
        writer.write(b"bye")
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _answers(proxy: TcpProxy, within_s: float = 1.0) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(within_s):
            return await reader.readexactly(5) == b"hello"
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()


async def test_hang_accepts_and_says_nothing() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        assert await _answers(proxy)
        proxy.hang()
        assert not await _answers(proxy, 0.1)
        proxy.let_pass()
        assert await _answers(proxy)


async def test_half_close_lets_the_other_way_go_on() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        proxy.half_close("up")
        assert await reader.readexactly(3) == b"bye"
        writer.close()


async def test_a_black_hole_hides_even_the_end() -> None:
    ended = asyncio.Event()

    async def notice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            ended.set()
            writer.close()

    server = await asyncio.start_server(notice, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.readexactly(1) == b"x"
        proxy.black_hole()
        writer.transport.abort()
        await proxy.wait_accepted(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ended.wait()
        proxy.let_pass()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_trickle_is_slow() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        proxy.bytes_per_s = 100
        started = time.monotonic()
        assert await _answers(proxy, 5)
        assert 0.09 <= time.monotonic() - started < 2


async def test_a_storm_is_seeded_and_ends_fair() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        for seed in range(6):
            counts: Counter[str] = Counter()
            await storm(proxy, random.Random(seed), 0.15, 0.02, counts)
            assert counts
            assert set(counts) <= set(KINDS)
            await _answers(proxy, 0.5)  # a cut that was armed may still take the next connection
            assert await _answers(proxy)


def test_a_line_in_a_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Line(server.getsockname()[1]) as line:
        with socket.create_connection(("127.0.0.1", line.proxy.port)):
            server.accept()[0].close()
        line.run(line.proxy.refuse)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", line.proxy.port))
    assert not any(thread.name == "proxy" for thread in threading.enumerate())


@pytest.fixture
def instrument(tmp_path: Path) -> Iterator[Instrument]:
    with Instrument(tmp_path / "tty", 200, device=3) as made:
        yield made


def _read_boot(instrument: Instrument, frames: int) -> bytes:
    with open(instrument.link, "r+b", buffering=0) as line:
        line.write(b"go")
        heard = b""
        while len(heard) < frames * 32:
            heard += line.read(4096)
    deadline = time.monotonic() + 2
    while instrument.boots[-1].ended_mono is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return heard


def test_an_instrument_speaks_only_to_those_who_listen(instrument: Instrument) -> None:
    time.sleep(0.05)
    assert instrument.boots == []
    assert _read_boot(instrument, 3).startswith(frame_of(Name(3, 1, 1)) + frame_of(Name(3, 1, 2)))
    assert instrument.boots[0].ended_mono is not None
    _read_boot(instrument, 2)
    assert [boot.sent[0].name for boot in instrument.boots] == [Name(3, 1, 1), Name(3, 2, 1)]


def _values(name: Name) -> dict[str, float]:
    from drivers.air.plantower import decode

    decoded = decode(frame_of(name), {})
    assert decoded is not None
    return dict(decoded.values)


def test_names_survive_the_driver() -> None:
    for name in (Name(1, 1, 1), Name(20, 250, 70_000), Name(65535, 65535, 2**32 - 1)):
        assert name_of(_values(name)) == name
        assert is_unaltered(_values(name))
        assert not is_unaltered({**_values(name), "pm2_5": masses(name)[4] + 1})


def test_the_oracle_can_say_no(instrument: Instrument) -> None:
    _read_boot(instrument, 5)
    boot = instrument.boots[0]
    rows = [Row(_values(sent.name), sent.at, 1, seq) for seq, sent in enumerate(boot.sent, 1)]
    assert boot.ended_mono is not None
    boot.ended_mono += 2
    counts = judge([instrument], rows)
    assert (counts.is_clean, counts.owed, counts.arrived) == (True, len(rows), len(rows))
    assert judge([instrument], rows[1:]).lost == (Name(3, 1, 1),)
    assert judge([instrument], [*rows, rows[0]]).duplicated == 1
    altered = rows[0]._replace(values={**rows[0].values, "pm10": 1.0})
    assert judge([instrument], [altered, *rows[1:]]).altered == 1
    strange = Row(_values(Name(3, 9, 9)), rows[0].at, 1, 99)
    assert judge([instrument], [*rows, strange]).strange == 1
    late = rows[0]._replace(at=rows[0].at + 3_000_000_000)
    assert judge([instrument], [late, *rows[1:]]).mistimed == 1
    boot.ended_mono -= 2
    assert judge([instrument], [], grace_s=1.0).owed == 0


def test_percentile() -> None:
    assert percentile([], 0.99) == 0
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile(range(1, 1001), 0.99) == 991


def test_the_readme_says_what_the_table_cannot_see() -> None:
    """The notes have one source; the README shows what is printed."""
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())
    for paragraph in NOTES.split("\n\n"):
        assert " ".join(paragraph.split()) in readme


def test_worst_first_and_rows_that_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Result("L1", "fault", "must", "fine", 1, "met", 30.0, is_long=True),
        Result("L2", "fault", "must", "lost | some", 1, "missed", 300.0, is_long=True),
        Result("T2", "fault", "must", "fine", 1, "met", 3.0),
    ]
    print_table(rows)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in printed[2:5]] == ["| L2", "| L1", "| T2"]
    assert "lost / some | 1 | 5 min | missed |" in printed[2]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    command = [sys.executable, "-m", "tests.faults", "--long", "--only", "L1,L2", "--keep", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[2:4] == printed[2:4]
    assert file.read_text().count("\n") == 3


def test_the_rows_over_all_can_say_no() -> None:
    def row(id: str, p99_ms: float, duplicated: int = 0) -> Result:
        return Result(id, "", "", "", 1, "met", 1.0, Tally(1000, duplicated, 1000, p99_ms))

    def verdicts(*rows: Result, slack: float) -> list[str]:
        return [each.verdict for each in over_all(list(rows), 1, slack)]

    assert verdicts(row("L1", 1), row("L5", 49), slack=1) == ["met", "met"]
    assert verdicts(row("L1", 1), row("L5", 51), slack=1) == ["met", "missed"]
    assert verdicts(row("L1", 1), row("L5", 300), slack=SHORT_SLACK) == ["met", "met"]
    assert verdicts(row("L1", 51), row("L5", 300), slack=SHORT_SLACK) == ["met", "missed"]
    assert verdicts(row("L1", 1, duplicated=1), slack=1) == ["missed", "met"]
