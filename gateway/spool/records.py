"""The bytes of a spool segment: what a record looks like, and how records are found again in a damaged file.

    segment   "LANNASP" | version (1 byte, = 1) | HEADER | snapshot | the same snapshot again | group | group | …
    snapshot  SETTLED, LOSS, GONE, NOTE records: all that is true when the segment begins | SNAPSHOT
    group     what one commit wrote: ENTRY records in ascending order, then SETTLED, LOSS, GONE, NOTE records

    record    0   2  bytes FF A7
              2   1  kind
              3   1  flags: 01 first record of its group, 80 it is an ENTRY
              4   2  length of the data
              6   2  how many entries of the group follow this one (65535: that many or more)
              8   8  number: of the ENTRY; of the NOTE; the next number to be given for the others
              16  4  CRC-32 of bytes 0 to 15 and the data, begun with the CRC-32 of the spool's id
              20     data

    HEADER    version (1), id (4), serial of the segment (8), wall time of its making in ns (8)
    ENTRY     the caller's bytes
    SETTLED   length of the outlet's name (1), name, interval set: these numbers are settled there
    LOSS      length of the reason (1), reason, interval set: these numbers are lost
    GONE      interval set: settled everywhere and removed from the disk
    NOTE      kind (2), kept until this number is gone (8; 0: for ever), the caller's bytes
    SNAPSHOT  how many records before this one belong to it (4)
    END       the spool was closed in order

All numbers are little-endian. Zeros from the end of a group to the end of its 4096-byte page are filling, zeros
beyond the last group are space allocated ahead. Everything but the entries says only "add this to a set", so records
may be read twice or in any order, and a damaged one costs a repeat, never a mistake. FF does not occur in UTF-8 text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from gateway.spool.files import PAGE, Files

FILE_MARK = b"LANNASP\x01"
MARK = b"\xff\xa7"
VERSION = 1
HEADER, ENTRY, SETTLED, LOSS, GONE, NOTE, SNAPSHOT, END = 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
CONTROL_KINDS = frozenset({HEADER, SETTLED, LOSS, GONE, NOTE, SNAPSHOT, END})
STARTS_GROUP, IS_ENTRY = 0x01, 0x80
HEAD_SIZE = 20
MAX_DATA = 0xFFFF

HEAD = struct.Struct("<2sBBHHQI")
_BARE_HEAD = struct.Struct("<2sBBHHQ")
_CRC = struct.Struct("<I")
_WINDOW = 256 << 10
_ZEROS_IN_DATA = 16
_UNREADABLE = b"\xee" * PAGE


class Control(NamedTuple):
    """A record that is no entry, before it is written."""

    kind: int
    number: int
    data: bytes


class Found(NamedTuple):
    """A record in a file, or (kind 0) a stretch of bytes that is none."""

    kind: int
    flags: int
    left: int
    number: int
    data: bytes
    offset: int
    end: int


def seed_of(spool_id: str) -> int:
    """What the records of this spool begin their CRC with, so that another spool's bytes are never taken for ours."""
    return crc32(bytes.fromhex(spool_id))


def frame_group(entries: list[tuple[int, bytes]], controls: list[Control], seed: int) -> bytes:
    """The bytes of one commit."""
    parts: list[bytes] = []
    flags = STARTS_GROUP
    left = len(entries)
    pack, pack_crc = _BARE_HEAD.pack, _CRC.pack
    for number, data in entries:
        left -= 1
        head = pack(MARK, ENTRY, flags | IS_ENTRY, len(data), min(MAX_DATA, left), number)
        parts += head, pack_crc(crc32(data, crc32(head, seed))), data
        flags = 0
    for kind, number, data in controls:
        head = pack(MARK, kind, flags, len(data), 0, number)
        parts += head, pack_crc(crc32(data, crc32(head, seed))), data
        flags = 0
    return b"".join(parts)


def scan(files: Files, handle: int, size: int, seed: int, start: int = 0) -> Iterator[Found]:
    """All records from `start` on, and between them (kind 0) the stretches that are neither record nor filling.

    Reads a quarter of a megabyte at a time; a page the disk refuses is a damaged one.
    """
    base, buffer, at = start, b"", 0
    bad_from = -1
    unpack, window_end = HEAD.unpack_from, start
    while True:
        if len(buffer) - at < HEAD_SIZE + MAX_DATA and window_end < size:
            more = read_bytes(files, handle, min(_WINDOW, size - window_end), window_end)
            base, buffer, at = base + at, buffer[at:] + more, 0
            window_end += len(more)
        if at >= len(buffer):
            break
        if buffer.startswith(MARK, at) and at + HEAD_SIZE <= len(buffer):
            _, kind, flags, length, left, number, crc = unpack(buffer, at)
            end = at + HEAD_SIZE + length
            if end <= len(buffer):
                data = buffer[at + HEAD_SIZE : end]
                if crc == crc32(data, crc32(buffer[at : at + 16], seed)):
                    if bad_from >= 0:
                        yield Found(0, 0, 0, 0, b"", bad_from, base + at)
                        bad_from = -1
                    yield Found(kind, flags, left, number, data, base + at, base + end)
                    at = end
                    continue
        if bad_from < 0:
            page_end = at + PAGE - (base + at) % PAGE
            if not buffer[at:page_end].strip(b"\0"):
                at = min(page_end, len(buffer))
                continue
            bad_from = base + at
        at = _next_mark(buffer, at + 1, window_end >= size)
    if bad_from >= 0:
        yield Found(0, 0, 0, 0, b"", bad_from, size)


def _next_mark(buffer: bytes, at: int, is_end: bool) -> int:
    found = buffer.find(MARK, at)
    if found >= 0:
        return found
    return len(buffer) if is_end else max(at, len(buffer) - 1)


def read_bytes(files: Files, handle: int, size: int, offset: int) -> bytes:
    """`size` bytes at `offset`; a page the disk refuses reads as garbage, what is beyond the end as zeros."""
    try:
        data = files.read_at(handle, size, offset)
    except OSError:
        if size <= PAGE:
            return _UNREADABLE[:size]
        return b"".join(read_bytes(files, handle, min(PAGE, size - at), offset + at) for at in range(0, size, PAGE))
    # The file may be shorter than it was a moment ago; what is not there counts as filling.
    return data.ljust(size, b"\0")


def numbers_in_rest(rest: bytes, expected: int) -> int:
    """How many entries an unreadable end of the newest segment may have held; `expected` is the first one's number.

    Exact where the heads of its records can still be read, otherwise the most that fit in: a number that may have
    been published is never given twice, and one that is skipped costs nothing.
    """
    end = len(rest.rstrip(b"\0"))
    middle = rest[:end].lstrip(b"\0")
    if len(middle) <= 8 and len(middle) < end:
        return 0  # stray bytes in the middle of filling
    at, number = 0, expected
    while at + HEAD_SIZE <= end:
        mark, kind, flags, length, _, said, _ = HEAD.unpack_from(rest, at)
        following = at + HEAD_SIZE + length
        # The end may have lost some zeros that were data.
        leads_on = rest.startswith(MARK, following) if following < end else following - end <= _ZEROS_IN_DATA
        if not leads_on or (mark != MARK and said != number):
            break
        if not (kind in CONTROL_KINDS and not flags & IS_ENTRY):
            number += 1
        at = following
    rest_size = max(0, end - at)
    return number - expected + (rest_size + HEAD_SIZE - 1) // HEAD_SIZE
