"""Bytes that set or ask something of an instrument, and how its acknowledgement begins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `reply` is what its acknowledgement begins with, empty where the instrument gives none."""

    data: bytes
    reply: bytes = b""

    def is_acknowledged_by(self, frame: bytes) -> bool:
        """Whether this frame, whose own check holds, is the acknowledgement."""
        return bool(self.reply) and frame.startswith(self.reply)
