"""Everything a hostile neighbour can send: no reading, no crash, no memory. LANNA_LONG=1 sends 1,000,000 of them."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from gateway.lora.concentrator import ConcentratorInlet
from gateway.lora.frame import build
from gateway.lora.heard import PlainDevice
from gateway.lora.modem import ModemInlet, OnAir
from gateway.lora.modems.ebyte import EbyteReader
from gateway.lora.modems.events import Reader
from gateway.lora.modems.lines import rak811, rak3172, rfm2pi, rn2483
from gateway.lora.modems.reyax import ReyaxReader
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.modems.talk import Manners, Talk
from gateway.lora.receiver import Desk
from tests.lora.radio import Radio, Sender, open_spool

COUNT = 500_000 if os.environ.get("LANNA_LONG") else 3_000
"""Of datagrams, and as many lines."""
HEAD = bytes.fromhex("02123400aa555a0000000101")


class Forger:
    """Frames of somebody who knows the addresses, has heard old frames, and has no key."""

    def __init__(self, senders: list[Sender], seed: int) -> None:
        self.chance = random.Random(seed)
        self.senders = senders
        self.heard = [sender.frame() for sender in senders for _ in range(20)]

    def frame(self) -> bytes:
        chance = self.chance
        kind = chance.randrange(5)
        old = chance.choice(self.heard)
        if kind == 0:  # a wrong key
            sender = chance.choice(self.senders)
            return build(sender.dev_addr, chance.randrange(200), 1, b"\1\2", chance.randbytes(16), chance.randbytes(16))
        if kind == 1:  # played again
            return old
        if kind == 2:  # cut
            return old[: chance.randrange(len(old))]
        if kind == 3:  # a forged code
            return old[:-4] + chance.randbytes(4)
        changed = bytearray(old)
        changed[chance.randrange(5, len(old))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    def datagram(self) -> bytes:
        chance = self.chance
        if chance.random() < 0.3:
            return chance.randbytes(chance.randrange(80))
        said = {"rxpk": [{"stat": 1, "datr": "SF9BW125", "data": base64.b64encode(self.frame()).decode()}]}
        data = bytearray(HEAD + json.dumps(said).encode())
        while chance.random() < 0.4:
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        return bytes(data)

    def line(self) -> bytes:
        chance, digits = self.chance, self.frame().hex().encode()
        data = bytearray(
            chance.choice(
                (
                    b"+RCV=1,%d,%b,-90,5\r\n" % (len(digits), digits),
                    b"+EVT:RXP2P:-60:11:%b\r\n" % digits,
                    b"+EVT:RXP2P, RSSI -54, SNR 12\r\n+EVT:%b\r\n" % digits,
                    b"radio_rx  %b\r\n" % digits,
                    b"at+recv=1,-65,6,%d:%b\r\n" % (len(digits) // 2, digits),
                    b"OK 5 %b (-70)\r\n" % b" ".join(b"%d" % byte for byte in self.frame()),
                    chance.randbytes(chance.randrange(200)),
                )
            )
        )
        while data and chance.random() < 0.4:
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        return bytes(data)


def readers() -> Iterator[Reader]:
    yield ReyaxReader()
    yield from (rak3172(), rak811(), rn2483(), rfm2pi())
    yield EbyteReader(RadioSettings())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_million_datagrams_and_lines_make_no_reading(tmp_path: Path) -> None:
    senders = [Sender(n) for n in range(1, 21)]
    forger = Forger(senders, seed=1)
    spool = open_spool(tmp_path / "spool")
    radio = Radio(spool, senders, plain=(PlainDevice("open", "no-such-receiver"),))
    for frame in forger.heard:
        assert radio.hear(frame).refusal == ""
    honest = len(radio.reports)
    tower = ConcentratorInlet(Desk("tower", radio.hub, lambda *_: None), "127.0.0.1", 0, radio.clock)
    modems = [
        ModemInlet(
            Desk(f"modem-{number}", radio.hub, lambda *_: None), Talk(reader, Manners(())), None, radio.clock, OnAir()
        )  # type: ignore[arg-type]
        for number, reader in enumerate(readers())
    ]
    before = 0
    for number in range(COUNT):
        if number == COUNT // 4:  # every table has its size by now
            before = resident_bytes()
        radio.clock.mono += 10_000_000
        tower.take(forger.datagram(), f"10.0.{number % 7}.{number % 251}")
        inlet = modems[number % len(modems)]
        for event in (*inlet._dialogue.feed(forger.line()).events, *inlet._dialogue.on_timeout().events):
            inlet._hear(event)
    assert len(radio.reports) == honest
    assert resident_bytes() - before < 4 << 20
    refused = tower.desk.refused.total() + sum(inlet.desk.refused.total() for inlet in modems)
    assert refused > COUNT / 2
    assert {"Integrity", "Replay", "Repeat", "Unknown", "length", "json", "version"} <= set(tower.desk.refused)
    assert all(station.counters.failures == 0 for station in radio.stations.values())
    good = senders[0].frame()
    assert radio.hear(good).refusal == ""  # and the honest are still heard
    spool.release()
