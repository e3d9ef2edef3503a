"""Spools with readings in them, for tests of commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack

BOOT = "b00t0001"
START_MS = 1_774_000_000_000  # 2026-03-20T09:46:40Z
MIB = 1 << 20


def reading(at: int, *, device: str = "pms", every_ms: int = 60_000, **changes: Any) -> Entry:
    """Reading number `at` (from 0) of a device, one a minute."""
    said: dict[str, Any] = {"v": {"pm2_5": 10.0 + at, "pm10": 20.5 + at}, "q": {"*": 2}}
    said |= changes
    return Entry("air", device, START_MS + at * every_ms, 1000 + at * every_ms, BOOT, True, **said)


def event(at: int, name: str = "state", data: dict[str, Any] | None = None, **changes: Any) -> Entry:
    """An event of the device at its minute `at`."""
    return reading(
        at, v={}, q={}, event=name, data=data or {"from": "ok", "to": "silent", "why": "no, power"}, **changes
    )


def fill(
    folder: Path, entries: Iterable[Entry], then: Callable[[Spool], None] = lambda spool: None, **options: Any
) -> str:
    """A spool of these entries, closed in order; returns its id. `then` may settle some before."""
    said: dict[str, Any] = {
        "outlets": ["main"],
        "max_bytes": 16 * MIB,
        "window_s": 0.0,
        "segment_bytes": 8192,
    } | options

    async def work() -> str:
        spool = Spool.open(folder, **said)
        for at, entry in enumerate(entries):
            spool.append(pack(entry))
            if at % 50 == 49:
                await spool.flush()
        await spool.flush()
        then(spool)
        await spool.close()
        return spool.id

    return asyncio.run(work())


def node_config(folder: Path, spool: Path, *, url: str = "mqtt://127.0.0.1:1", node: str = "node-1") -> Path:
    """A configuration of a node with that spool."""
    file = folder / "node.toml"
    file.write_text(
        f'[node]\nid = "{node}"\nsite = "test"\n[spool]\npath = "{spool}"\nmax_size = "16 MB"\n'
        f'[mqtt]\nurl = "{url}"\nconfirm = "stored"\n'
        '[[device]]\nid = "pms"\ndriver = "plantower-pmsx003"\nport = "/dev/ttyS9"\n'
    )
    return file


def gateway(*args: object) -> Any:
    """`gateway spool …` in this process."""
    return CliRunner().invoke(build(), ["spool", *map(str, args)])


def rows(done: Any) -> list[Any]:
    """The JSON lines that it printed."""
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]
