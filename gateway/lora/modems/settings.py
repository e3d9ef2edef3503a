"""How a modem's radio is to be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """What both ends must agree on, as far as a modem has it. `coding_rate` 5 to 8 is 4/5 to 4/8.

    `sync_word` is one byte (0x34 LoRaWAN's, 0x12 private); `network_id` is REYAX's word for it, and Ebyte's. `address`
    is our own where the modem has one. Ebyte modems have an `air_rate` (bit/s) in place of the next four, may put an
    RSSI byte behind each packet (`has_rssi_byte`), and are set up only where `is_set_up`.
    """

    frequency_hz: int = 923_200_000
    spreading_factor: int = 9
    bandwidth_hz: int = 125_000
    coding_rate: int = 5
    preamble: int = 12
    sync_word: int = 0x12
    network_id: int = 18
    address: int = 0
    air_rate: int = 2400
    has_rssi_byte: bool = True
    rssi_rule: Literal["dbm", "half"] = "dbm"
    is_set_up: bool = True
