"""Why a connection did not come about, or is over, from what the stream says."""

from __future__ import annotations

import ssl

from gateway.mqtt.broker import Broker
from gateway.mqtt.codec import Malformed
from gateway.mqtt.errors import ConnectFailed, Disconnected
from gateway.mqtt.tls import explain


def not_connected(error: OSError, broker: Broker) -> ConnectFailed:
    """What this error means to someone who wants to connect there."""
    return explain(error, broker.host, broker.port, broker.is_tls, broker.ca_file)


def why_lost(error: Exception | None, broker: Broker) -> Disconnected:
    """Why the stream ended; None: the broker closed it without a word."""
    if error is None:
        return Disconnected("the broker closed the connection")
    if isinstance(error, Malformed):
        return Disconnected(f"{broker.where} sent {error}")
    if isinstance(error, ssl.SSLError):
        return Disconnected(str(not_connected(error, broker)))
    if isinstance(error, OSError):
        return Disconnected(f"connection lost: {error}")
    return Disconnected(f"{broker.where} sent a malformed packet ({type(error).__name__}: {error})")
