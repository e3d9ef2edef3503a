"""Runs a configuration in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from gateway.app.running import Running
from gateway.config import Config, load
from gateway.ops.logs import set_up


async def run(config: Config, stop: asyncio.Event, running: Running | None = None) -> None:
    """Run what the configuration describes until `stop` is set; what was accepted is durable when this returns.

    Raises what waiting cannot repair: SpoolError, LedgerError, ParkedError, AnotherIngest, KeysError, OSError.
    """
    running = running or Running()
    async with asyncio.TaskGroup() as group:
        tasks = []
        # Each half is imported only where it is wanted: the database's client is half of an edge node's memory.
        if config.ingest is not None:
            from gateway.app.backbone import run_ingest

            tasks.append(group.create_task(run_ingest(config.ingest, running), name="ingest"))
        if config.node is not None:
            from gateway.app.edge import run_node

            tasks.append(group.create_task(run_node(config, config.node, running), name="edge"))
        await stop.wait()
        for task in tasks:
            task.cancel()


def run_file(path: Path) -> None:
    """Run a configuration file until SIGTERM or SIGINT. Raises ConfigError, and what `run` raises."""
    config = load(path)
    set_up(config.log.level)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run(config, stop)

    try:
        asyncio.run(main())
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    """The error inside a group of one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
