"""Where everything that was heard by radio meets: who sent it, whether it is believed, and that it counts once.

    packet of a modem or concentrator ─┬─ LoRaWAN frame of a known address → verdict → wait for copies ─┐
                                       └─ a device that is trusted without keys → its payload ──────────┤→ station
    message of a network server ───────── known device, not seen before ────────────────────────────────┘

Copies of one uplink that several receivers hear within `window_s` become one reading with all their signals. What was
used up is noted before a station gets it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.edge.ticks import Clock
from gateway.lora.counters import CounterBook
from gateway.lora.frame import Frame, NotAFrame, parse
from gateway.lora.heard import Heard, Outcome, PlainDevice, better
from gateway.lora.modems.lines import unhex
from gateway.lora.sessions import Accepted, Denied, Session, Sessions
from gateway.lora.uplinks import DeviceNote, Receiver, TimeTold, UplinkMessage, chosen_time
from gateway.ops.texts import say
from gateway.ports.ticks import SECOND_NS
from gateway.spool.errors import SpoolError

log = logging.getLogger(__name__)

WINDOW_S = 0.2
MOST_PENDING = 4096
_MOST_RECEIVERS = 32
_SHORTEST_HEX = 24


class Station(Protocol):
    """What the hub wants of a device's station."""

    def take(self, uplink: UplinkMessage, missed: int, mono_ns: int, at_ns: int, age_s: float = 0.0) -> str: ...
    def note(self, note: DeviceNote, mono_ns: int, at_ns: int) -> None: ...
    def refuse(self, reason: str) -> None: ...
    def replayed(self, f_cnt: int | None) -> None: ...


@dataclass(slots=True)
class _Pending:
    """An accepted uplink that waits for its copies."""

    accepted: Accepted
    heard: Heard
    receivers: dict[str, Receiver]
    mono_ns: int
    at_ns: int
    timer: asyncio.TimerHandle | None = None


class Hub:
    """Owns the verdicts. Its methods belong to the loop's thread; none of them waits."""

    def __init__(
        self,
        stations: Mapping[str, Station],
        sessions: Iterable[Session],
        book: CounterBook,
        clock: Clock,
        *,
        plain: Iterable[PlainDevice] = (),
        euis: Mapping[str, str] | None = None,
        window_s: float = WINDOW_S,
    ) -> None:
        self.copies: Counter[str] = Counter()
        """Packets that another receiver had heard already, by inlet."""
        self.readings: Counter[str] = Counter()
        """Uplinks that became readings, by the inlet that heard them first."""
        self.failures = 0
        self._stations, self._sessions, self._book, self._clock = stations, Sessions(sessions), book, clock
        self._plain, self._euis, self._window_s = tuple(plain), dict(euis or {}), window_s
        self._pending: dict[tuple[bytes, int], _Pending] = {}
        self.on_outcome: Callable[[Heard | UplinkMessage | DeviceNote, Outcome], None] = lambda heard, outcome: None
        """Is told what became of each thing heard, when that is known."""

    # From modems and concentrators.

    def heard(self, heard: Heard) -> Outcome:
        """A packet from the air. What became of it; one that waits for its copies counts as a reading."""
        try:
            outcome = self._judge(heard)
        except Exception:
            outcome = self._fail(heard.receiver.id)
        self.on_outcome(heard, outcome)
        return outcome

    def _fail(self, receiver: str) -> Outcome:
        """Count and log an exception that is nobody's fault but a program's; the radio goes on."""
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:  # 1st, 2nd, 4th, …
            log.exception("what %s heard was not judged (%d so far)", receiver, self.failures)
        return Outcome("", "Failed", say("station.failed"))

    def _judge(self, heard: Heard) -> Outcome:
        frame, problem = self._frame(heard.data)
        if frame is None or not self._sessions.is_known(frame.dev_addr):
            for plain in self._plain:
                if plain.inlet == heard.inlet and plain.sender in (None, heard.sender):
                    return self._take_plain(plain, heard)
            if frame is None:
                return Outcome("", problem.reason, str(problem))
            return Outcome("", "Unknown", say("lora.unknown_address", dev_addr=f"{frame.dev_addr:08x}"))
        verdict = self._sessions.judge(frame)
        if isinstance(verdict, Denied):
            return self._deny(verdict, heard, frame)
        return self._accept(verdict, heard)

    def _frame(self, data: bytes) -> tuple[Frame | None, NotAFrame]:
        """The LoRaWAN frame in a packet: its bytes, or the bytes that its hexadecimal digits say."""
        try:
            frame = parse(data)
            if self._sessions.is_known(frame.dev_addr):
                return frame, _NO_PROBLEM
        except NotAFrame as problem:
            frame, found = None, problem
        else:
            found = _NO_PROBLEM
        text = data.strip() if len(data) >= _SHORTEST_HEX else b""
        if text and (raw := unhex(text)) is not None:
            try:
                return parse(raw), _NO_PROBLEM
            except NotAFrame as problem:
                found = problem
        return frame, found

    def _deny(self, denied: Denied, heard: Heard, frame: Frame) -> Outcome:
        pending = next((each for each in self._pending.values() if each.accepted.frame.raw == frame.raw), None)
        if denied.reason == "Repeat" and pending is not None:
            if len(pending.receivers) < _MOST_RECEIVERS:
                known = pending.receivers.get(heard.receiver.id)
                pending.receivers[heard.receiver.id] = better(known, heard.receiver)
            self.copies[heard.inlet] += 1
            return Outcome(denied.device, "Copy", say("lora.copy"))
        station = self._stations[denied.device]
        if denied.reason == "Replay":
            station.replayed(denied.f_cnt)
        else:
            station.refuse(denied.reason)
        return Outcome(denied.device, denied.reason, say(f"lora.{denied.reason.lower()}", counter=denied.f_cnt))

    def _accept(self, accepted: Accepted, heard: Heard) -> Outcome:
        session = accepted.session
        session.last = accepted.f_cnt
        mono_ns, at_ns = self._clock.mono_ns(), self._clock.wall_ns()
        pending = _Pending(accepted, heard, {heard.receiver.id: heard.receiver}, mono_ns, at_ns)
        key = (session.identity, accepted.f_cnt)
        if self._window_s <= 0 or len(self._pending) >= MOST_PENDING:
            return self._settle_one(pending)
        self._pending[key] = pending
        loop = asyncio.get_running_loop()
        pending.timer = loop.call_later(self._window_s, self._settle, key)
        return Outcome(session.device)

    def _settle(self, key: tuple[bytes, int]) -> None:
        if (pending := self._pending.pop(key, None)) is not None:
            self._settle_one(pending)

    def _settle_one(self, pending: _Pending) -> Outcome:
        """Note that the counter is used, then hand the uplink on."""
        accepted, heard = pending.accepted, pending.heard
        session, frame = accepted.session, accepted.frame
        try:
            self._book.accept(session.identity, accepted.f_cnt)
        except SpoolError as error:
            log.warning("an uplink of %s is lost, its counter cannot be noted: %s", session.device, error)
            self._stations[session.device].refuse("Unnoted")
            return Outcome(session.device, "Unnoted", str(error))
        self.readings[heard.inlet] += 1
        if frame.f_port in (None, 0):  # MAC commands alone: a sign of life without a payload
            return Outcome(session.device, "NoPayload", say("lora.no_reading"))
        uplink = UplinkMessage(
            accepted.payload,
            dev_addr=f"{frame.dev_addr:08x}",
            f_cnt=accepted.f_cnt,
            f_port=frame.f_port,
            receivers=tuple(pending.receivers.values()),
            spreading_factor=heard.spreading_factor,
            bandwidth_hz=heard.bandwidth_hz,
            frequency_hz=heard.frequency_hz,
            is_confirmed=frame.is_confirmed,
            is_authentic=True,
        )
        why = self._stations[session.device].take(uplink, accepted.missed, pending.mono_ns, pending.at_ns)
        return Outcome(session.device, "Payload" if why else "", why)

    def _take_plain(self, plain: PlainDevice, heard: Heard) -> Outcome:
        payload = (unhex(heard.data.strip()) or b"") if plain.is_hex else heard.data
        uplink = UplinkMessage(
            payload,
            f_port=heard.port,
            receivers=(heard.receiver,),
            spreading_factor=heard.spreading_factor,
            bandwidth_hz=heard.bandwidth_hz,
            frequency_hz=heard.frequency_hz,
        )
        why = self._stations[plain.device].take(uplink, 0, self._clock.mono_ns(), self._clock.wall_ns())
        self.readings[heard.inlet] += not why
        return Outcome(plain.device, "Payload" if why else "", why)

    # From network servers.

    def told(self, inlet: str, message: UplinkMessage | DeviceNote) -> Outcome:
        """A network server's message about a device. What became of it."""
        device = self._euis.get(message.dev_eui.lower())
        if device is None:
            outcome = Outcome("", "Unknown", say("lora.unknown_eui", dev_eui=message.dev_eui))
        elif isinstance(message, DeviceNote):
            self._stations[device].note(message, self._clock.mono_ns(), self._clock.wall_ns())
            outcome = Outcome(device, "Note", f"{message.kind} {message.why}".strip())
        else:
            try:
                outcome = self._take_told(inlet, device, message)
            except Exception:
                outcome = self._fail(inlet)
        self.on_outcome(message, outcome)
        return outcome

    def _take_told(self, inlet: str, device: str, message: UplinkMessage) -> Outcome:
        station, mono_ns, at_ns = self._stations[device], self._clock.mono_ns(), self._clock.wall_ns()
        # Without a key of its own a message is known by its counter and its words: a broker may bring it twice.
        key = message.key or f"{message.dev_eui} {message.dev_addr} {message.f_cnt} {message.payload.hex()}"
        if not self._book.is_new(key):
            station.refuse("Repeat")
            return Outcome(device, "Repeat", say("lora.repeat", counter=message.f_cnt))
        try:
            self._book.accept_key(key)
        except SpoolError as error:
            station.refuse("Unnoted")
            return Outcome(device, "Unnoted", str(error))
        if message.f_port in (None, 0):
            return Outcome(device, "NoPayload", say("lora.no_reading"))
        missed = self._missed(f"{message.dev_eui} {message.dev_addr}", message.f_cnt)
        self.readings[inlet] += 1
        why = station.take(message, missed, mono_ns, at_ns, _age_s(message.times, at_ns))
        return Outcome(device, "Payload" if why else "", why)

    def _missed(self, name: str, f_cnt: int | None) -> int:
        """How many uplinks the server itself did not hear; it has checked the counter, which may begin anew."""
        if f_cnt is None:
            return 0
        identity = self._book.identity(name)
        last = self._book.last(identity)
        if last is None or f_cnt > last or last - f_cnt > _RESTARTED:
            try:
                self._book.accept(identity, f_cnt)
            except SpoolError as error:
                log.warning("a counter cannot be noted: %s", error)
        return f_cnt - last - 1 if last is not None and f_cnt > last else 0

    # Living.

    async def run(self) -> None:
        """Until cancelled; then what waits for copies is handed on at once."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for key, pending in tuple(self._pending.items()):
                if pending.timer is not None:
                    pending.timer.cancel()
                self._settle(key)


_NO_PROBLEM = NotAFrame("length", "")
_RESTARTED = 1000
"""A counter that falls by more began anew; one that falls by less is of a message that came late."""


def _age_s(times: Iterable[TimeTold], at_ns: int) -> float:
    """How long ago a message was sent, as far as its times can be believed."""
    time = chosen_time(times, at_ns)
    return 0.0 if time is None else max(0.0, (at_ns - time.at_ns) / SECOND_NS)
