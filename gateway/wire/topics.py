"""Topics: where each kind of message lives, and how one is taken apart again.

<root>/<node>/status|about|health|lost|stored
<root>/<node>/<class>/backlog
<root>/<node>/<class>/<device>/reading|event|about|status
<root>/<node>/<class>/<device>/alarm/<rule>
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_ROOT = "lanna/v1"
CLASSES = frozenset({"air", "water", "weather", "energy", "mobility", "place"})
NODE_KINDS = frozenset({"status", "about", "health", "lost", "stored", "cmd"})
DEVICE_KINDS = frozenset({"reading", "event", "about", "status"})
ID_PATTERN = "[a-z0-9-]{1,32}"
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """True for a legal node, device or rule id."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart; fields that a kind does not have are empty."""

    node: str
    kind: str
    device_class: str = ""
    device: str = ""
    rule: str = ""


def node_topic(root: str, node: str, kind: str) -> str:
    """`<root>/<node>/<kind>`."""
    return f"{root}/{node}/{kind}"


def device_topic(root: str, node: str, device_class: str, device: str, kind: str) -> str:
    """`<root>/<node>/<class>/<device>/<kind>`."""
    return f"{root}/{node}/{device_class}/{device}/{kind}"


def alarm_topic(root: str, node: str, device_class: str, device: str, rule: str) -> str:
    """`<root>/<node>/<class>/<device>/alarm/<rule>`."""
    return f"{root}/{node}/{device_class}/{device}/alarm/{rule}"


def backlog_topic(root: str, node: str, device_class: str) -> str:
    """`<root>/<node>/<class>/backlog`."""
    return f"{root}/{node}/{device_class}/backlog"


def parse(root: str, topic: str) -> Address | None:
    """The parts of a topic under `root`, or None where it is none of ours."""
    if not topic.startswith(root + "/"):
        return None
    match topic[len(root) + 1 :].split("/"):
        case [node, kind] if is_id(node) and kind in NODE_KINDS:
            return Address(node, kind)
        case [node, cls, "backlog"] if is_id(node) and cls in CLASSES:
            return Address(node, "backlog", cls)
        case [node, cls, device, kind] if is_id(node) and cls in CLASSES and is_id(device) and kind in DEVICE_KINDS:
            return Address(node, kind, cls, device)
        case [node, cls, device, "alarm", rule] if is_id(node) and cls in CLASSES and is_id(device) and is_id(rule):
            return Address(node, "alarm", cls, device, rule)
    return None
