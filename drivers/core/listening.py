"""The one way from a listening device's bytes to its readings: station, command line, prover and fuzzer use it."""

from __future__ import annotations

from collections import Counter, deque

from drivers.core.contract import Decoded, Driver, Integrity, Listening, Options, Reason, Rejection

TRUSTED_BITS = 16
"""A shorter check lets noise through: 20 MB of random bytes hold 281 frames with a valid 8-bit sum."""
_ANSWERS = 16


class Listener:
    """Framer, trust, decoding and counters of one listening device.

    After anything was refused, a device whose check is shorter than 16 bits is believed again from its second
    consecutive frame that is a reading; the first is counted as refused. What is no reading, such as an
    acknowledgement, restores no trust. Holds less than one frame of bytes.
    """

    def __init__(self, driver: Driver, options: Options | None = None) -> None:
        if not isinstance(driver.kind, Listening):
            raise TypeError(f"{driver.name} is a polled device; use drivers.core.polling.Round")
        self._options: Options = options or {}
        self._decode = driver.kind.decode
        self._framer = driver.kind.framer(self._options)
        self._needs_proof = driver.check_bits < TRUSTED_BITS
        self._is_trusted = True
        self.frames = 0
        """Frames whose check held, acknowledgements included."""
        self.readings = 0
        self.rejected: Counter[Reason] = Counter()
        self._answers: deque[bytes] = deque(maxlen=_ANSWERS)

    @property
    def discarded(self) -> int:
        """Bytes that belonged to no frame."""
        return self._framer.discarded

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of their frame."""
        return self._framer.held

    def feed(self, data: bytes) -> list[Decoded | Rejection]:
        """Readings and refusals in stream order."""
        return self._judge(self._framer.feed(data))

    def finish(self) -> list[Decoded | Rejection]:
        """The device fell silent or the capture ends: what is half received is refused."""
        return self._judge(self._framer.finish())

    def take_answers(self) -> list[bytes]:
        """Frames since the last call that are no reading: what the instrument says to commands; the last few."""
        taken = list(self._answers)
        self._answers.clear()
        return taken

    def reset(self) -> None:
        """The port was opened anew."""
        self._framer.reset()
        self._is_trusted = True

    def _judge(self, items: list[bytes | Rejection]) -> list[Decoded | Rejection]:
        out: list[Decoded | Rejection] = []
        for item in items:
            if isinstance(item, Rejection):
                self._is_trusted = not self._needs_proof
                self.rejected[item.reason] += 1
                out.append(item)
                continue
            self.frames += 1
            try:
                decoded = self._decode(item, self._options)
            except Rejection as refusal:
                self.rejected[refusal.reason] += 1
                out.append(refusal)
                continue
            if decoded is None:
                self._answers.append(item)
                continue
            if not self._is_trusted:
                self._is_trusted = True
                why = Integrity(f"one frame after noise, its short check alone is not believed: {item.hex(' ')}")
                self.rejected[why.reason] += 1
                out.append(why)
                continue
            self.readings += 1
            out.append(decoded)
        return out
