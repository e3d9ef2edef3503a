"""A whole node as its user runs it: start, memory and CPU, latency from the last byte to the database."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.rig.broker import Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.gateway import Gateway, backbone_config, edge_config, wait_until
from tests.rig.numbered import NumberedPlantower

DEVICES = 20
FOOTPRINT_S = 60.0
_NUMBER = re.compile(rb"pn_above_0_3=([0-9.]+)")


def run() -> Iterator[dict[str, object]]:
    """The figures; about three minutes."""
    with tempfile.TemporaryDirectory(prefix="lanna-bench-") as folder:
        yield from _start(Path(folder) / "start")
        yield from _footprint(Path(folder) / "footprint")
        for name, rate_hz, seconds in (("one in 2 s", 0.5, 60.0), ("20 a second", 20.0, 20.0)):
            yield from _latency(Path(folder) / f"latency-{rate_hz:g}", name, rate_hz, seconds)


def _figure(name: str, value: float, unit: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 4), "unit": unit}


@contextlib.contextmanager
def _ended(*programs: Gateway) -> Iterator[None]:
    try:
        yield
    finally:
        for program in programs:
            program.stop()


def _start(folder: Path) -> Iterator[dict[str, object]]:
    """From starting the process to its first reading at a subscriber, beside a backbone; 20 frames a second."""
    folder.mkdir()
    with Mosquitto(folder / "broker") as broker, NumberedPlantower(folder / "tty", 20) as instrument:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        arrived = threading.Event()
        client.on_message = lambda *_: arrived.set()
        client.on_connect = lambda *_: client.subscribe("lanna/v1/+/+/+/reading")
        client.connect("127.0.0.1", int(broker.url.rpartition(":")[2]))
        client.loop_start()
        edge = Gateway(edge_config(folder, broker=broker.url, devices={"pms": instrument.link}))
        sink = f'sqlite = {{ path = "{folder}/readings.sqlite" }}'
        ingest = Gateway(backbone_config(folder, broker=broker.url, sink=sink))
        figures = []
        with _ended(edge, ingest):
            ingest.start()
            for _ in range(5):
                arrived.clear()
                started = time.monotonic()
                edge.start()
                if not arrived.wait(20):
                    raise RuntimeError("no reading within 20 s")
                figures.append(time.monotonic() - started)
                edge.stop()
        client.loop_stop()
        client.disconnect()
        yield _figure("start to first published reading, median of 5", statistics.median(figures), "s")


def _footprint(folder: Path) -> Iterator[dict[str, object]]:
    """Memory and CPU of an edge node with 20 devices at 1 Hz, each frame a reading, confirmed by a backbone."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        ports = {f"pms-{n}": folder / f"tty-{n}" for n in range(DEVICES)}
        for link in ports.values():
            stack.enter_context(NumberedPlantower(link, 1.0))
        edge = Gateway(edge_config(folder, broker=broker.url, devices=ports))
        sink = f'sqlite = {{ path = "{folder}/readings.sqlite" }}'
        ingest = Gateway(backbone_config(folder, broker=broker.url, sink=sink))
        stack.enter_context(_ended(edge, ingest))
        ingest.start()
        edge.start()
        time.sleep(5)
        before = _cpu_s(edge.pid)
        started = time.monotonic()
        time.sleep(FOOTPRINT_S)
        elapsed = time.monotonic() - started
        yield _figure("edge, 20 devices at 1 Hz: CPU", 100 * (_cpu_s(edge.pid) - before) / elapsed, "% of a core")
        yield _figure("edge, 20 devices at 1 Hz: resident memory", _resident_mb(edge.pid), "MB")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class _Recorder(ThreadingHTTPServer):
    """Stands before the database: passes everything on and notes when it said yes to which frame."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.stored: dict[int, float] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Recorder

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = urllib.request.Request(self.server.target + self.path, body or None, method=self.command)
        for name in ("Content-Encoding", "Content-Type"):
            if self.headers.get(name):
                request.add_header(name, self.headers[name])
        with urllib.request.urlopen(request, timeout=10) as answer:
            said, content = answer.status, answer.read()
        now = time.monotonic()
        for number in _NUMBER.findall(body):
            self.server.stored.setdefault(round(float(number) * 100), now)
        self.send_response(said)
        if said != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if said != 204:
            self.wfile.write(content)

    do_GET = do_POST = _pass_on  # noqa: N815  the names the library wants

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _latency(folder: Path, name: str, rate_hz: float, seconds: float) -> Iterator[dict[str, object]]:
    """From the last byte on the wire to the database's yes, through mosquitto and ingest to VictoriaMetrics."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        victoria = stack.enter_context(VictoriaMetrics(folder / "victoria"))
        recorder = _Recorder(victoria.url)
        stack.callback(recorder.server_close)
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        stack.callback(recorder.shutdown)
        instrument = stack.enter_context(NumberedPlantower(folder / "tty", rate_hz))
        edge = Gateway(edge_config(folder, broker=broker.url, devices={"pms": instrument.link}))
        address = f"http://127.0.0.1:{recorder.server_port}"
        sink = (
            f'influx = {{ url = "{address}", org = "o", bucket = "b", retention = "1 day", '
            'durable_after = "30 s", gzip = false }'
        )
        ingest = Gateway(backbone_config(folder, broker=broker.url, sink=sink))
        stack.enter_context(_ended(edge, ingest))
        ingest.start()
        edge.start()
        wait_until(lambda: len(recorder.stored) >= 3, 30, "the first readings stored")
        first = max(recorder.stored) + 1
        time.sleep(seconds)
        instrument.stop()
        last = len(instrument.written)
        wait_until(lambda: last in recorder.stored, 10, "the last reading stored")
        delays = sorted(1000 * (recorder.stored[n] - instrument.written[n - 1]) for n in range(first, last + 1))
        yield _figure(f"latency to the database, {name}: p50", statistics.median(delays), "ms")
        yield _figure(
            f"latency to the database, {name}: p99", delays[min(len(delays) - 1, int(len(delays) * 0.99))], "ms"
        )
