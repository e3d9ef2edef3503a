"""From a broker's table in the configuration to what the link needs."""

from __future__ import annotations

from pathlib import Path

from gateway.config import model as said
from gateway.mqtt.link import Broker


def link_broker(
    table: said.AnyBroker, client_id: str, *, session_expiry_s: int = 0, receive_maximum: int = 1000
) -> Broker:
    """Where and how to connect. Reads the password file now; raises OSError where it cannot."""
    password = None
    if table.password_file is not None:
        password = Path(table.password_file).read_text("utf-8").strip("\r\n")
    return Broker(
        table.url,
        table.client_id or client_id,
        username=table.username,
        password=password,
        ca_file=table.ca_file,
        cert_file=table.cert_file,
        key_file=table.key_file,
        protocol=table.protocol,
        keepalive_s=table.keepalive_s,
        session_expiry_s=session_expiry_s,
        receive_maximum=receive_maximum,
    )
