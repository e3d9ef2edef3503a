"""LoRa modems that are not there: they take their commands on a pty as the real ones do, and tell what the air brings.

What they were told is their own: one that was reset has forgotten it, and hears nothing until it is set up again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from .pty import Cable
from .radio_sender import Air, OnAir, RadioSender

Kind = Literal["rylr998", "rak3172", "rak3172-legacy", "rn2483", "e22"]

_LOOK_S = 0.02
_CALM_S = 0.5
"""For the host to take what was said last."""


class Modem:
    """The modem's side of the dialogue; pure. `heard` makes the line of a packet, b"" while it does not listen."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.settings: dict[str, str] = {}
        self.is_listening = False
        self.is_in_configuration = kind == "e22"
        self._held = b""

    def reset(self) -> bytes:
        """Power comes back: everything is forgotten; what it says at its start."""
        self.settings, self.is_listening, self._held = {}, False, b""
        return {"rylr998": b"+READY\r\n", "rn2483": b"RN2483 1.0.5 Oct 31 2018 15:06:52\r\n"}.get(
            self.kind, b"RAKwireless RAK3172\r\nCurrent Work Mode: LoRa P2P.\r\n" if "rak" in self.kind else b""
        )

    def feed(self, data: bytes) -> bytes:
        """What it answers to bytes of the host."""
        if self.kind == "e22":
            return self._registers(data)
        *lines, self._held = (self._held + data).split(b"\n")
        return b"".join(self._answer(line.decode("ascii", "replace").strip()) for line in lines)

    def _registers(self, data: bytes) -> bytes:
        if not self.is_in_configuration or not data.startswith(b"\xc0"):
            return b""
        self.settings["registers"], self.is_in_configuration, self.is_listening = data[3:].hex(), False, True
        return b"\xc1" + data[1:]

    def _answer(self, line: str) -> bytes:
        answer = {"rylr998": self._reyax, "rn2483": self._microchip}.get(self.kind, self._rak)(line)
        return b"".join(each.encode() + b"\r\n" for each in answer)

    def _reyax(self, line: str) -> Sequence[str]:
        if found := re.fullmatch(r"AT\+(\w+)=(.*)", line):
            name, value = found.groups()
            if name == "NETWORKID" and not (3 <= int(value) <= 15 or value == "18"):
                return ["+ERR=4"]
            self.settings[name] = value
            self.is_listening = {"BAND", "PARAMETER", "NETWORKID"} <= set(self.settings)
            return ["+OK"]
        if found := re.fullmatch(r"AT\+(\w+)\?", line):
            return [f"+{found[1]}={self.settings.get(found[1], '0')}"]
        return ["+OK"] if line == "AT" else ["+ERR=4"]

    def _rak(self, line: str) -> Sequence[str]:
        is_old = self.kind == "rak3172-legacy"
        if found := re.fullmatch(r"AT\+(\w+)=\?", line):
            return [("" if is_old else f"AT+{found[1]}=") + self.settings.get(found[1], "1"), "OK"]
        if found := re.fullmatch(r"AT\+(\w+)=(.+)", line):
            name, value = found.groups()
            if is_old and (name == "SYNCWORD" or value == "65534"):
                return ["AT_PARAM_ERROR"]
            self.settings[name] = value
            if name == "PRECV":
                self.is_listening = value != "0" and {"P2P", "NWM"} <= set(self.settings)
            return ["OK"]
        return ["OK"] if line == "AT" else ["AT_ERROR"]

    def _microchip(self, line: str) -> Sequence[str]:
        if line == "mac pause":
            return ["4294967245"]
        if found := re.fullmatch(r"radio set (\w+) (\w[\w/]*)", line):
            self.settings[found[1]] = found[2]
            return ["ok"]
        if found := re.fullmatch(r"radio get (\w+)", line):
            return [self.settings.get(found[1], "0")]
        if line == "radio rx 0":
            is_busy, self.is_listening = self.is_listening, "freq" in self.settings
            return ["busy"] if is_busy else ["ok"] if self.is_listening else ["invalid_param"]
        return ["ok"] if line == "radio rxstop" else ["invalid_param"]

    def heard(self, packet: OnAir, sender: int = 1) -> bytes:
        """A packet has come from the air."""
        if not self.is_listening or not packet.data:
            return b""
        digits, rssi, snr = packet.data.hex().upper().encode(), packet.rssi, packet.snr
        if self.kind == "rylr998":  # its packets are text
            return b"+RCV=%d,%d,%b,%d,%d\r\n" % (sender, len(digits), digits, rssi, snr)
        if self.kind == "rak3172":
            return b"+EVT:RXP2P:%d:%d:%b\r\n" % (rssi, snr, digits)
        if self.kind == "rak3172-legacy":
            self.is_listening = False  # until it is told again
            return b"+EVT:RXP2P, RSSI %d, SNR %d\r\n+EVT:%b\r\n" % (rssi, snr, digits)
        if self.kind == "rn2483":
            self.is_listening = False
            return b"radio_rx  %b\r\n" % digits
        return packet.data + bytes([256 + rssi])


class SimulatedModem:
    """A modem on a pty, and the senders around it. `run` keeps them going until cancelled."""

    def __init__(
        self,
        kind: Kind,
        airs: Sequence[Air],
        *,
        link: Path | None = None,
        period_s: float = 1.0,
        most: int = 0,
        on_air: Callable[[OnAir], None] = lambda packet: None,
    ) -> None:
        self.modem = Modem(kind)
        self.airs = tuple(airs)
        self.period_s = period_s
        self._most = most
        self._on_air = on_air
        self._cable = Cable(self._on_bytes, lambda: None, link)

    @property
    def path(self) -> str:
        """What the host opens."""
        return self._cable.path

    @property
    def devices(self) -> tuple[RadioSender, ...]:
        """The senders."""
        return tuple(air.sender for air in self.airs)

    @property
    def owed(self) -> int:
        """Readings that the host was given."""
        return sum(sender.owed for sender in self.devices)

    def reset(self) -> None:
        """The modem loses its power and gets it back."""
        self._cable.write(self.modem.reset())

    def _on_bytes(self, data: bytes) -> None:
        answer = self.modem.feed(data)
        if answer:
            self._cable.write(answer)

    def play(self) -> bool:
        """One uplink of each sender, if the modem listens and somebody has its line open."""
        if not self._cable.is_open() or not self.modem.is_listening:
            return False
        for air in self.airs:
            if not air.sender.is_mute:
                for packet in air.next():
                    self._on_air(packet)
                    if not self._cable.write(self.modem.heard(packet)) and packet.is_new:
                        air.sender.owed -= 1  # the modem was not listening any more
        return True

    async def run(self) -> None:
        """Answer and play until cancelled, or until each sender sent `most` uplinks; then the cable is gone."""
        try:
            due = asyncio.get_running_loop().time()
            while not self._most or any(air.sent < self._most for air in self.airs):
                self._cable.start_reading()
                now = asyncio.get_running_loop().time()
                if now >= due and self.play():
                    due = now + self.period_s
                await asyncio.sleep(min(_LOOK_S, max(0.0, due - now)) if due > now else _LOOK_S)
            await asyncio.sleep(_CALM_S)
        finally:
            self._cable.unplug()
