"""Ends a process by SIGKILL at a chosen system call on chosen files, or lets calls fail, with strace's inject."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.spool.spool import Spool
from tests.rig.process import find_program

CALLS = ("openat", "pwrite64", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
"""What a spool asks the kernel for. A call that this machine's libraries make under another name is never reached."""


def killed_at(call: str, nth: int, paths: Iterable[Path], log: Path) -> list[str]:
    """Words before a command: it ends when one of its threads is about to make its nth such call on these files."""
    strace, setpriv = find_program("strace"), find_program("setpriv")
    assert strace is not None, "strace is not installed"
    # Not with --seccomp-bpf: strace 6.1 then injects no signals into what it follows.
    words = [strace, "-f", "-qq", "-o", str(log), "-e", f"trace={call}"]
    for path in paths:
        words += ["-P", str(path)]
    words += ["-e", f"inject={call}:signal=KILL:when={nth}"]
    # Whoever kills strace means the process.
    return [*words, "--", *([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else [])]


def failing(call: str, error: str, when: str, log: Path) -> list[str]:
    """Words before a command: these of its calls (as strace says it: `3`, `2..5`, `3+3`) fail, on whatever file."""
    strace, setpriv = find_program("strace"), find_program("setpriv")
    assert strace is not None, "strace is not installed"
    words = [
        strace,
        "-f",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:error={error}:when={when}",
    ]
    return [*words, "--", *([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else [])]


def reached(log: Path) -> bool:
    """Whether the call was made."""
    return log.exists() and "+++ killed by SIGKILL +++" in log.read_text()


def files_to_come(folder: Path, outlets: Sequence[str], max_bytes: int) -> list[Path]:
    """The files of a spool that nobody runs, with those that its next run begins with: found out on a copy."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "spool"
        shutil.copytree(folder, copy)
        before = {path.name for path in copy.iterdir()}
        spool = Spool.open(copy, outlets=outlets, max_bytes=max_bytes)
        try:
            spool.append(b"to see the next segment's name")
            asyncio.run(spool.flush())
            names = before | {path.name for path in copy.iterdir()}
        finally:
            spool.release()
    return [folder, *(folder / name for name in sorted(names | {"lock", "about.new", "about.json"}))]
