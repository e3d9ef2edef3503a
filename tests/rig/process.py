"""Real programs as children of a test: found, started on a port of their own, watched, and always ended."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_SYSTEM_PATH = ":".join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
MISSING: list[str] = []
"""Packages whose absence skipped a test, one entry a test; conftest prints the count."""


def find_program(name: str) -> str | None:
    """The program's path, also where a plain user's PATH leaves out the sbin folders."""
    return shutil.which(name, path=_SYSTEM_PATH)


def need_program(name: str, package: str) -> str:
    """The program's path. Where it is missing the test is skipped and counted; under CI=true it fails."""
    found = find_program(name)
    if found is None:
        reason = f"{name} is missing: sudo apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        MISSING.append(package)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """A loopback port the kernel had free a moment ago; the server's ownership of it is checked after its start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(pid: int, port: int) -> bool:
    """Whether this very process holds a listening TCP socket on the port (from /proc, without connecting)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    try:
        return any(_link(f"/proc/{pid}/fd/{name}") in inodes for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


class Program:
    """A child process that listens on ports of its own. It dies with the thread that started it.

    `log` is the file that takes what it prints. Not for use from several threads at once.
    """

    def __init__(self, arguments: list[str], ports: list[int], log: Path, *, start_timeout_s: float = 10.0) -> None:
        self.arguments = arguments
        self.ports = ports
        self.log = log
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when the child itself listens on all its ports; raises RuntimeError with its log otherwise."""
        assert not self.is_running, "already running"
        # The parent-death signal keeps servers from outliving a killed test run.
        setpriv = find_program("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [*guard, *self.arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + self._start_timeout_s
        waiting = list(self.ports)
        while waiting:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.arguments[0]} ended with {self._process.returncode}:\n{self.log_text()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.arguments[0]} does not listen on {waiting}:\n{self.log_text()}")
            waiting = [port for port in waiting if not _listens(self._process.pid, port)]
            if waiting:
                time.sleep(0.005)

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM and wait; SIGKILL after the timeout. Nothing happens when it does not run."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._end(signal.SIGKILL, 10.0)

    def send_signal(self, number: int) -> None:
        """For SIGHUP (reload), SIGSTOP (hang) and SIGCONT."""
        assert self._process is not None, "not started"
        self._process.send_signal(number)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _end(self, number: int, timeout_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_on_free_ports(count: int, build: Callable[[list[int]], Program]) -> Program:
    """Starts `build(ports)`; another process may take a port between choice and start, so up to five choices."""
    for attempt in range(5):
        program = build([free_port() for _ in range(count)])
        try:
            program.start()
        except RuntimeError:
            if attempt == 4 or "in use" not in program.log_text():
                raise
        else:
            return program
    raise AssertionError("unreachable")
