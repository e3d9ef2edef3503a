"""The LoRaWAN 1.0.x frame (TS001 sections 4 and 6.2.5), uplinks only.

    data frame     MHDR 1 | DevAddr 4 | FCtrl 1 | FCnt 2 | FOpts 0-15 | FPort 0-1 | FRMPayload | MIC 4     at least 12
    join request   MHDR 1 | JoinEUI 8 | DevEUI 8 | DevNonce 2 | MIC 4                                       exactly 23
    MHDR           type in bits 7-5 (0 join request, 2 unconfirmed up, 4 confirmed up), major in bits 1-0, 0
    FCtrl          80 ADR, 40 ADRACKReq, 20 ACK, 10 class B, 0F length of FOpts

All numbers little-endian. MIC = first 4 bytes of AES-CMAC(NwkSKey, B0 | message), with
B0 = 49 00000000 00 DevAddr FCnt32 00 length. FRMPayload = AES-CTR from the block 01 00000000 00 DevAddr FCnt32 00 01,
with AppSKey, or with NwkSKey where FPort is 0. FCnt32 is not on the air: only its low half is.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.lora.aes import cmac, ctr

SHORTEST, LONGEST = 12, 255
JOIN_BYTES = 23
MIC_BYTES = 4
FIRST_HIGHS = 64
"""Of a device never heard before the counter may have wrapped so often (4 million uplinks)."""

Why = Literal["length", "major", "mtype", "join", "ports"]

_HEAD = struct.Struct("<BIBH")
_BLOCK = struct.Struct("<BIBIIBB")
_UNCONFIRMED, _CONFIRMED, _JOIN = 2, 4, 0
_NAMES = ("join request", "join accept", "", "data down", "", "data down", "rejoin request", "proprietary")


class NotAFrame(Exception):
    """Bytes that are no LoRaWAN uplink with data. `reason` is counted, the message is for people."""

    def __init__(self, reason: Why, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Frame:
    """A data frame as it came, nothing verified. `payload` is still encrypted; `f_port` None: there is none."""

    raw: bytes
    is_confirmed: bool
    dev_addr: int
    f_ctrl: int
    f_cnt16: int
    f_opts: bytes
    f_port: int | None
    payload: bytes

    @property
    def mic(self) -> bytes:
        """Its last four bytes."""
        return self.raw[-MIC_BYTES:]

    def is_signed(self, nwk_s_key: bytes, f_cnt: int) -> bool:
        """The MIC holds under this key and this 32-bit counter."""
        return hmac.compare_digest(self.mic, mic(nwk_s_key, self.dev_addr, f_cnt, self.raw[:-MIC_BYTES]))

    def plain(self, nwk_s_key: bytes, app_s_key: bytes, f_cnt: int) -> bytes:
        """The payload in the clear."""
        return crypt(nwk_s_key if self.f_port == 0 else app_s_key, self.dev_addr, f_cnt, self.payload)


def parse(raw: bytes) -> Frame:
    """A data frame of an uplink. Raises NotAFrame."""
    if not raw:
        raise NotAFrame("length", "no bytes")
    kind, major = raw[0] >> 5, raw[0] & 3
    if major:
        raise NotAFrame("major", f"major version {major}; there is only 0")
    if kind == _JOIN and len(raw) == JOIN_BYTES:
        raise NotAFrame("join", f"device {raw[16:8:-1].hex()} asks to join: OTAA needs a network server")
    if kind not in (_UNCONFIRMED, _CONFIRMED):
        raise NotAFrame("mtype", f"message type {kind} ({_NAMES[kind]}) is no uplink with data")
    if not SHORTEST <= len(raw) <= LONGEST:
        raise NotAFrame("length", f"{len(raw)} bytes; a data frame has {SHORTEST} to {LONGEST}")
    _, dev_addr, f_ctrl, f_cnt16 = _HEAD.unpack_from(raw)
    end, body = len(raw) - MIC_BYTES, _HEAD.size + (f_ctrl & 15)
    if body > end:
        raise NotAFrame("length", f"options of {f_ctrl & 15} bytes do not fit in {len(raw)}")
    f_port = raw[body] if body < end else None
    f_opts = raw[_HEAD.size : body]
    if f_port == 0 and f_opts:
        raise NotAFrame("ports", "MAC commands in FOpts and on port 0 at once")
    return Frame(raw, kind == _CONFIRMED, dev_addr, f_ctrl, f_cnt16, f_opts, f_port, raw[body + 1 : end])


def counters(f_cnt16: int, last: int | None) -> Iterator[int]:
    """The 32-bit counters that a frame may have after `last` (None: never heard), most likely first."""
    if last is None:
        yield from (high << 16 | f_cnt16 for high in range(FIRST_HIGHS))
        return
    counter = last & ~0xFFFF | f_cnt16
    counter += 0x10000 * (counter <= last)
    if counter < 1 << 32:
        yield counter


def past_counter(f_cnt16: int, last: int) -> int | None:
    """The highest counter not above `last` that the frame may have had: that of a repeat or a replay."""
    counter = last & ~0xFFFF | f_cnt16
    counter -= 0x10000 * (counter > last)
    return counter if counter >= 0 else None


def mic(nwk_s_key: bytes, dev_addr: int, f_cnt: int, message: bytes) -> bytes:
    """The message integrity code of an uplink, 4 bytes."""
    return cmac(nwk_s_key, _BLOCK.pack(0x49, 0, 0, dev_addr, f_cnt, 0, len(message)) + message)[:MIC_BYTES]


def crypt(key: bytes, dev_addr: int, f_cnt: int, data: bytes) -> bytes:
    """An uplink's payload encrypted, or decrypted: it is the same."""
    return ctr(key, _BLOCK.pack(0x01, 0, 0, dev_addr, f_cnt, 0, 1), data) if data else b""


def build(dev_addr: int, f_cnt: int, f_port: int, payload: bytes, nwk_s_key: bytes, app_s_key: bytes) -> bytes:
    """The unconfirmed data frame that a device sends."""
    body = crypt(app_s_key if f_port else nwk_s_key, dev_addr, f_cnt, payload)
    message = _HEAD.pack(_UNCONFIRMED << 5, dev_addr, 0, f_cnt & 0xFFFF) + bytes([f_port]) + body
    return message + mic(nwk_s_key, dev_addr, f_cnt, message)
