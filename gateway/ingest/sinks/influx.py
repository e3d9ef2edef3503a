"""InfluxDB 2 and what speaks its write API: synchronous writes of ready line protocol, nothing buffered in the client.

| answer | what it means here |
|---|---|
| 204 | stored; durable at once (InfluxDB), or after half a minute when it is read back (VictoriaMetrics) |
| 400, 413, 422 | the batch is halved until only the refused lines are left: they are rejected with the server's words |
| 401, 403, 404, other 4xx | a token, a bucket, an address: kept, tried slowly, a person is told |
| 429, 5xx, timeout, connection lost | kept, tried again; Retry-After is obeyed up to ten minutes |
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from gateway.ingest.lines import encode_points
from gateway.ingest.points import Note, Point
from gateway.ingest.sinks import flux, victoria
from gateway.ingest.sinks.base import Held, Rejection, Span, Unavailable

Dialect = Literal["influxdb", "victoriametrics"]
VICTORIA_DURABLE_AFTER_S = 30.0
_SPLIT = (400, 413, 422)
_WAIT = (408, 425, 429)
_RETRY_AFTER_BOUND_S = 600.0
_WHY_BOUND = 500


class InfluxSink:
    """A sink on `url`. `dialect` "auto" asks the server at the first write; `durable_after_s` None takes its default.

    `org` and `bucket` are sent as they are; `timeout_s` bounds one request.
    """

    name = "influx"

    def __init__(
        self,
        url: str,
        *,
        org: str = "",
        bucket: str = "",
        token: str = "",
        dialect: Literal["auto"] | Dialect = "auto",
        durable_after_s: float | None = None,
        timeout_s: float = 10.0,
        gzip: bool = False,
        ca_file: Path | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._org, self._bucket, self._token = org, bucket, token
        self._timeout_s = timeout_s
        self._dialect: Dialect | None = None if dialect == "auto" else dialect
        self._durable_after_s = durable_after_s
        self._tls = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
        self._client = InfluxDBClient(
            self._url,
            token=token,
            org=org,
            timeout=int(timeout_s * 1000),
            enable_gzip=gzip,
            ssl_ca_cert=str(ca_file) if ca_file else None,
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    @property
    def durable_after_s(self) -> float:
        """0 until the server is known: nothing was written yet either."""
        if self._durable_after_s is not None:
            return self._durable_after_s
        return VICTORIA_DURABLE_AFTER_S if self._dialect == "victoriametrics" else 0.0

    def mark(self) -> str | None:
        """When the server process started, where it tells (VictoriaMetrics): a batch survives what does not restart."""
        if self._known_dialect() != "victoriametrics" or self.durable_after_s == 0:
            return None
        return victoria.started(self._get)

    def write(self, points: Sequence[Point | Note]) -> list[Rejection]:
        """Stores all but those returned; see the table above."""
        self._known_dialect()
        lines = encode_points(points)
        refused: list[Rejection] = []
        spans = [(0, len(lines))] if lines else []
        while spans:
            first, end = spans.pop()
            why = self._send("\n".join(lines[first:end]).encode())
            if why is not None and end - first == 1:
                refused.append(Rejection(first, why))
            elif why is not None:
                middle = (first + end) // 2
                spans += [(middle, end), (first, middle)]
        return refused

    def confirm(self, mark: str | None, last: Point | Note) -> bool:
        """True when the server was not restarted since `mark` and the batch's last point is read back."""
        if self._known_dialect() == "victoriametrics":
            return (mark is None or victoria.started(self._get) == mark) and victoria.has(self._get, last)
        return flux.has(self._query, self._bucket, last)

    def held(self, spans: Sequence[Span]) -> Held | None:
        """The numbers there, from VictoriaMetrics; None: InfluxDB does not forget what it said yes to."""
        if self._known_dialect() != "victoriametrics":
            return None
        return victoria.held(self._get, spans)

    def count(self, node: str, device: str, from_at: int, to_at: int) -> int:
        """How many readings of a device are stored with `from_at` <= t < `to_at` (ns, whole milliseconds)."""
        if self._known_dialect() == "victoriametrics":
            return victoria.count(self._get, node, device, from_at, to_at)
        return flux.count(self._query, self._bucket, node, device, from_at, to_at)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def dialect(self) -> Dialect:
        """What the server is; it is asked once."""
        return self._known_dialect()

    def get(self, path: str) -> str:
        """The body of a page of the server, for those who ask more than `count`. Raises Unavailable."""
        return self._get(path)

    def query(self, text: str) -> str:
        """The annotated CSV of a Flux query. Raises Unavailable."""
        return self._query(text)

    def _known_dialect(self) -> Dialect:
        if self._dialect is None:
            try:
                health = self._get("/health")
            except Unavailable as error:
                # A server without that page is no VictoriaMetrics; one that cannot be reached may yet be.
                if not error.needs_person:
                    raise
                health = ""
            self._dialect = "victoriametrics" if health.strip() == "OK" else "influxdb"
        return self._dialect

    def _send(self, body: bytes) -> str | None:
        """None when it was stored, the server's words when it refuses these lines. Raises Unavailable."""
        try:
            self._writer.write(self._bucket, self._org, body, WritePrecision.NS)
        except ApiException as error:
            if error.status in _SPLIT:
                return f"{error.status} {_message(error.body)}"[:_WHY_BOUND]
            raise _unavailable(error.status or 0, error.body or error.reason, error.headers, self._url) from None
        except (HTTPError, OSError, ValueError) as error:
            raise Unavailable(f"{self._url}: {_short(error)}") from None
        return None

    def _get(self, path: str) -> str:
        return self._request(urllib.request.Request(f"{self._url}{path}"))

    def _query(self, text: str) -> str:
        """The annotated CSV of a Flux query."""
        body = json.dumps({"query": text, "dialect": {"header": True}}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/csv"}
        path = f"/api/v2/query?{urllib.parse.urlencode({'org': self._org})}"
        return self._request(urllib.request.Request(f"{self._url}{path}", body, headers))

    def _request(self, request: urllib.request.Request) -> str:
        if self._token:
            request.add_header("Authorization", f"Token {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s, context=self._tls) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            with error:
                raise _unavailable(error.code, error.read(_WHY_BOUND), error.headers, self._url) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(f"{self._url}: {_short(error)}") from None


def _unavailable(status: int, body: object, headers: object, url: str) -> Unavailable:
    wish = headers.get("Retry-After") if headers is not None and hasattr(headers, "get") else None
    after_s = _seconds(wish) if isinstance(wish, str) else None
    why = f"{url} answered {status}: {_message(body)}" if status else f"{url}: {_message(body)}"
    return Unavailable(
        why[:_WHY_BOUND], retry_after_s=after_s, needs_person=300 <= status < 500 and status not in _WAIT
    )


def _seconds(wish: str) -> float | None:
    """Retry-After in either of its forms (RFC 9110, 10.2.3): seconds, or a date by our own clock; None for neither."""
    wish = wish.strip()
    if wish.isdecimal() and wish.isascii():
        return min(float(wish[:9]), _RETRY_AFTER_BOUND_S)
    try:
        left_s = parsedate_to_datetime(wish).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, left_s), _RETRY_AFTER_BOUND_S)


def _message(body: object) -> str:
    """The server's own words: the `message` of a JSON body, else its text."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        parsed = json.loads(text)
    except ValueError:
        return text.strip()
    return str(parsed.get("message", text)) if isinstance(parsed, dict) else text.strip()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_WHY_BOUND]
