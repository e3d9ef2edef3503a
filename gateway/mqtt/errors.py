"""What can go wrong between us and a broker; every message names where, what and, where there is one, the remedy."""

from __future__ import annotations

SESSION_TAKEN_OVER = 0x8E
NOT_AUTHORIZED = 0x87
BAD_LOGIN = 0x86
UNSUPPORTED_PROTOCOL = 0x84
TOPIC_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
RETAIN_UNSUPPORTED = 0x9A
QOS_UNSUPPORTED = 0x9B


class LinkError(Exception):
    """Anything the link reports. The subclass says which kind."""


class ConnectFailed(LinkError):
    """No MQTT answer came: name, network, TLS, time. `is_closed`: the peer just closed the connection.

    `is_refused`: the machine is there, and nothing listens on it.
    """

    def __init__(self, why: str, *, is_closed: bool = False, is_refused: bool = False) -> None:
        super().__init__(why)
        self.is_closed = is_closed
        self.is_refused = is_refused


class Refused(LinkError):
    """The broker answered our CONNECT with no. `code` is MQTT 5's, also under 3.1.1; `name` is it in words."""

    def __init__(self, code: int, name: str, where: str) -> None:
        super().__init__(f"{where} refuses us: {name}")
        self.code = code
        self.name = name


class Disconnected(LinkError):
    """The connection is gone. `code` is the broker's reason where it gave one."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


class PublishRefused(LinkError):
    """The message was not accepted (reason code >= 0x80), by the broker or, where it could never pass, by us."""

    def __init__(self, topic: str, code: int, name: str) -> None:
        super().__init__(f"{topic!r} was not accepted: {name} (0x{code:02X})")
        self.topic = topic
        self.code = code
        self.name = name


class SubscribeRefused(LinkError):
    """The broker did not grant this filter, or granted less than was asked."""

    def __init__(self, filter: str, code: int, name: str) -> None:
        super().__init__(f"subscription to {filter!r} was not granted: {name} (0x{code:02X})")
        self.filter = filter
        self.code = code
        self.name = name
