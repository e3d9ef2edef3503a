"""Captures as text, and ports that play them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.core.contract import Line
from gateway.ports import PortError, PortLost, open_port
from gateway.ports.capture import MAX_LINE, CaptureError, Record, format_header, format_record, read_file, read_lines
from gateway.ports.replay import open_replay
from tests.ports.virtual_clock import VirtualClock

LINE = Line()

TALKER = """\ufefflanna-capture 1 port=/dev/serial0 baud=9600
# a comment, an empty line, and hexadecimal in both manners

0.000 < 42 4D
0.500 < 001c
2.5 < ff
"""

METER = """lanna-capture 1
0.0 < 00
1.0 > 01 04 00 00
1.1 < aa
1.2 < bb
2.0 > 01 04 00 10
2.05 < cc
3.0 > 01 04 00 00
3.1 < dd
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.capture"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_it_says(tmp_path):
    assert list(read_file(write(tmp_path, TALKER))) == [
        Record(0.0, "<", b"\x42\x4d"),
        Record(0.5, "<", b"\x00\x1c"),
        Record(2.5, "<", b"\xff"),
    ]
    assert list(read_lines(["lanna-capture 1\r\n", "1 > 0A\r\n"])) == [Record(1.0, ">", b"\n")]


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from("<>"), st.binary(min_size=1, max_size=300)), max_size=20)
)
def test_writes_what_it_reads(parts):
    records = [Record(us / 1e6, way, data) for us, way, data in sorted(parts, key=lambda part: part[0])]
    text = [format_header(port="/dev/x", baud=9600), *map(format_record, records)]
    assert list(read_lines(text)) == records


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, ""),
        (1, "0.0 < 00\n"),
        (1, "lanna-capture 2\n"),
        (1, "lanna-capture 12\n"),
        (2, "lanna-capture 1\nhello\n"),
        (2, "lanna-capture 1\n0.0 = 00\n"),
        (2, "lanna-capture 1\n0.0 < 0\n"),
        (2, "lanna-capture 1\n0.0 < 0 0\n"),
        (2, "lanna-capture 1\n0.0 <\n"),
        (2, "lanna-capture 1\n0.0 < xx\n"),
        (2, "lanna-capture 1\n-1 < 00\n"),
        (2, "lanna-capture 1\nnan < 00\n"),
        (2, "lanna-capture 1\n1e3 < 00\n"),
        (2, "lanna-capture 1\n9999999999 < 00\n"),
        (2, "lanna-capture 1\n๑.๐ < 00\n"),
        (4, "lanna-capture 1\n2.0 < 00\n# time falls\n1.0 < 00\n"),
        (2, "lanna-capture 1\n0.0 < " + "00" * MAX_LINE + "\n"),
        (2, "lanna-capture 1\n\x00\x01\x02\n"),
        (1, "x" * (MAX_LINE * 3)),
    ],
)
async def test_a_damaged_capture_is_refused_with_its_line(tmp_path, line, text):
    path = write(tmp_path, text)
    with pytest.raises(CaptureError) as refused:
        list(read_file(path))
    assert refused.value.line == line
    with pytest.raises(PortError, match=f"line {line}:") as unopened:
        await open_port(f"replay:{path}", LINE)
    assert unopened.value.reason == "bad-capture"


async def test_what_is_no_capture_at_all(tmp_path):
    (tmp_path / "binary").write_bytes(os.urandom(100_000))
    os.mkfifo(tmp_path / "fifo")
    for name, reason in [
        ("nothing", "absent"),
        ("binary", "bad-capture"),
        ("fifo", "bad-capture"),
        ("", "bad-capture"),
        ("nothing?speed=-1", "bad-url"),
        ("nothing?speed=nan", "bad-url"),
        ("nothing?end=soon", "bad-url"),
        ("nothing?colour=red", "bad-url"),
    ]:
        with pytest.raises(PortError) as refused:
            await open_port(f"replay:{tmp_path}/{name}", LINE)
        assert (name, refused.value.reason) == (name, reason)


async def test_a_talker_keeps_its_time(tmp_path):
    clock = VirtualClock()
    port = await open_replay(f"replay:{write(tmp_path, TALKER)}", ticks=clock)
    await clock.settle()
    assert await port.read() == b"\x42\x4d"
    await clock.advance(0.49)
    waiting = asyncio.create_task(port.read())
    await clock.settle()
    assert not waiting.done()
    await clock.advance(0.01)
    assert await waiting == b"\x00\x1c"
    await port.write(b"ignored")
    await clock.advance(2)
    assert await port.read() == b"\xff"
    waiting = asyncio.create_task(port.read())
    await clock.advance(1000)
    assert not waiting.done()  # after its end the device is silent
    await port.close()
    with pytest.raises(PortLost):
        await waiting


async def test_speed_and_ends(tmp_path):
    clock = VirtualClock()
    path = write(tmp_path, TALKER)
    fast = await open_replay(f"replay:{path}?speed=5", ticks=clock)
    await clock.advance(0.5)
    assert await fast.read() == b"\x42\x4d\x00\x1c\xff"
    await fast.close()

    lost = await open_replay(f"replay:{path}?speed=0&end=lost", ticks=clock)
    await clock.settle()
    assert await lost.read() == b"\x42\x4d\x00\x1c\xff"
    with pytest.raises(PortLost, match="end of the capture"):
        await lost.read()

    again = await open_replay(f"replay:{path}?end=again", ticks=clock)
    await clock.advance(2.5)
    await clock.settle()
    assert (await again.read()).startswith(b"\x42\x4d\x00\x1c\xff\x42\x4d")
    await again.close()


async def test_a_device_that_is_asked_answers_what_it_was_asked(tmp_path):
    clock = VirtualClock()
    port = await open_replay(f"replay:{write(tmp_path, METER)}", ticks=clock)
    await clock.settle()
    assert await port.read() == b"\x00"
    await port.write(b"\x01\x04\x00\x10")  # the second question first
    await clock.advance(0.05)
    assert await port.read() == b"\xcc"
    await port.write(b"never asked there")
    await clock.advance(10)
    assert await port.drain_input() == 0
    await port.write(b"\x01\x04\x00\x00")  # the third: the first lies behind
    await clock.advance(0.1)
    assert await port.read() == b"\xdd"
    await port.close()
