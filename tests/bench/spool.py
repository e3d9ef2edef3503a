"""Figures of the spool: speed of append, speed of durable append, bytes the disk writes for a reading."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.spool.intervals import Intervals
from gateway.spool.spool import Spool

READING = bytes(range(32, 127)) + b"0123456789abc"  # 108 bytes
_COMMITS = 1000
_GROUPS = (1, 5, 20)


def run() -> Iterator[dict[str, object]]:
    """All figures, about half a minute. The folder is made beside the working directory's disk, not on a tmpfs."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("LANNA_BENCH_DIR", ".")) as folder:
        yield _figure("spool append, in memory", asyncio.run(_appends(Path(folder) / "memory")), "entries/s")
        yield _figure("spool append, durable", asyncio.run(_durable(Path(folder) / "durable")), "entries/s")
        yield _figure("spool append to durable, one at a time, p99", asyncio.run(_latency(Path(folder) / "one")), "ms")
        for group in _GROUPS:
            cached, disk = asyncio.run(_bytes_per_entry(Path(folder) / f"group-{group}", group))
            yield _figure(f"spool bytes written per entry, groups of {group}", cached, "bytes")
            if disk is not None:
                yield _figure(f"spool bytes at the disk per entry, groups of {group}", disk, "bytes")
        yield _figure("spool read of a backlog", asyncio.run(_reads(Path(folder) / "read")), "entries/s")
        yield _figure("spool open, 100 MB of unsettled entries", _open_s(Path(folder) / "read"), "ms")
    yield _figure("interval set, adds at the end", _interval_adds(), "adds/s")


def _figure(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 2 if value < 100 else 0), "unit": unit}


def _open(folder: Path, **options: object) -> Spool:
    return Spool.open(folder, outlets=["main"], max_bytes=256 << 20, **options)  # type: ignore[arg-type]


async def _appends(folder: Path) -> float:
    spool = _open(folder, buffer_bytes=64 << 20)
    start = time.perf_counter()
    for _ in range(200_000):
        spool.append(READING)
    took = time.perf_counter() - start
    await spool.flush()
    await spool.close()
    return 200_000 / took


async def _durable(folder: Path) -> float:
    spool = _open(folder)
    task = asyncio.create_task(spool.run(), name="spool")
    count = 200_000
    start = time.perf_counter()
    for number in range(1, count + 1):
        spool.append(READING)
        if number % 2000 == 0:
            await spool.flush()
    took = time.perf_counter() - start
    await _end(spool, task)
    return count / took


async def _latency(folder: Path) -> float:
    spool = _open(folder, window_s=0.0)
    task = asyncio.create_task(spool.run(), name="spool")
    waits = []
    for _ in range(300):
        start = time.perf_counter()
        spool.append(READING)
        await spool.flush()
        waits.append(time.perf_counter() - start)
    await _end(spool, task)
    return sorted(waits)[297] * 1000


async def _bytes_per_entry(folder: Path, group: int) -> tuple[float, float | None]:
    """Whole pages written, and what the disk's own counter says (others may write too)."""
    spool = _open(folder)
    await asyncio.to_thread(os.sync)
    await asyncio.sleep(0.5)
    before = _sectors(folder)
    for _ in range(_COMMITS):
        for _ in range(group):
            spool.append(READING)
        if spool.committed:
            spool.settle("main", 1, spool.committed)
        await spool.flush()
    after = _sectors(folder)
    written = spool.stats().bytes_written
    await spool.close()
    count = _COMMITS * group
    return written / count, (after - before) * 512 / count if before is not None and after is not None else None


async def _reads(folder: Path) -> float:
    spool = _open(folder)
    for _ in range(400):
        for _ in range(2000):
            spool.append(READING)
        await spool.flush()
    start, number = time.perf_counter(), 1
    while number <= spool.committed:
        number = spool.read(number, spool.committed)[-1][0] + 1
    took = time.perf_counter() - start
    count = spool.committed
    spool.release()
    return count / took


def _open_s(folder: Path) -> float:
    start = time.perf_counter()
    spool = _open(folder)
    took = time.perf_counter() - start
    spool.release()
    return took * 1000


def _interval_adds() -> float:
    numbers = Intervals()
    start = time.perf_counter()
    for number in range(1, 500_001):
        numbers.add(number)
    return 500_000 / (time.perf_counter() - start)


async def _end(spool: Spool, task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await spool.close()


def _sectors(folder: Path) -> int | None:
    device = folder.stat().st_dev
    try:
        stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text()
    except OSError:
        return None  # no block device of its own
    return int(stat.split()[6])
