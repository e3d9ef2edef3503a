"""What a receiver makes of bytes that were sent at another speed: it samples the sender's bits at its own times."""

from __future__ import annotations

_BITS = 10
"""Start, eight data bits, stop."""


def as_heard(data: bytes, sent_baud: int, read_baud: int) -> bytes:
    """The bytes that a receiver at `read_baud` finds in `data` sent without a pause at `sent_baud`, both 8N1.

    None at a speed of 0, which is one that has no name.
    """
    if not (sent_baud and read_baud):
        return b""
    if sent_baud == read_baud or not data:
        return data
    levels = [level for byte in data for level in (0, *(byte >> bit & 1 for bit in range(8)), 1)]
    step = sent_baud / read_baud
    """Bits of the sender during one of the receiver."""
    heard = bytearray()
    at = 0.0
    while (start := _falling(levels, at)) is not None:
        bits = [_level(levels, start + (number + 0.5) * step) for number in range(_BITS)]
        if bits[0] == 0:
            heard.append(sum(bit << place for place, bit in enumerate(bits[1:9])))
        at = start + (_BITS - 0.5) * step
    return bytes(heard)


def _level(levels: list[int], at: float) -> int:
    index = int(at)
    return levels[index] if index < len(levels) else 1


def _falling(levels: list[int], at: float) -> int | None:
    """Where the line falls next, at or after `at` bits."""
    index = int(at) if at == int(at) else int(at) + 1
    while index < len(levels):
        if levels[index] == 0 and (index == 0 or levels[index - 1] == 1):
            return index
        index += 1
    return None
