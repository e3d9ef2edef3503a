"""RadioHead's header before the payload: TO, FROM, ID, FLAGS, a byte each; FF is everyone, flag 80 an answer."""

from __future__ import annotations

from dataclasses import dataclass

HEADER_BYTES = 4
EVERYONE = 0xFF
_ACK = 0x80


@dataclass(frozen=True, slots=True)
class Header:
    """Whom a RadioHead packet is for, who claims to have sent it, and its number."""

    to: int
    sender: int
    id: int
    flags: int

    @property
    def is_acknowledgement(self) -> bool:
        """It carries no data of its own."""
        return bool(self.flags & _ACK)


def split(packet: bytes) -> tuple[Header, bytes] | None:
    """Header and payload; None where the packet is shorter than a header."""
    if len(packet) < HEADER_BYTES:
        return None
    return Header(*packet[:HEADER_BYTES]), packet[HEADER_BYTES:]
