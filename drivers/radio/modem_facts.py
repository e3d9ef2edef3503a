"""What can be said about each raw LoRa modem without talking to it: its line, which settings it takes, their limits.

Sources: REYAX AT command guides (RYLR896 2022, RYLR998 2023), RAKwireless AT manuals, Microchip DS40001784, Ebyte user
manuals of E22-900, E220-900 and E32-900. REYAX limits spreading factors by bandwidth on the RYLR998.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_RADIO = frozenset({"frequency", "spreading_factor", "bandwidth", "coding_rate", "preamble"})
_EBYTE = frozenset({"frequency", "air_rate", "address", "setup"})
_RSSI = frozenset({"rssi_byte", "rssi_rule"})
_STEP_HZ, _CHANNELS = 1_000_000, 84
_LOW_RATES = {300: 0, 1200: 1}
_RATES = {2400: 2, 4800: 3, 9600: 4, 19200: 5}
_HIGH_RATES = {38400: 6, 62500: 7}


@dataclass(frozen=True, slots=True)
class ModemFacts:
    """One modem. `takes` names its settings as configuration files do. `most_sf`: by bandwidth in Hz, where it is less
    than 12. `air_rates`: bit/s and their codes; `bases_hz`: where its channels of 1 MHz begin. `air_bytes`: what it
    adds to a packet.
    """

    title: str
    baud: int
    takes: frozenset[str] = frozenset()
    most_sf: Mapping[int, int] = field(default_factory=dict)
    air_rates: Mapping[int, int] = field(default_factory=dict)
    bases_hz: tuple[int, ...] = ()
    air_bytes: int = 0

    def channel(self, frequency_hz: int) -> int | None:
        """The channel number of a frequency, None where no channel lies there."""
        for base_hz in self.bases_hz:
            steps, rest = divmod(frequency_hz - base_hz, _STEP_HZ)
            if not rest and 0 <= steps < _CHANNELS:
                return steps
        return None

    def nearest_hz(self, frequency_hz: int) -> int:
        """The channel's frequency that is nearest to another one."""
        every = (base + step * _STEP_HZ for base in self.bases_hz for step in range(_CHANNELS))
        return min(every, key=lambda each: abs(each - frequency_hz))


MODEMS: Mapping[str, ModemFacts] = {
    "rylr896": ModemFacts("REYAX RYLR896", 115200, _RADIO | {"network_id", "address"}, air_bytes=8),
    "rylr998": ModemFacts(
        "REYAX RYLR998",
        115200,
        _RADIO | {"network_id", "address"},
        {125_000: 9, 250_000: 10, 500_000: 11},
        air_bytes=8,
    ),
    "rak3172": ModemFacts("RAKwireless RAK3172, P2P", 115200, _RADIO | {"sync_word", "header"}),
    "rn2483": ModemFacts("Microchip RN2483", 57600, _RADIO - {"preamble"} | {"sync_word", "header"}),
    "e22": ModemFacts(
        "Ebyte E22, transparent mode",
        9600,
        _EBYTE | _RSSI | {"network_id"},
        air_rates={**_LOW_RATES, **_RATES, **_HIGH_RATES},
        bases_hz=(410_125_000, 850_125_000),
    ),
    "e220": ModemFacts(
        "Ebyte E220, transparent mode",
        9600,
        _EBYTE | _RSSI,
        air_rates={**_RATES, **_HIGH_RATES},
        bases_hz=(410_125_000, 850_125_000),
    ),
    "e32": ModemFacts(
        "Ebyte E32, transparent mode",
        9600,
        _EBYTE,
        air_rates={**_LOW_RATES, **_RATES},
        bases_hz=(410_000_000, 862_000_000),
    ),
    "rak811": ModemFacts("RAKwireless RAK811", 115200),
    "rfm2pi": ModemFacts("RFM2Pi, RFM69Pi, emonPi", 38400),
}
