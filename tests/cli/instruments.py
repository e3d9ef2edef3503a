"""Simulated instruments on ptys, kept alive by a thread of their own, so that a command can run in the test's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.sim.faults import Faults
from gateway.sim.instrument import SimulatedDevice, SimulatedLine


@contextmanager
def on_a_line(
    devices: Sequence[SimulatedDevice], link: Path | None = None, faults: Faults | None = None
) -> Iterator[SimulatedLine]:
    """The line, talking and answering until the block ends."""
    ready = threading.Event()
    made: list[tuple[SimulatedLine, asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def live() -> None:
        line = SimulatedLine(devices, link=link, faults=faults)
        task = asyncio.current_task()
        assert task is not None
        made.append((line, asyncio.get_running_loop(), task))
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await line.run()

    thread = threading.Thread(target=asyncio.run, args=(live(),), name="instruments")
    thread.start()
    assert ready.wait(10)
    line, loop, task = made[0]
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
