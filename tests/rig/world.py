"""A whole installation of real processes: instruments on ptys, edge node, line, broker, ingest, database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from gateway.sim.faults import Faults
from tests.rig.broker import Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.ear import Ear
from tests.rig.gateway import Gateway, backbone_config, edge_config, wait_until
from tests.rig.instrument import Instrument
from tests.rig.oracle import Counts, Row, count_of_sqlite, judge, rows_of_sqlite, rows_of_victoria
from tests.rig.weather import Line

SHIPPED: Mapping[str, object] = {
    "persistence": "true",
    "max_queued_messages": "100000",
    "max_inflight_messages": "1000",
}
"""What deploy/broker/mosquitto.conf sets, at the rig's own port and folder."""
DEFAULTS: Mapping[str, object] = {
    "persistence": "false",
    "max_queued_messages": "1000",
    "max_inflight_messages": "20",
}
"""What mosquitto does when nobody says anything."""


class World:
    """One node with `devices` instruments, a broker, one ingest; a context manager that ends with everything stopped.

    `line` stands between node and broker when `with_line`. `is_quick` takes the least patience that may be configured.
    `edge` lines go into the node's [mqtt] table, `influx` into that sink's; `serial` faults befall the lines.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sink: Literal["sqlite", "victoria"] = "sqlite",
        rate_hz: float = 20.0,
        devices: int = 1,
        broker: Mapping[str, object] = SHIPPED,
        with_line: bool = False,
        with_ear: bool = False,
        ear: Sequence[str] = ("lanna/v1/#",),
        is_quick: bool = False,
        edge: str = "",
        confirm: str = "stored",
        influx: str = "",
        flags: Sequence[str] = (),
        spool: Path | None = None,
        max_size: str = "64 MB",
        before: Sequence[str] = (),
        serial: Faults | None = None,
        seed: int = 0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.sink = folder, sink
        self.sqlite = folder / "readings.sqlite"
        self.spool = spool or folder / "spool"
        self.instruments = [
            Instrument(folder / f"tty-{n}", rate_hz, n, serial, seed + n) for n in range(1, devices + 1)
        ]
        self.broker = Mosquitto(folder / "broker", settings=dict(broker))
        self.victoria = VictoriaMetrics(folder / "victoria", flags=flags)
        self._with_line, self._with_ear, self._ear_filters = with_line, with_ear, ear
        self._ingest = 'grace = "5 s"' if is_quick else ""
        if is_quick:
            edge += '\nresend_after = "5 s"'
        self._edge, self._influx, self._max_size, self._before = edge, influx, max_size, before
        self._confirm = confirm
        self._stack = ExitStack()
        self.line: Line
        self.ear: Ear

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            for program in (self.edge, self.ingest):
                state = "runs" if program.is_running else "does not run"
                error.add_note(f"{program.log.name} ({state}):\n{program.log_text()[-2000:]}")
        self._stack.close()

    def _build(self) -> None:
        enter = self._stack.enter_context
        enter(self.broker)
        url = self.broker.url
        if self._with_line:
            self.line = enter(Line(self.broker.port))
            url = self.line.url
        if self._with_ear:
            self.ear = enter(Ear(self.broker.port, filters=self._ear_filters))
        table = f'sqlite = {{ path = "{self.sqlite}" }}'
        if self.sink == "victoria":
            enter(self.victoria)
            self._stack.callback(lambda: self.victoria.kill())
            table = f'influx = {{ url = "{self.victoria.url}", org = "o", bucket = "b", retention = "365 days"'
            table += f"{self._influx and ', '}{self._influx} }}"
        for instrument in self.instruments:
            enter(instrument)
        names = {f"pms-{each.device}": each.link for each in self.instruments}
        config = edge_config(
            self.folder,
            broker=url,
            devices=names,
            confirm=self._confirm,
            spool=self.spool,
            max_size=self._max_size,
            mqtt=self._edge,
        )
        self.edge = Gateway(config, before=self._before)
        self.ingest = Gateway(backbone_config(self.folder, broker=self.broker.url, sink=table, extra=self._ingest))
        for program in (self.ingest, self.edge):
            self._stack.callback(program.kill)

    def start(self, readings: int = 10) -> None:
        """Start both ends; returns when so many readings are stored."""
        self.ingest.start()
        self.edge.start()
        self.wait_stored(readings, 90)

    def rows(self) -> list[Row]:
        """What the database holds now."""
        return rows_of_sqlite(self.sqlite) if self.sink == "sqlite" else rows_of_victoria(self.victoria)

    def stored(self) -> int:
        """How many readings the database holds now, repeats included."""
        if self.sink == "sqlite":
            return count_of_sqlite(self.sqlite)
        return self.victoria.count('{__name__=~"(air|undated)_seq",node="node-1",device=~"pms-.*"}')

    def said(self) -> int:
        """How many frames the instruments have said."""
        return sum(each.sent for each in self.instruments)

    def wait_stored(self, count: int, timeout_s: float = 30.0) -> None:
        """Until so many readings are stored."""
        wait_until(lambda: self.stored() >= count, timeout_s, f"{count} readings stored")

    def wait_said(self, more: int, timeout_s: float = 30.0) -> None:
        """Until the instruments have said so many more frames."""
        count = self.said() + more
        wait_until(lambda: self.said() >= count, timeout_s, f"{count} frames said")

    def finish(self, timeout_s: float = 60.0) -> Counts:
        """The final phase without faults: the instruments end, and what is owed may arrive until nothing is missing.

        Waits no longer than the timeout; what is lost then is in the counts.
        """
        time.sleep(1.2)  # so that the last frame is owed, too
        for each in self.instruments:
            each.stop()
        deadline = time.monotonic() + timeout_s
        while judge(self.instruments, self.rows()).lost and time.monotonic() < deadline:
            time.sleep(0.5)
        # Repeats may still be on their way behind the last one.
        time.sleep(0.5)
        return judge(self.instruments, self.rows())
