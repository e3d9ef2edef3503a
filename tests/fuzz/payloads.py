"""Random and damaged radio payloads and network servers' messages: `python -m tests.fuzz.payloads 1e6`.

Nothing but refusals may be raised, and memory stays flat. A payload has no check of its own, so some become readings:
how many is printed. Messages that are damaged stay mostly JSON, so that what is behind the parser is reached too.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

from drivers.core.contract import Driver, Rejection, Uplink
from drivers.core.registry import built_in
from drivers.core.vectors import of_driver
from gateway.lora import chirpstack, things_stack
from gateway.lora.uplinks import Refused, UplinkMessage
from tests.fuzz.noise import _resident
from tests.lora.vectors import vectors

FLAT_BYTES = 4_000_000
_PORTS = (None, 1, 2, 3, 5, 6, 7, 10, 85, 100, 223)
_BITS_OF_JSON = (b"", b'"', b"0", b"-", b"e9", b"[]", b"null", b"{}", b"99999999999", b"\xff")


def decoders() -> Iterator[tuple[str, Driver]]:
    """Every driver whose payloads come by radio and that has vectors."""
    for name, driver in built_in().items():
        if isinstance(driver.kind, Uplink) and driver.vectors is not None:
            yield name, driver


def damaged(good: bytes, dice: random.Random, bits: tuple[bytes, ...] = ()) -> bytes:
    """Some bytes taken out, changed or put in; now and then nothing of it is left."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.randrange(243))
    data = bytearray(good)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data) + 1)
        data[at : at + dice.randrange(4)] = dice.choice(bits) if bits else dice.randbytes(dice.randrange(4))
    return bytes(data)


def fuzz_payloads(driver: Driver, count: int, seed: int = 1) -> Counter[str]:
    """What became of so many payloads, by reason; what is no `Rejection` is raised."""
    assert isinstance(driver.kind, Uplink)
    dice, cases, told = random.Random(seed), of_driver(driver).vectors, Counter[str]()
    for _ in range(count):
        case = dice.choice(cases)
        try:
            found = driver.kind.decode(damaged(case.data, dice), dice.choice(_PORTS), case.options)
            told["reading" if found else "nothing"] += 1
        except Rejection as refusal:
            told[refusal.reason] += 1
    return told


def fuzz_messages(count: int, seed: int = 1) -> Counter[str]:
    """What became of so many messages of network servers, by reason; what is no `Refused` is raised."""
    dice, told = random.Random(seed), Counter[str]()
    good = [
        (vector["topic"], parse, message_of(vector))
        for name, parse in (("chirpstack-v4", chirpstack.parse), ("tts-v3", things_stack.parse))
        for vector in vectors(name)
        if "json" in vector
    ]
    for _ in range(count):
        topic, parse, data = dice.choice(good)
        try:
            found = parse(topic, damaged(data, dice, _BITS_OF_JSON))
            told["uplink" if isinstance(found, UplinkMessage) else "note"] += 1
        except Refused as refusal:
            told[refusal.reason] += 1
    return told


def message_of(vector: dict[str, object]) -> bytes:
    """The message of a vector."""
    return json.dumps(vector["json"]).encode()


def main(count: int) -> int:
    """A line for each decoder and one for the servers; 1 where the process grew."""
    base, bad = 0, 0
    for name, driver in decoders():
        fuzz_payloads(driver, 200)
        base, began = _resident(), time.monotonic()
        told = fuzz_payloads(driver, count)
        grown = _resident() - base
        bad += grown > FLAT_BYTES
        print(f"{name:28} {dict(told)} grown {grown / 1000:.0f} kB {time.monotonic() - began:.0f} s", flush=True)
    fuzz_messages(200)
    base = _resident()
    print(f"{'messages':28} {dict(fuzz_messages(count))} grown {(_resident() - base) / 1000:.0f} kB")
    bad += _resident() - base > FLAT_BYTES
    print("no exception, memory flat" if not bad else f"{bad} grew")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000))
