"""A real VictoriaMetrics for tests: its own data folder and free loopback port, started, killed, asked and exported."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.process import Program, find_program, start_on_free_ports


@dataclass(frozen=True, slots=True)
class Series:
    """One exported series: its labels (`__name__` is measurement_field) and its samples, times in ms."""

    labels: dict[str, str]
    values: list[float | None]
    times_ms: list[int]


class VictoriaMetrics:
    """A victoria-metrics of one's own; use it as a context manager. `retention` is its -retentionPeriod."""

    def __init__(self, folder: Path, *, retention: str = "100y", flags: Sequence[str] = ()) -> None:
        self.folder = folder
        self._retention = retention
        self._flags = list(flags)
        self._program: Program | None = None

    def start(self) -> Self:
        """The first start chooses the port, later ones keep it and the data."""
        if self._program is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._program = start_on_free_ports(1, self._build)
        else:
            self._program.start()
        return self

    def stop(self) -> None:
        """SIGTERM: everything accepted is on disk afterwards."""
        if self._program is not None:
            self._program.stop()

    def kill(self) -> None:
        """SIGKILL: what it accepted in the last seconds is gone."""
        self.program.kill()

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.start()

    @property
    def program(self) -> Program:
        assert self._program is not None, "not started"
        return self._program

    @property
    def port(self) -> int:
        return self.program.ports[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, lines: str) -> int:
        """Line protocol straight to the InfluxDB v2 write path, times in ns; returns the HTTP status."""
        request = urllib.request.Request(f"{self.url}/api/v2/write?precision=ns", lines.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
            return status

    def flush(self) -> None:
        """Makes what was accepted visible to queries at once (it is otherwise within a second or two)."""
        self._get("/internal/force_flush")

    def export(self, match: str = '{__name__!=""}') -> list[Series]:
        """All samples of the series that match, raw, after a flush."""
        self.flush()
        # Without an end it stops at the present second and hides what the next second holds.
        text = self._get("/api/v1/export", {"match[]": match, "start": "0", "end": str(int(time.time()) + 86_400)})
        return [Series(row["metric"], row["values"], row["timestamps"]) for row in map(json.loads, text.splitlines())]

    def count(self, match: str = '{__name__!=""}') -> int:
        """How many samples the series that match hold."""
        return sum(len(series.values) for series in self.export(match))

    def query(self, expression: str, **parameters: str) -> Any:
        """The `result` of an instant query."""
        return json.loads(self._get("/api/v1/query", {"query": expression, **parameters}))["data"]["result"]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _get(self, path: str, parameters: dict[str, str] | None = None) -> str:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.url}{path}{query}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def _build(self, ports: list[int]) -> Program:
        program = find_program("victoria-metrics")
        assert program is not None, "victoria-metrics is not installed"
        arguments = [
            *(program, f"-httpListenAddr=127.0.0.1:{ports[0]}", f"-storageDataPath={self.folder / 'data'}"),
            *("-dedup.minScrapeInterval=1ms", f"-retentionPeriod={self._retention}", "-memory.allowedBytes=128MB"),
            *("-loggerLevel=WARN", *self._flags),
        ]
        return Program(arguments, ports, self.folder / "victoria.log")
