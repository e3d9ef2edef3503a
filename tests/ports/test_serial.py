"""Serial ports on real ptys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.core.contract import Line
from gateway.ports import PortError, PortLost, open_port, wires
from gateway.ports import serial as serial_module
from tests.ports.waiting import until

LINE = Line()


@dataclass
class Pty:
    master: int
    path: str

    def say(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    made = Pty(master, os.ttyname(slave))
    os.close(slave)
    yield made
    made.unplug()


def descriptors() -> set[str]:
    return {f"{name} {os.readlink(f'/proc/self/fd/{name}')}" for name in os.listdir("/proc/self/fd") if _is_open(name)}


def _is_open(name: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{name}")


async def read_exactly(port, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < count:
            data += await port.read()
    return data


async def test_reads_what_comes_and_writes_what_goes(pty):
    port = await open_port(pty.path, LINE)
    pty.say(b"\x00\x11\x13\x03\x04\xff\r\n\x1a")  # what a terminal would swallow or change
    assert await read_exactly(port, 9) == b"\x00\x11\x13\x03\x04\xff\r\n\x1a"
    await port.write(b"\x01\x04\n\r")
    assert os.read(pty.master, 100) == b"\x01\x04\n\r"
    assert port.name == pty.path
    await port.close()
    await port.close()


async def test_one_byte_at_a_time(pty):
    port = await open_port(pty.path, LINE)
    for value in range(64):
        pty.say(bytes([value]))
        assert await read_exactly(port, 1) == bytes([value])
    await port.close()


async def test_line_settings_reach_the_tty(pty):
    port = await open_port(pty.path, Line(baud=2400, bits=7, parity="E", stop=2))
    _, _, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(pty.master)
    assert (ispeed, ospeed) == (termios.B2400, termios.B2400)
    # A pty has no wires and keeps 8 bits without parity; the stop bits it keeps as told.
    assert cflag & termios.CSTOPB
    assert not cflag & termios.HUPCL
    assert not lflag & (termios.ECHO | termios.ICANON)
    assert cc[termios.VMIN] == 1
    await port.close()


async def test_the_line_changes_while_it_is_open(pty):
    port = await open_port(pty.path, Line(baud=300, bits=7, parity="E"))
    pty.say(b"already here")
    await until(lambda: port._inbox._held)
    await port.set_line(Line(baud=9600, bits=7, parity="O", stop=2))
    _, _, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(pty.master)
    assert (ispeed, ospeed) == (termios.B9600, termios.B9600)
    assert cflag & termios.CSTOPB
    assert not lflag & (termios.ECHO | termios.ICANON)
    assert cc[termios.VMIN] == 1
    assert await port.read() == b"already here"
    with pytest.raises(PortError, match="12345"):
        await port.set_line(Line(baud=12345))
    await port.write(b"still open")
    await port.close()


async def test_a_pty_is_opened_again_at_the_settings_it_cannot_keep(pty):
    """Told nothing but what it cannot keep, a pty refuses."""
    for _ in range(3):
        port = await open_port(pty.path, Line(1200, 7, "E"))
        await port.set_line(Line(1200, 7, "O"))
        await port.close()


async def test_every_bit_of_the_settings_is_told(pty, monkeypatch):
    told = []
    monkeypatch.setattr(termios, "tcsetattr", lambda fd, when, settings: told.append(settings))
    port = await open_port(pty.path, LINE)
    monkeypatch.setattr(wires, "PTY_MAJORS", ())
    for line in (Line(1200, 7, "E"), Line(1200, 8, "N"), Line(300, 7, "O", 2)):
        await port.set_line(line)
    shape = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB
    assert [settings[2] & shape for settings in told[-3:]] == [
        termios.CS7 | termios.PARENB,
        termios.CS8,
        termios.CS7 | termios.PARENB | termios.PARODD | termios.CSTOPB,
    ]
    await port.close()


async def test_a_break_is_held_for_its_time_and_always_ends(pty, monkeypatch):
    """A pty passes no break on; what the kernel is told is what can be seen here."""
    told = []
    monkeypatch.setattr(wires.fcntl, "ioctl", lambda fd, request, *rest: told.append((request, time.monotonic())))
    port = await open_port(pty.path, LINE)
    told.clear()
    await port.send_break(0.015)
    (begun, begun_s), (ended, ended_s) = told
    assert (begun, ended) == (0x5427, 0x5428)  # TIOCSBRK, TIOCCBRK of asm-generic/ioctls.h
    assert 0.015 <= ended_s - begun_s < 0.5
    await port.close()


async def test_wires_of_a_lost_port(pty):
    before = descriptors()
    port = await open_port(pty.path, LINE)
    await port.send_break(0.001)
    await port.drain_output()
    pty.unplug()
    for use in (port.drain_output, lambda: port.set_line(LINE), lambda: port.send_break(0.001)):
        with pytest.raises(PortLost, match=pty.path):
            await use()
    assert {line for line in descriptors() - before if pty.path in line} == set()
    await port.close()


@pytest.mark.parametrize("dtr", [None, True, False])
async def test_dtr_is_touched_only_when_it_is_said(pty, monkeypatch, dtr):
    touched = []
    monkeypatch.setattr(serial_module.serial.Serial, "_update_dtr_state", lambda self: touched.append(self.dtr))
    port = await open_port(pty.path, LINE, dtr=dtr)
    assert touched == ([] if dtr is None else [dtr])
    await port.close()


async def test_unplugged_while_somebody_waits_and_before_somebody_reads(pty):
    before = descriptors()
    port = await open_port(pty.path, LINE)
    waiting = asyncio.create_task(port.read())
    await asyncio.sleep(0)
    pty.unplug()
    with pytest.raises(PortLost, match=pty.path):
        await waiting
    with pytest.raises(PortLost):
        await port.read()
    with pytest.raises(PortLost):
        await port.write(b"x")
    assert await port.drain_input() == 0
    # The descriptor was given back at once, without a close: the name is free again.
    assert {line for line in descriptors() - before if pty.path in line} == set()
    await port.close()


async def test_the_last_bytes_before_an_unplug_are_read(pty):
    port = await open_port(pty.path, LINE)
    pty.say(b"last words")
    assert await read_exactly(port, 10) == b"last words"
    pty.unplug()
    with pytest.raises(PortLost):
        await port.read()


async def test_closing_ends_a_read(pty):
    port = await open_port(pty.path, LINE)
    waiting = asyncio.create_task(port.read())
    await asyncio.sleep(0)
    await port.close()
    with pytest.raises(PortLost, match="closed"):
        await waiting


async def test_nobody_reads_for_long_and_the_loss_is_counted(pty):
    port = await open_port(pty.path, LINE)
    total = 100_000
    sent = 0
    while sent < total:
        with contextlib.suppress(BlockingIOError):
            sent += os.write(pty.master, bytes([sent % 251]) * min(1000, total - sent))
        await asyncio.sleep(0)
    await until(lambda: port.overflowed >= total - 64 * 1024)
    assert port.overflowed == total - 64 * 1024
    assert len(await port.read()) == 64 * 1024
    await port.close()


async def test_drain_input_takes_what_the_system_still_holds(pty):
    port = await open_port(pty.path, LINE)
    pty.say(b"late reply")
    assert await port.drain_input() == 10  # the loop has not had a chance to read it
    pty.say(b"new")
    assert await read_exactly(port, 3) == b"new"
    await port.close()


async def test_a_long_write_waits_for_a_slow_reader(pty):
    port = await open_port(pty.path, LINE)
    data = os.urandom(50_000)
    writing = asyncio.create_task(port.write(data))
    got = bytearray()
    async with asyncio.timeout(5):
        while len(got) < len(data):
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                got += os.read(pty.master, 1000)
        await writing
    assert got == data
    writing = asyncio.create_task(port.write(data))
    await asyncio.sleep(0.01)
    assert not writing.done()
    pty.unplug()
    with pytest.raises(PortLost):
        await asyncio.wait_for(writing, 5)


async def test_a_second_owner_is_refused_in_this_process_and_from_another(pty):
    port = await open_port(pty.path, LINE)
    with pytest.raises(PortError) as refused:
        await open_port(pty.path, LINE)
    assert refused.value.reason == "busy"
    assert "fuser" in str(refused.value)
    await port.close()

    code = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - a test may wait for a process
        [sys.executable, "-c", code, pty.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(PortError) as refused:
            await open_port(pty.path, LINE)
        assert refused.value.reason == "busy"
        other.stdin.close()
        other.wait(5)
    port = await open_port(pty.path, LINE)
    await port.close()


async def test_why_a_port_cannot_be_opened(pty, tmp_path: Path, monkeypatch):
    plain = tmp_path / "file"
    plain.touch()
    for path, line, reason in [
        (str(tmp_path / "nothing"), LINE, "absent"),
        (str(tmp_path / "no" / "folder"), LINE, "absent"),
        (str(plain), LINE, "not-a-tty"),
        (str(tmp_path), LINE, "not-a-tty"),
        ("/dev/null", LINE, "not-a-tty"),
        (pty.path, Line(bits=4), "bad-settings"),
        (pty.path, Line(baud=-1), "bad-settings"),
        (pty.path, Line(stop=3), "bad-settings"),
        ("ttyUSB0", LINE, "bad-url"),
        ("udp://host:1", LINE, "bad-url"),
    ]:
        with pytest.raises(PortError) as refused:
            await open_port(path, line)
        assert (path, refused.value.reason) == (path, reason)
        assert path in str(refused.value)

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serial_module.serial.serialposix.os, "open", denied)
    with pytest.raises(PortError) as refused:
        await open_port(pty.path, LINE)
    assert refused.value.reason == "permission"
    assert "dialout" in str(refused.value)


async def test_no_descriptor_leaks_whatever_fails(pty, tmp_path: Path):
    before = descriptors()
    for _ in range(3):
        for path, line in [(pty.path, Line(bits=4)), ("/dev/null", LINE), (str(tmp_path / "x"), LINE)]:
            with pytest.raises(PortError):
                await open_port(path, line)
        port = await open_port(pty.path, LINE)
        with pytest.raises(PortError):
            await open_port(pty.path, LINE)
        await port.close()
    assert descriptors() == before


@pytest.mark.parametrize("delay_turns", [0, 1, 2, 3, 5, 8, 20])
async def test_cancelled_at_any_stage_of_opening_leaves_nothing_behind(pty, delay_turns):
    before = descriptors()
    opening = asyncio.create_task(open_port(pty.path, LINE))
    for _ in range(delay_turns):
        await asyncio.sleep(0)
    opening.cancel()
    try:
        port = await opening
    except asyncio.CancelledError:
        pass
    else:
        await port.close()
    await all_threads_of_opening_end()
    assert descriptors() == before


async def all_threads_of_opening_end() -> None:
    await until(lambda: not any(thread.name.startswith("open ") for thread in threading.enumerate()))


async def test_opening_that_hangs_does_not_hang_the_loop(pty, monkeypatch):
    before = descriptors()
    release = threading.Event()
    real_open = serial_module._open

    def hanging(*arguments: object) -> int:
        assert release.wait(10)
        return real_open(*arguments)

    monkeypatch.setattr(serial_module, "_open", hanging)
    monkeypatch.setattr(serial_module, "OPEN_TIMEOUT_S", 0.05)
    started = time.monotonic()
    with pytest.raises(PortError) as refused:
        await open_port(pty.path, LINE)
    assert refused.value.reason == "stuck"
    # The second try must not put a second thread behind the first.
    with pytest.raises(PortError) as refused:
        await open_port(pty.path, LINE)
    assert refused.value.reason == "stuck"
    assert time.monotonic() - started < 2
    assert sum(thread.name.startswith("open ") for thread in threading.enumerate()) == 1
    release.set()
    await all_threads_of_opening_end()
    assert descriptors() == before
    port = await open_port(pty.path, LINE)
    await port.close()
