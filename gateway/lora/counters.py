"""The frame counters that were accepted, kept as notes of the spool.

A counter's note is made before its reading is appended, so it is durable with the very commit that makes the reading
durable, or before: killed at any moment, the node has accepted both or neither, and nothing was published that a
restart could accept again. Where a power cut tears that commit apart, the readings that it left tell their counters.

    note of kind 4C40 … 4C47    next number of the spool (8) | identity (4) | counter (4) | identity | counter | …
    note of kind 4C48           8 bytes of each of the last 400 messages of network servers

All little-endian. The identity is made of address and key: new keys begin a new count.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.spool.state import LATEST
from gateway.wire.entry import unpack

COUNTERS_NOTE, KEYS_NOTE = 0x4C40, 0x4C48
SHARDS = 8
MOST_IN_SHARD = 500
KEPT_KEYS = 400

_NEXT, _SLOT = struct.Struct("<Q"), struct.Struct("<4sI")
_KEY_BYTES = 8
IDENTITY_BYTES = 4
_LOOK_BACK = 5000


class Notes(Protocol):
    """The part of the spool that is needed here."""

    @property
    def next(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def committed(self) -> int: ...
    def note(self, kind: int, data: bytes, until: int = ...) -> int: ...
    def notes(self) -> list[tuple[int, bytes]]: ...
    def read(self, first: int, last: int, limit_bytes: int = ...) -> list[tuple[int, bytes]]: ...


class CounterBook:
    """What was accepted last, by identity. `known` are those of the configuration: others give way first. `identify`
    gives the identity of a device's session."""

    def __init__(
        self, notes: Notes, known: Iterable[bytes] = (), identify: Callable[[str], bytes | None] | None = None
    ) -> None:
        self._notes, self._known = notes, frozenset(known)
        self._shards: list[dict[bytes, int]] = [{} for _ in range(SHARDS)]
        self._keys: dict[bytes, None] = {}
        """The last messages of network servers, oldest first."""
        self._upto = 0
        for kind, data in notes.notes():
            if COUNTERS_NOTE <= kind < COUNTERS_NOTE + SHARDS:
                self._read_counters(data)
            elif kind == KEYS_NOTE:
                self._keys = dict.fromkeys(data[at : at + _KEY_BYTES] for at in range(0, len(data), _KEY_BYTES))
        if identify is not None and self._upto:
            self._look_back(identify)

    def last(self, identity: bytes) -> int | None:
        """The highest counter accepted of this identity; None where none was."""
        return self._shards[identity[0] % SHARDS].get(identity)

    @staticmethod
    def identity(name: str) -> bytes:
        """What the counter of a device without keys here is kept under."""
        return _digest(name)[:IDENTITY_BYTES]

    def accept(self, identity: bytes, counter: int) -> None:
        """This counter is used up, durably with the next commit. Raises SpoolError."""
        number = identity[0] % SHARDS
        shard = self._shards[number]
        shard.pop(identity, None)
        if len(shard) >= MOST_IN_SHARD:
            del shard[next((each for each in shard if each not in self._known), next(iter(shard)))]
        shard[identity] = counter
        slots = b"".join(_SLOT.pack(*each) for each in shard.items())
        self._notes.note(COUNTERS_NOTE + number, _NEXT.pack(self._notes.next) + slots, LATEST)

    def is_new(self, key: str) -> bool:
        """No message of a network server with this key was accepted lately."""
        return _digest(key) not in self._keys

    def accept_key(self, key: str) -> None:
        """This message is used up, durably with the next commit. Raises SpoolError."""
        self._keys[_digest(key)] = None
        while len(self._keys) > KEPT_KEYS:
            del self._keys[next(iter(self._keys))]
        self._notes.note(KEYS_NOTE, b"".join(self._keys), LATEST)

    def _read_counters(self, data: bytes) -> None:
        if len(data) < _NEXT.size or (len(data) - _NEXT.size) % _SLOT.size:
            return
        self._upto = max(self._upto, *_NEXT.unpack_from(data))
        for identity, counter in _SLOT.iter_unpack(data[_NEXT.size :]):
            self._raise_to(identity, counter)

    def _raise_to(self, identity: bytes, counter: int) -> None:
        shard = self._shards[identity[0] % SHARDS]
        shard[identity] = max(counter, shard.get(identity, 0))

    def _look_back(self, identify: Callable[[str], bytes | None]) -> None:
        """Readings with a number that no note knows of: their notes were torn off in a power cut."""
        first, last = max(self._upto, self._notes.first, self._notes.committed - _LOOK_BACK), self._notes.committed
        while first <= last and (found := self._notes.read(first, last)):
            for _, data in found:
                try:
                    entry = unpack(data)
                except ValueError:
                    continue
                identity = identify(entry.device)
                if identity is not None and "frame_counter" in entry.v:
                    self._raise_to(identity, int(entry.v["frame_counter"]))
            first = found[-1][0] + 1


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
