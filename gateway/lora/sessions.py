"""Who may speak: ABP sessions, and the verdict on each frame.

MIC holds under the next counter     accepted, once
MIC holds under the last counter     a repeat: the device sent again, or another receiver was late
MIC holds under an older one         a replay, or a device that forgot its counter
MIC holds under none                 forged, damaged, or another network's device with the same address
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gateway.lora.aes import cmac
from gateway.lora.counters import IDENTITY_BYTES
from gateway.lora.frame import Frame, counters, past_counter
from gateway.lora.keys import Keys

Refusal = Literal["Unknown", "Integrity", "Repeat", "Replay"]


@dataclass(slots=True)
class Session:
    """One device's address and keys, and its last counter, None before the first."""

    device: str
    dev_addr: int
    keys: Keys = field(repr=False)
    last: int | None = None

    @property
    def identity(self) -> bytes:
        """What its counter is kept under: new keys or a new address are another session."""
        return cmac(self.keys.nwk_s_key, b"lanna counter" + self.dev_addr.to_bytes(4, "little"))[:IDENTITY_BYTES]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A frame whose code holds, under a counter that was not used yet. `missed`: uplinks before it not heard."""

    session: Session
    frame: Frame
    f_cnt: int
    missed: int

    @property
    def payload(self) -> bytes:
        """In the clear."""
        keys = self.session.keys
        return self.frame.plain(keys.nwk_s_key, keys.app_s_key, self.f_cnt)


@dataclass(frozen=True, slots=True)
class Denied:
    """A frame that is no reading. `device` is whose address it bears, "" where that is nobody's here."""

    reason: Refusal
    device: str = ""
    f_cnt: int | None = None


class Sessions:
    """All sessions by address; several may share one."""

    def __init__(self, sessions: Iterable[Session]) -> None:
        self._by_address: dict[int, list[Session]] = {}
        for session in sessions:
            self._by_address.setdefault(session.dev_addr, []).append(session)

    def is_known(self, dev_addr: int) -> bool:
        """Some session has this address."""
        return dev_addr in self._by_address

    def judge(self, frame: Frame) -> Accepted | Denied:
        """The verdict on a frame; it changes nothing."""
        sessions = self._by_address.get(frame.dev_addr)
        if not sessions:
            return Denied("Unknown")
        for session in sessions:
            for f_cnt in counters(frame.f_cnt16, session.last):
                if frame.is_signed(session.keys.nwk_s_key, f_cnt):
                    missed = 0 if session.last is None else f_cnt - session.last - 1
                    return Accepted(session, frame, f_cnt, missed)
        for session in sessions:
            old = None if session.last is None else past_counter(frame.f_cnt16, session.last)
            if old is not None and frame.is_signed(session.keys.nwk_s_key, old):
                return Denied("Repeat" if old == session.last else "Replay", session.device, old)
        return Denied("Integrity", sessions[0].device)
