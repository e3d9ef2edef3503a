"""The gateway as its user runs it: processes made from configuration files, killed and started again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.rig.process import Program


def edge_config(
    folder: Path,
    *,
    broker: str,
    devices: dict[str, Path],
    confirm: str = "stored",
    extra: str = "",
    spool: Path | None = None,
    max_size: str = "64 MB",
    mqtt: str = "",
) -> Path:
    """A node with one Plantower on each port; every frame is a reading. `mqtt` are more lines of that table."""
    text = f"""
[node]
id = "node-1"
site = "test"
clock = "trusted"

[spool]
path = "{spool or folder / "spool"}"
max_size = "{max_size}"

[mqtt]
url = "{broker}"
confirm = "{confirm}"
{mqtt}
"""
    for name, port in devices.items():
        text += f"""
[[device]]
id = "{name}"
driver = "plantower-pmsx003"
port = "{port}"
"""
    path = folder / "edge.toml"
    path.write_text(text + extra)
    return path


def backbone_config(folder: Path, *, broker: str, sink: str, name: str = "backbone", extra: str = "") -> Path:
    """An ingest; `sink` is the inline table line of the sink, `name` that of its file and of its state's folder."""
    path = folder / f"{name}.toml"
    path.write_text(f"""
[ingest]
confirms = true
state = "{folder}/{name}-state"
mqtt = {{ url = "{broker}" }}
{sink}
{extra}
""")
    return path


class Gateway(Program):
    """`gateway run FILE` as a child. `before` are words before the command."""

    def __init__(self, config: Path, *, before: Sequence[str] = ()) -> None:
        command = [*before, sys.executable, "-m", "gateway", "run", str(config)]
        super().__init__(command, [], config.with_suffix(".log"), start_timeout_s=10)


def stored_readings(database: Path) -> dict[str, list[dict[str, float]]]:
    """Values of every stored reading by device, read with sqlite3 alone; rows as they stand, repeats included."""
    found: dict[str, list[dict[str, float]]] = {}
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT device, v FROM reading ORDER BY seq").fetchall()
        except sqlite3.OperationalError:  # the file is there, its tables not yet
            return {}
    for device, values in rows:
        found.setdefault(device, []).append(json.loads(values))
    return found


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str, every_s: float = 0.02) -> None:
    """Poll a condition of another process; fails with `what` after the deadline."""
    import time

    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(every_s)
