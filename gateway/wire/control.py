"""What is said through the control socket of a running node: one JSON object a line, either way.

A client asks once. `ports` is answered with an `Answer`; `tap` with one and then a `Heard` for each piece of bytes;
`borrow` with one, and the port is the client's until the connection ends, however it ends; `explain` with one and then
an `Explained` for each part of the newest reading's way.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.wire.payload import decode, encode

__all__ = ["LINE_BYTES", "Answer", "Ask", "Explained", "Heard", "HeldDevice", "HeldPort", "Refusal", "decode", "encode"]

LINE_BYTES = 16 * 1024
"""No line is longer, its end included."""
Refusal = Literal["unreadable", "unknown-port", "unknown-device", "borrowed", "too-many"]


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A client's only line. `by` says what it is, for those who wonder where a port is."""

    ask: Literal["ports", "tap", "borrow", "explain"]
    port: str = ""
    device: str = ""
    by: str = ""


class HeldDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device of the node; only one that is asked has an address."""

    id: str
    driver: str
    address: int | None = None


class HeldPort(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port of the node, with its line settings; `by` names who borrowed it."""

    url: str
    state: Literal["open", "closed", "borrowed"]
    baud: int
    bits: int
    parity: Literal["N", "E", "O"]
    stop: float
    devices: list[HeldDevice] = []
    by: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node's first line. `error` is empty where it does what was asked."""

    node: str
    pid: int
    ports: list[HeldPort] = []
    error: Refusal | Literal[""] = ""


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes that went over a tapped port `t` seconds after the tap began, `<` from the device or `>` to it.

    `lost`: bytes before these that the client was too slow for.
    """

    t: float
    d: Literal["<", ">"]
    hex: str
    lost: int = 0


class Explained(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a reading's way: what was heard (seconds before the reading, direction, hex), the values decoded of
    it, what each step changed and judged (quantity, test, flag), and the point that came of it.
    """

    part: Literal["bytes", "values", "step", "point"]
    text: str = ""
    t: str | None = None
    seq: int = 0
    numbers: dict[str, float] = {}
    flags: dict[str, int] = {}
    tests: dict[str, dict[str, int]] = {}
    events: list[dict[str, Any]] = []
    bytes: list[tuple[float, Literal["<", ">"], str]] = []
