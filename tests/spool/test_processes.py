"""Real processes and a real small disk: kill -9 at full speed, a lock held elsewhere, a tmpfs that is full."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.spool import room
from gateway.spool.errors import SpoolError
from gateway.spool.spool import Spool

_WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.spool.spool import Spool

async def main():
    spool = Spool.open(Path(sys.argv[1]), outlets=["a"], max_bytes=1 << 22, segment_bytes=1 << 16, window_s=0.0)
    out = sys.stdout.buffer
    def show(group):
        for number, data in group:
            out.write(b"%d %s\\n" % (number, data))
        out.flush()
        spool.settle("a", max(1, group[0][0] - 3000), max(1, group[0][0] - 2000))
    spool.on_commit(show)
    task = asyncio.create_task(spool.run())
    out.write(b"ready\\n")
    out.flush()
    while True:
        for _ in range(random.randrange(1, 40)):
            spool.append(b"reading %d of " % spool.next + sys.argv[2].encode())
        await asyncio.sleep(0)

import random
asyncio.run(main())
"""


def _start(folder: Path, turn: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(turn)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )


def test_killed_at_full_speed_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(5)
    shown: dict[int, bytes] = {}
    for turn in range(8):
        process = _start(tmp_path, turn)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(rng.randrange(200, 3000)):
            number, data = process.stdout.readline().split(b" ", 1)
            assert int(number) not in shown
            shown[int(number)] = data.rstrip(b"\n")
        process.kill()
        # What it still had said before it died counts too; the last line may be half a line.
        for line in process.stdout.read().split(b"\n")[:-1]:
            number, data = line.split(b" ", 1)
            shown[int(number)] = data
        process.stdout.close()
        process.wait()
        spool = Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 22)
        found = dict(spool.read(spool.first, spool.committed, 1 << 30))
        assert spool.next > max(shown)
        assert not {n for first, last in spool.losses.get("damaged", []) for n in range(first, last + 1)} & set(shown)
        for first, last in spool.pending("a"):
            for number in range(first, last + 1):
                assert shown.setdefault(number, found[number]) == found[number]
        assert all(number in found or number in spool.settled("a") for number in shown)
        spool.release()
    assert len(shown) > 2000


def test_a_lock_that_another_process_holds(tmp_path: Path) -> None:
    process = _start(tmp_path, 0)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        with pytest.raises(SpoolError, match=f"in use by process {process.pid}: .*Stop that gateway first"):
            Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20)
    finally:
        process.kill()
        process.communicate()
    Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20).release()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("others", [0, 700_000], ids=["the spool's own", "full of others"])
async def test_a_small_disk_is_full(small_disk: Path, others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_S", 0.5)
    (small_disk / "others").write_bytes(bytes(others))
    spool = Spool.open(
        small_disk / "spool",
        outlets=["a"],
        max_bytes=1 << 30,
        window_s=0.0,
        buffer_bytes=100_000,
        segment_bytes=1 << 16,
    )
    task = asyncio.create_task(spool.run(), name="spool")
    shown: dict[int, bytes] = {}
    spool.on_commit(shown.update)
    lost: list[int] = []
    spool.on_loss(lambda _, first, last: lost.extend(range(first, last + 1)))
    for number in range(1, 12_001):
        assert spool.append(b"%-108d" % number) == number
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    os.unlink(small_disk / "others")
    async with asyncio.timeout(15):
        while spool.stats().last_error or spool.stats().buffered_bytes:
            await asyncio.sleep(0.01)
    await spool.flush()
    held = spool.read(1, 12_000, 1 << 30)
    assert sorted([number for number, _ in held] + lost) == list(range(1, 12_001))
    assert all(data == b"%-108d" % number for number, data in held)
    assert spool.stats().lost == len(lost) > 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await spool.close()
