"""A stub of InfluxDB's HTTP API for tests: a script of answers, and a record of what arrived."""

from __future__ import annotations

import gzip
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True)
class Answer:
    """One answer to a write. `act` "hang" never answers, "cut" closes after reading half of the body."""

    status: int = 204
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    act: Literal["answer", "hang", "cut"] = "answer"


Judge = Callable[[list[str]], Answer]


class InfluxStub:
    """Answers writes with the queued `script`, then with what `judge` says of the lines (default: 204 and kept).

    `lines` are those answered with 204; `bodies` counts the lines of each request that came whole; `health` is the body
    of GET /health; `csv` answers Flux queries, which `queries` collects.
    """

    def __init__(self, judge: Judge | None = None) -> None:
        self.script: deque[Answer] = deque()
        self.judge: Judge = judge or (lambda lines: Answer())
        self.health = '{"name":"influxdb","status":"pass"}'
        self.csv = ""
        self.lines: list[str] = []
        self.bodies: list[int] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.queries: list[str] = []
        self._stopping = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 10

            def do_GET(self) -> None:
                stub._send(self, Answer(200, stub.health) if self.path == "/health" else Answer(404, "no such page"))

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                if self.path.startswith("/api/v2/query"):
                    stub.queries.append(json.loads(self.rfile.read(length))["query"])
                    stub._send(self, Answer(200, stub.csv))
                    return
                stub._write(self, length)

            def log_message(self, format: str, *args: object) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="influx stub")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _write(self, handler: BaseHTTPRequestHandler, length: int) -> None:
        answer = self.script.popleft() if self.script else None
        if answer is not None and answer.act == "cut":
            handler.rfile.read(length // 2)
            handler.close_connection = True
            return
        body = handler.rfile.read(length)
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.decode().split("\n")
        self.bodies.append(len(lines))
        self.paths.append(handler.path)
        self.headers.append(dict(handler.headers))
        answer = answer or self.judge(lines)
        if answer.act == "hang":
            self._stopping.wait()
            return
        if answer.status == 204:
            self.lines += lines
        self._send(handler, answer)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        # A message that is JSON or CSV already goes out as it is; others are wrapped as the server wraps them.
        raw = answer.status == 200 or not answer.message
        body = answer.message if raw else json.dumps({"code": "invalid", "message": answer.message})
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
