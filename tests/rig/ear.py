"""A subscriber that only listens: which readings passed the broker, when, how often, live or late."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class Heard(NamedTuple):
    """One reading or event in a message: when it came (monotonic s), and its `t` as it was said."""

    mono: float
    is_live: bool
    spool: str
    seq: int
    t: str
    v: dict[str, float]


class Told(NamedTuple):
    """A `stored` message: `upto` by spool, how many missing numbers it names."""

    mono: float
    upto: dict[str, int]
    missing: int


class Ear:
    """Listens with a session of its own; a context manager.

    What a broker forgets in a crash, or while it does not know this session any more, is not heard.
    """

    def __init__(self, port: int, *, filters: Sequence[str] = ("lanna/v1/#",), name: str = "test-ear") -> None:
        self.heard: list[Heard] = []
        self.told: list[Told] = []
        self.others: list[tuple[float, str, bytes]] = []
        """Everything else: monotonic time, topic, payload."""
        self._filters, self._port = filters, port
        self._is_ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._is_ready.set()
        self._client.reconnect_delay_set(1, 1)

    def __enter__(self) -> Self:
        keep = Properties(PacketTypes.CONNECT)
        keep.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self._port, keepalive=10, clean_start=True, properties=keep)
        self._client.loop_start()
        if not self._is_ready.wait(10):
            raise RuntimeError("the broker did not grant a subscription within 10 s")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def published(self) -> dict[tuple[str, int], list[float]]:
        """When each number passed: once, unless it was sent again."""
        times: dict[tuple[str, int], list[float]] = {}
        for one in list(self.heard):
            times.setdefault((one.spool, one.seq), []).append(one.mono)
        return times

    def upto(self, spool: str, before_mono: float) -> int:
        """The highest `upto` that was told of a spool before then."""
        return max((told.upto.get(spool, 0) for told in list(self.told) if told.mono <= before_mono), default=0)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(each, 1) for each in self._filters])

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        mono, kind = time.monotonic(), message.topic.rpartition("/")[2]
        if kind in ("reading", "event"):
            said = json.loads(message.payload)
            self.heard.append(Heard(mono, True, said["spool"], said["seq"], said.get("t") or "", said.get("v", {})))
        elif kind == "backlog":
            said = json.loads(message.payload)
            self.heard += [
                Heard(mono, False, said["spool"], each["seq"], each.get("t") or "", each.get("v", {}))
                for each in said["readings"]
            ]
        elif kind == "stored" and message.payload:
            spools = json.loads(message.payload)["spools"]
            missing = sum(last - first + 1 for each in spools.values() for first, last in each.get("missing", []))
            self.told.append(Told(mono, {name: each["upto"] for name, each in spools.items()}, missing))
        else:
            self.others.append((mono, message.topic, message.payload))
