"""A hub with devices of its own, a spool that may be killed, and a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from drivers.core.contract import Decoded, Driver, FixedBits, Line, Options, Telling, Uplink
from gateway.edge.station import DeviceSpec, Report
from gateway.lora.counters import CounterBook
from gateway.lora.frame import build
from gateway.lora.heard import Heard, Outcome, PlainDevice
from gateway.lora.hub import Hub
from gateway.lora.keys import Keys
from gateway.lora.sessions import Session
from gateway.lora.station import RadioStation
from gateway.lora.uplinks import Receiver
from gateway.ports.ticks import SECOND_NS
from gateway.spool.spool import Spool

START_NS = 1_790_000_000 * SECOND_NS


class StillClock:
    """Wall and monotonic time as the test says."""

    def __init__(self) -> None:
        self.mono = 1000 * SECOND_NS

    def mono_ns(self) -> int:
        return self.mono

    def wall_ns(self) -> int:
        return START_NS + self.mono

    async def sleep_until(self, mono_ns: int) -> None:
        while self.mono < mono_ns:
            await asyncio.sleep(0.001)


def decode(payload: bytes, f_port: int | None, options: Options) -> tuple[Telling, ...]:
    """A level in millimetres; port 2: a record an hour old, and one of a given time."""
    if len(payload) != 2:
        raise FixedBits("two bytes")
    decoded = Decoded({"distance": int.from_bytes(payload, "big") / 1000})
    if f_port == 2:
        return (Telling(decoded, age_s=3600.0), Telling(decoded, at_ns=START_NS), Telling(decoded))
    return (Telling(decoded),) if f_port != 5 else ()


GAUGE = Driver(
    name="test-gauge",
    title="a gauge",
    device_class="water",
    models=(),
    kind=Uplink(decode, 1),
    quantities=("distance",),
    line=Line(),
    sources=(),
    silence_s=3600.0,
)


class Sender:
    """A device with keys, and its counter."""

    def __init__(self, number: int, f_cnt: int = 0) -> None:
        self.name, self.dev_addr = f"gauge-{number}", 0x01000000 + number
        self.keys = Keys(bytes([number]) * 16, bytes([number + 100]) * 16)
        self.f_cnt = f_cnt

    def frame(self, f_port: int = 1, payload: bytes = b"\x07\xd0") -> bytes:
        """The next uplink."""
        made = build(self.dev_addr, self.f_cnt, f_port, payload, self.keys.nwk_s_key, self.keys.app_s_key)
        self.f_cnt += 1
        return made

    @property
    def session(self) -> Session:
        return Session(self.name, self.dev_addr, self.keys)


class Radio:
    """A hub that is fed by hand; `reports` and `events` are what it handed on."""

    def __init__(
        self, spool: Spool, senders: list[Sender], *, window_s: float = 0.0, plain: tuple[PlainDevice, ...] = ()
    ) -> None:
        self.clock = StillClock()
        self.reports: list[Report] = []
        self.states: list[tuple[str, str, str]] = []
        self.events: list[tuple[str, str, Mapping[str, object]]] = []
        names = [*(sender.name for sender in senders), *(each.device for each in plain)]
        self.stations = {
            name: RadioStation(
                DeviceSpec(name, silence_s=60.0),
                GAUGE,
                self.clock,
                self.emit,
                lambda *state: self.states.append(state),
                lambda *event: self.events.append(event),
            )
            for name in names
        }
        sessions = {sender.name: sender.session for sender in senders}
        self.book = CounterBook(
            spool,
            [session.identity for session in sessions.values()],
            lambda device: sessions[device].identity if device in sessions else None,
        )
        for session in sessions.values():
            session.last = self.book.last(session.identity)
        euis = {f"{sender.dev_addr:016x}": sender.name for sender in senders}
        self.hub = Hub(
            self.stations, sessions.values(), self.book, self.clock, plain=plain, euis=euis, window_s=window_s
        )

    def emit(self, report: Report) -> None:
        self.reports.append(report)

    def hear(self, data: bytes, receiver: str = "roof", inlet: str = "roof", **more: float) -> Outcome:
        return self.hub.heard(
            Heard(inlet, Receiver(receiver, more.get("rssi"), more.get("snr")), data, spreading_factor=9)
        )


def open_spool(path: Path) -> Spool:
    return Spool.open(path, outlets=["main"], max_bytes=1 << 22, window_s=0.0)
