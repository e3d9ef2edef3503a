"""Radio devices that are not there: senders with keys and a counter, and the air between them and a receiver."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.core.contract import Driver, Rejection, Uplink
from gateway.lora.frame import build
from gateway.lora.keys import Keys


class RadioSender:
    """One device: its instrument's payload in a LoRaWAN frame under its keys, one counter after the other."""

    def __init__(self, name: str, driver: Driver, dev_addr: int, keys: Keys, *, seed: int = 0, f_cnt: int = 0) -> None:
        if driver.simulate is None or not isinstance(driver.kind, Uplink):
            raise ValueError(f"{driver.name} has no simulated radio device")
        self.name, self.driver, self.dev_addr, self.keys, self.f_cnt = name, driver, dev_addr, keys, f_cnt
        self.is_mute = False
        self.owed = 0
        """Readings that a receiver must find in what it was given."""
        self._kind = driver.kind
        self._instrument = driver.simulate(seed, 1)

    def payload(self) -> bytes:
        """What its instrument tells now."""
        return self._instrument.tick(time.time())

    def frame(self) -> tuple[bytes, int]:
        """The next uplink, and how many readings are in it."""
        payload, f_port, f_cnt, readings = self.told()
        return build(self.dev_addr, f_cnt, f_port, payload, self.keys.nwk_s_key, self.keys.app_s_key), readings

    def told(self) -> tuple[bytes, int, int, int]:
        """The next uplink as a network server tells it: payload, port, counter; and how many readings are in it."""
        payload, f_port, f_cnt = self.payload(), self._kind.fport, self.f_cnt
        self.f_cnt += 1
        options = {name: option.default for name, option in self.driver.options.items()}
        try:
            return payload, f_port, f_cnt, len(self._kind.decode(payload, f_port, options))
        except Rejection:
            return payload, f_port, f_cnt, 0


@dataclass(frozen=True, slots=True)
class Weather:
    """What becomes of uplinks, each with a probability: lost, heard twice, followed by an old one, by one of a stranger
    who has the address but not the keys, by one with a bit flipped, or by one that is cut.
    """

    loss: float = 0.0
    copy: float = 0.0
    replay: float = 0.0
    wrong_key: float = 0.0
    flip: float = 0.0
    cut: float = 0.0


@dataclass(frozen=True, slots=True)
class OnAir:
    """One packet that reaches receivers: `is_new` where it is heard for the first time and must become a reading."""

    data: bytes
    is_new: bool
    rssi: int
    snr: int


class Air:
    """Plays the traffic of one sender through the weather; the same seed plays the same."""

    def __init__(self, sender: RadioSender, weather: Weather, seed: int = 0) -> None:
        self.sender, self._weather, self._chance = sender, weather, random.Random(seed)
        self.sent = self.lost = 0
        self._old: list[bytes] = []
        self._old_messages: list[tuple[str, bytes]] = []
        self._stranger = Keys(self._chance.randbytes(16), self._chance.randbytes(16))

    def next(self) -> list[OnAir]:
        """What receivers hear of the next uplink; the sender's `owed` grows by its readings where they hear it."""
        chance, weather = self._chance, self._weather
        frame, readings = self.sender.frame()
        self.sent += 1
        self._old = [*self._old[-20:], frame]
        heard: list[OnAir] = []
        if chance.random() < weather.loss:
            self.lost += 1
        else:
            heard.append(self._on_air(frame, is_new=True))
            self.sender.owed += readings
            if chance.random() < weather.copy:
                heard.append(self._on_air(frame))
        happened: tuple[tuple[float, Callable[[], bytes]], ...] = (
            (weather.replay, lambda: chance.choice(self._old[:-1] or [b""])),
            (weather.wrong_key, self._forged),
            (weather.flip, lambda: _flipped(frame, chance)),
            (weather.cut, lambda: frame[: chance.randrange(1, len(frame))]),
        )
        heard += [self._on_air(data) for share, make in happened if chance.random() < share and (data := make())]
        return heard

    def told(self, make: Callable[[], tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """A network server's messages about the next uplink, which `make` makes: it may be lost, come twice, and an old
        one may come again. A server checks codes itself."""
        chance, weather = self._chance, self._weather
        owed, message = self.sender.owed, make()
        self.sent += 1
        self._old_messages = [*self._old_messages[-20:], message]
        if chance.random() < weather.loss:
            self.lost, self.sender.owed = self.lost + 1, owed
            self._old_messages.pop()
            return []
        found = [message] * (1 + (chance.random() < weather.copy))
        return found + [chance.choice(self._old_messages)] * (chance.random() < weather.replay)

    def _forged(self) -> bytes:
        sender, keys = self.sender, self._stranger
        f_cnt = sender.f_cnt + self._chance.randrange(9)
        return build(sender.dev_addr, f_cnt, 1, b"\0", keys.nwk_s_key, keys.app_s_key)

    def _on_air(self, data: bytes, *, is_new: bool = False) -> OnAir:
        return OnAir(data, is_new, self._chance.randint(-118, -70), self._chance.randint(-12, 9))


def _flipped(frame: bytes, chance: random.Random) -> bytes:
    changed = bytearray(frame)
    changed[chance.randrange(5, len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)
