"""Child processes that die with us, leave Ctrl-C to us, and are asked for proof that a port is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LISTEN = "0A"
_STOP_TIMEOUT_S = 5.0


class StartFailed(RuntimeError):
    """A child that did not come up; the message says why."""


async def spawn(command: Sequence[str], log: Path) -> asyncio.subprocess.Process:
    """Start a child whose output goes to `log`. It gets SIGTERM when this process dies, and no Ctrl-C of ours."""
    libc = ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=tie,
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL to one that does not listen; returns when it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def wait_listening(
    process: asyncio.subprocess.Process, ports: Sequence[int], log: Path, timeout_s: float
) -> None:
    """Return when the child itself listens on all `ports`. Raises StartFailed with the end of its log."""
    try:
        async with asyncio.timeout(timeout_s):
            while not all(owns_port(process.pid, port) for port in ports):
                if process.returncode is not None:
                    raise StartFailed(f"ended with status {process.returncode}: {_tail(log)}")
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise StartFailed(f"does not listen after {timeout_s:g} s: {_tail(log)}") from None


def owns_port(pid: int, port: int) -> bool:
    """True when the process has a socket that listens on this TCP port: somebody else's would answer just as well."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    if not inodes:
        return False
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody uses now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _listening(port: int) -> list[str]:
    found: list[str] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    found.append(fields[9])
    return found


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-500:].strip() or "it said nothing"
    except OSError as error:
        return str(error)
