"""Where control sockets of running nodes are: /run/lanna for the system's, a folder of their own for other users."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

SYSTEM = Path("/run/lanna/control")
ENVIRONMENT = "LANNA_CONTROL"
LONGEST = 107
"""Bytes of a socket's path that Linux takes."""


def own_folder() -> Path:
    """This user's folder for sockets; it may not be there yet."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "lanna" if runtime else Path(tempfile.gettempdir()) / f"lanna-{os.getuid()}"


def make_own_folder() -> Path:
    """The same, there, and closed to others. Raises OSError, also where somebody else made it first."""
    folder = own_folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    if not is_own(folder):
        raise PermissionError(13, os.strerror(13), str(folder))
    return folder


def is_own(folder: Path) -> bool:
    """Whether a folder is one that nobody else can have put anything into."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def place_for(node: str, said: Path | None = None) -> Path:
    """Where a node puts its socket: as its configuration says, as LANNA_CONTROL says, else in the first folder of these
    that it may use: the system's, its user's own. Raises OSError where there is none.
    """
    if said is not None:
        return said
    if wish := os.environ.get(ENVIRONMENT):
        return Path(wish)
    if os.getuid() == 0:
        SYSTEM.parent.mkdir(mode=0o755, exist_ok=True)
    if os.access(SYSTEM.parent, os.W_OK | os.X_OK):
        return SYSTEM
    return make_own_folder() / f"control-{node}"


def places() -> list[Path]:
    """Where a socket may be: what LANNA_CONTROL names alone, else the system's and those in the user's own folder."""
    if wish := os.environ.get(ENVIRONMENT):
        return [Path(wish)]
    folder = own_folder()
    return [SYSTEM, *(sorted(folder.glob("control*")) if is_own(folder) else ())]


def closed_places() -> list[Path]:
    """Sockets of running nodes that this user may not use."""
    closed = []
    for place in places():
        try:
            place.stat()
        except PermissionError:
            closed.append(place)
        except OSError:
            continue
        else:
            if not os.access(place, os.R_OK | os.W_OK):
                closed.append(place)
    return closed
