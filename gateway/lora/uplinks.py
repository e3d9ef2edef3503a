"""What a LoRa inlet tells, whoever heard it: an uplink, a note about a device or a gateway, or a refusal.

Plain values, no clock and no network: network servers' messages, a concentrator's and a modem's frames all end here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Told = Literal["gateway", "server", "either"]
"""Whose clock a time is of. `either`: the network server gave its gateway's where that had one, else its own."""

Refusal = Literal["encoding", "json", "size", "topic", "version", "field", "time", "base64", "simulated", "crc"]
"""Why a message is no uplink; becomes a counter."""

SECOND = 1_000_000_000
_LOUD_ENOUGH_DB = 5.0
"""Above this a demodulator's SNR says little about the way; strength then decides."""


class Refused(Exception):
    """A message of a network server that is neither uplink nor note. `reason` is counted, the message is for people."""

    def __init__(self, reason: Refusal, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Receiver:
    """One gateway that heard an uplink. What it did not say is None: 0 is a value."""

    id: str
    rssi: float | None = None
    snr: float | None = None


@dataclass(frozen=True, slots=True)
class TimeTold:
    """A time that came with an uplink, ns since the epoch."""

    at_ns: int
    by: Told


@dataclass(frozen=True, slots=True)
class UplinkMessage:
    """One uplink of one device, its payload in the clear.

    `dev_eui` and `dev_addr` are lower-case hex, most significant byte first, "" where unknown; `f_cnt` counts in 32
    bits where who told it does. `f_port` is None where there was no application payload or no LoRaWAN. `key` is the
    same for every copy of one uplink; "" where nobody told one. `is_authentic`: a MIC was checked, here or elsewhere.
    """

    payload: bytes
    dev_eui: str = ""
    dev_addr: str = ""
    f_cnt: int | None = None
    f_port: int | None = None
    times: tuple[TimeTold, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    frequency_hz: int | None = None
    key: str = ""
    device_name: str = ""
    is_confirmed: bool = False
    is_authentic: bool = False

    @property
    def best(self) -> Receiver | None:
        """The gateway that heard it best."""
        return best(self.receivers)

    def signal(self) -> dict[str, float]:
        """rssi, snr, spreading_factor and frame_counter, as far as they are known."""
        heard = self.best
        told = {
            "rssi": heard.rssi if heard else None,
            "snr": heard.snr if heard else None,
            "spreading_factor": self.spreading_factor,
            "frame_counter": self.f_cnt,
        }
        return {name: float(value) for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class DeviceNote:
    """Something a network server says about a device that is no uplink.

    `is_fault`: the device or its settings need somebody. `values` are quantities (`battery_level`), `facts` the rest.
    """

    kind: str
    dev_eui: str
    dev_addr: str = ""
    device_name: str = ""
    times: tuple[TimeTold, ...] = ()
    why: str = ""
    is_fault: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatewayNote:
    """Something a network server says about a gateway (`stats`, `conn`); `prefix` is its region's."""

    kind: str
    gateway: str
    prefix: str = ""
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)


def best(receivers: Iterable[Receiver]) -> Receiver | None:
    """The receiver with the best signal: by SNR while that is low, else by strength. None where there is none."""

    def quality(one: Receiver) -> tuple[float, float, float]:
        snr = -1e9 if one.snr is None else one.snr
        return min(snr, _LOUD_ENOUGH_DB), -1e9 if one.rssi is None else one.rssi, snr

    return max(receivers, key=quality, default=None)


def chosen_time(
    times: Iterable[TimeTold], heard_at_ns: int, *, ahead_s: float = 60.0, behind_s: float = 7 * 86_400.0
) -> TimeTold | None:
    """The time to believe, or None: then it is that of hearing, `heard_at_ns`.

    The earliest of the server's own times that is no more than `ahead_s` in the future and `behind_s` in the past (a
    broker may have kept it); else a gateway's, within `ahead_s` of the hearing, for many gateways have no right clock.
    """

    def fits(time: TimeTold, behind_s: float) -> bool:
        return -behind_s * SECOND <= time.at_ns - heard_at_ns <= ahead_s * SECOND

    order = (("server", behind_s), ("either", behind_s), ("gateway", ahead_s))
    known = tuple(times)
    for by, reach_s in order:
        fitting = [time for time in known if time.by == by and fits(time, reach_s)]
        if fitting:
            return min(fitting, key=lambda time: time.at_ns)
    return None
