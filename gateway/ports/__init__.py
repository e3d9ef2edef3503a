"""Byte pipes to the field: serial lines, raw TCP servers, captures, and buses shared in turns."""

from .bus import Bus
from .contract import Port, PortError, PortLost
from .opening import open_port
from .turn import Turn

__all__ = ["Bus", "Port", "PortError", "PortLost", "Turn", "open_port"]
