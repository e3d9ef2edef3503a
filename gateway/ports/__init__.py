"""Byte pipes to the field: serial lines, raw TCP servers, captures, and buses shared in turns."""

from .bus import Bus, Turn
from .contract import Port, PortError, PortLost
from .opening import open_port

__all__ = ["Bus", "Port", "PortError", "PortLost", "Turn", "open_port"]
