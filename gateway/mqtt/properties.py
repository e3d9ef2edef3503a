"""MQTT 5's properties and reason codes: from plain values to paho's objects and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt.broker import Broker


def connect_properties(broker: Broker, maximum_packet: int) -> Properties:
    """What we tell the broker in CONNECT; `maximum_packet` in bytes."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = broker.receive_maximum
    properties.MaximumPacketSize = maximum_packet
    if broker.session_expiry_s:
        properties.SessionExpiryInterval = broker.session_expiry_s
    return properties


def received(properties: Properties | None) -> dict[str, Any]:
    """What the broker told, by the standard's names (`ReceiveMaximum`); empty under 3.1.1."""
    return {} if properties is None else {name: value for name, value in vars(properties).items() if name[0].isupper()}


def in_words(code: ReasonCode, said: Mapping[str, Any]) -> str:
    """The reason in lower-case words, with the broker's own words behind it where it gave some."""
    text = said.get("ReasonString")
    return f"{code.getName().lower()} ({text})" if text else code.getName().lower()


def number_and_name(code: object) -> tuple[int, str]:
    """Of a SUBACK's code, which is a plain number from some brokers."""
    return (code.value, code.getName().lower()) if isinstance(code, ReasonCode) else (int(str(code)), "")
