"""Which processes hold which devices: /proc, walked once for all of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_MOST_DESCRIPTORS = 4096
"""Open files of one process that are looked at."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a device open."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """Holders by device path; `unseen` processes, other people's, did not let us look."""

    by_path: Mapping[str, tuple[Holder, ...]]
    unseen: int = 0

    def of(self, path: str) -> tuple[Holder, ...]:
        """Who holds this device, in the order of process ids."""
        return self.by_path.get(path, ())


def who_holds(paths: Collection[str], root: Path = Path("/"), ignore: Collection[int] = ()) -> Held:
    """Who holds the devices of these real paths (no links), below `root`/proc. Never raises: what vanishes is gone."""
    found: dict[str, list[Holder]] = {}
    unseen = 0
    try:
        pids = sorted(int(name) for name in os.listdir(root / "proc") if name.isdigit())
    except OSError:
        return Held({})
    for pid in pids:
        if pid in ignore:
            continue
        folder = root / "proc" / str(pid)
        try:
            descriptors = os.listdir(folder / "fd")[:_MOST_DESCRIPTORS]
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue
        for path in {_target(folder / "fd" / each) for each in descriptors}.intersection(paths):
            found.setdefault(path, []).append(Holder(pid, _name(folder)))
    return Held({path: tuple(holders) for path, holders in found.items()}, unseen)


def _target(link: Path) -> str:
    try:
        return os.readlink(link).removesuffix(" (deleted)")
    except OSError:
        return ""


def _name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()[:64] or "?"
    except OSError:
        return "?"
