"""Where a running demo is, so that commands beside it need no arguments.

A small JSON file in the user's runtime folder, or in the shared one for temporary files. There anybody may put a file
of that name, so only one that is regular, small, our own and closed to others is believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A running demo: its broker (`mqtt://host:port`), the root of its topics, and its process."""

    url: str
    root: str
    pid: int


def place() -> Path:
    """The file of this user."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"lanna-demo-{os.getuid()}.json"


def write(url: str, root: str) -> None:
    """Say where this process's demo is; the latest demo wins. Raises OSError where that cannot be said."""
    target = place()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")  # new, 0600
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(Whereabouts(url, root, os.getpid())), file)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def read() -> Whereabouts | None:
    """The running demo of this user; None where there is none or the file is not to be believed."""
    try:
        handle = os.open(place(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            return None
        data = os.read(handle, MAX_BYTES + 1)
    finally:
        os.close(handle)
    found = _parse(data)
    return found if found is not None and _is_alive(found.pid) else None


def remove() -> None:
    """Take back what this process wrote; another demo's file is left alone."""
    found = read()
    if found is not None and found.pid == os.getpid():
        place().unlink(missing_ok=True)


def _parse(data: bytes) -> Whereabouts | None:
    try:
        if len(data) > MAX_BYTES:
            return None
        match json.loads(data):
            case {"url": str(url), "root": str(root), "pid": int(pid)} if pid > 0 and url.startswith("mqtt://"):
                return Whereabouts(url, root, pid)
    except (ValueError, RecursionError):
        pass
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
