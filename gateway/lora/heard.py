"""What receivers hand to the hub, and what the hub says became of it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.lora.uplinks import Receiver, best


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet as it came from the air, by which receiver. `inlet` is the id of the configuration's [[lora]]."""

    inlet: str
    receiver: Receiver
    data: bytes
    sender: int | None = None
    port: int | None = None
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    frequency_hz: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something heard: whose it is, why it is no reading ("" where it is one), and a word for people."""

    device: str = ""
    refusal: str = ""
    text: str = ""

    @property
    def is_refused(self) -> bool:
        """It is no reading, and should have been one."""
        return self.refusal not in ("", "Copy", "Note", "NoPayload")


@dataclass(frozen=True, slots=True)
class PlainDevice:
    """A device that anyone in range can speak for, because the configuration says so. `sender` None: any."""

    device: str
    inlet: str
    sender: int | None = None
    is_hex: bool = False


def better(known: Receiver | None, new: Receiver) -> Receiver:
    """Of two signals of one receiver the better one: it may hear an uplink twice, on neighbouring channels too."""
    return new if known is None else best((known, new)) or new
