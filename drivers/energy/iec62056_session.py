"""IEC 62056-21 as a dialogue: request at 300 baud, identification, change of speed, read-out.

    → /?!             at 300 7E1, after NUL bytes for 2.2 s where a battery meter must be woken
    ← /XXXZident
    → 06 0 Z 0        mode C: read out at the speed it offers; mode B changes its speed unasked, mode A does not
    ← 02 … 03 BCC     at that speed

The head repeats what is sent: that is skipped. The request is sent three times at most, where a NAK or nothing comes.
Nothing is ever written to a meter but these two messages.
"""

from __future__ import annotations

from drivers.core.contract import Decoded, FixedBits, Integrity, Rejection, Step, Truncated, Turn
from drivers.energy import iec62056_wire as wire

TRIES = 3
_REACTION_S = 2.2
"""A meter takes 0.2 to 1.5 s to answer."""

_SILENCE_S = 3.0
"""Between characters it may take 1.5 s."""

_WAKING = bytes(66)
"""NUL bytes that last 2.2 s at 300 baud."""

_IDENTITY_BYTES = 256


class Iec62056Session:
    """Read-outs of one meter. `device` is its address for a line with several, often empty; `is_slow` stays at 300."""

    def __init__(self, device: str, *, is_slow: bool, wakes: bool) -> None:
        if len(device) > 32 or not all(letter.isalnum() or letter == " " for letter in device):
            raise ValueError(f"a meter's address has up to 32 letters, digits and blanks, not {device!r}")
        self._request = (_WAKING if wakes else b"") + f"/?{device}!\r\n".encode()
        self._is_slow = is_slow
        self._held = b""
        self._left = TRIES
        self._last = Step()
        self._head = b""

    def start(self) -> Turn:
        """Ask the meter who it is."""
        self._head = b""
        return self._do(Step(self._request, _REACTION_S, gap_s=0.3, line=wire.SLOW, max_bytes=_IDENTITY_BYTES))

    def feed(self, data: bytes) -> Turn:
        """Take bytes: first the identification, then the block."""
        self._held += data
        if any(byte & 0x80 for byte in data) and not self._head:
            return self._again(FixedBits(f"parity bits are in the bytes: set the line to 7E1: {data[:16].hex(' ')}"))
        if self._new() == wire.NAK:
            return self._again(None)
        return self._block() if self._head else self._identified()

    def on_timeout(self) -> Turn:
        """Nothing, or half of it, came."""
        heard = self._new()
        return self._again(Truncated(f"no end: {heard[-32:]!r}") if heard else None)

    def _new(self) -> bytes:
        """What was heard, without the echo and what stands before a first character."""
        return self._held.removeprefix(self._last.data).strip(b"\0\x7f")

    def _identified(self) -> Turn:
        text = wire.without_echo(self._held)
        if b"\n" not in text:
            return Turn()
        head, _, rest = text.partition(b"\n")
        known = wire.identity(head + b"\n")
        if known is None:
            return self._again(FixedBits(f"no identification: {text[:40]!r}"))
        self._head = head + b"\n"
        mode, line = wire.mode_of(known[1])
        if mode == "C":
            speed = "0" if self._is_slow else known[1]
            line = wire.SLOW if self._is_slow else line
            acknowledgement = wire.ACK + f"0{speed}0\r\n".encode()
            step = Step(acknowledgement, _SILENCE_S, gap_s=0.3, reply_line=line, max_bytes=wire.BLOCK_BYTES)
            return self._do(step)
        turn = self._do(Step(b"", _SILENCE_S, line=line, max_bytes=wire.BLOCK_BYTES))
        self._held = rest if mode == "A" else b""
        block = self._block()
        return block if block.is_over else turn

    def _block(self) -> Turn:
        begin = self._held.find(wire.STX)
        end = self._held.find(wire.ETX, begin + 1)
        if begin < 0 or end < 0 or len(self._held) < end + 2:
            return Turn()
        frame = self._head + self._held[begin : end + 2]
        if any(byte & 0x80 for byte in frame):
            return self._over(FixedBits(f"parity bits are in the bytes: set the line to 7E1: {frame[:24].hex(' ')}"))
        if not wire.holds(frame):
            return self._over(Integrity(f"the block check does not hold: {frame[-16:]!r}"))
        try:
            return self._over(wire.decode(frame))
        except Rejection as refusal:
            return self._over(refusal)

    def _over(self, event: Decoded | Rejection) -> Turn:
        return Turn(None, (event,), is_over=True)

    def _do(self, step: Step) -> Turn:
        self._last, self._held = step, b""
        self._left = 0 if self._head else TRIES - 1
        return Turn(step)

    def _again(self, why: Rejection | None) -> Turn:
        """The request once more; behind the change of speed the round is over, and the next begins at 300 baud."""
        events = () if why is None else (why,)
        self._held = b""
        if not self._left:
            return Turn(None, events, is_over=True)
        self._left -= 1
        return Turn(self._last, events)
