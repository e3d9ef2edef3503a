"""Plain values of the link: where a broker is, what is sent to it, what came from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

Protocol = Literal["5", "3.1.1"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and how to connect; ValueError names the field that cannot be right.

    `url` is mqtt://host:port or mqtts://host:port (default ports 1883 and 8883). `protocol` "auto" is 5, and 3.1.1
    where the broker has no more. `session_expiry_s` 0 is a clean session; above 0 the broker keeps subscriptions and
    queue that long (3.1.1: as long as it likes). `receive_maximum` bounds what it may send unacknowledged (MQTT 5).
    """

    url: str
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: int = 30
    session_expiry_s: int = 0
    receive_maximum: int = 1000
    connect_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.path.strip("/") or parts.query:
            raise ValueError(f"url {self.url!r}: expected mqtt://host:port or mqtts://host:port")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: user and password do not belong in it; give username and password_file")
        if not 1 <= len(self.client_id.encode()) <= 65535 or not self.client_id.isprintable():
            raise ValueError(f"client_id {self.client_id!r}: expected 1 to 65535 bytes of printable text")
        if self.password is not None and self.username is None:
            raise ValueError("password: needs a username beside it")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file: give both or neither")
        if not 1 <= self.keepalive_s <= 65535:
            raise ValueError(f"keepalive_s {self.keepalive_s}: expected 1 to 65535")
        if not 1 <= self.receive_maximum <= 65535:
            raise ValueError(f"receive_maximum {self.receive_maximum}: expected 1 to 65535")
        if not 0 <= self.session_expiry_s <= 0xFFFFFFFF:
            raise ValueError(f"session_expiry_s {self.session_expiry_s}: expected 0 to 4294967295")
        if self.connect_timeout_s <= 0:
            raise ValueError(f"connect_timeout_s {self.connect_timeout_s}: expected more than 0")

    @property
    def host(self) -> str:
        host = urlsplit(self.url).hostname
        assert host is not None
        return host

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def where(self) -> str:
        """host:port, for messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published; also a will."""

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    retain: bool = False


class AckToken(NamedTuple):
    """Names one received message: the connection's number, and the order of its arrival there (-1 for QoS 0)."""

    connection: int
    order: int


class Incoming(NamedTuple):
    """One received message. With QoS 1 the broker keeps it until its token is acknowledged."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    token: AckToken
