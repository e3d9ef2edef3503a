"""What the rules of a radio region allow, how long a packet is on the air, and which settings break a rule.

AS923-1 as Thailand uses it: LoRaWAN Regional Parameters (band_as923 of brocaar/lorawan) and NBTC TS 1033-2560 in the
words of public summaries. Not legal advice: confirm limits with the NBTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class DataRate:
    """One data rate: what it is on the air, and how many application bytes fit within the dwell time (0: none)."""

    spreading_factor: int
    bandwidth_hz: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Region:
    """Where radio may be used, how long at once (`dwell_s`, None: any), and how much of an hour (`duty`)."""

    name: str
    low_hz: int
    high_hz: int
    dwell_s: float | None
    duty: float
    rates: Mapping[int, DataRate] = field(default_factory=dict)


Rule = Literal["band", "dwell-time"]

THAILAND = "AS923-1 (TH)"
REGIONS: Mapping[str, Region] = {
    THAILAND: Region(
        THAILAND,
        920_000_000,
        925_000_000,
        0.4,
        0.01,
        {
            0: DataRate(12, 125_000, 0),
            1: DataRate(11, 125_000, 0),
            2: DataRate(10, 125_000, 11),
            3: DataRate(9, 125_000, 53),
            4: DataRate(8, 125_000, 125),
            5: DataRate(7, 125_000, 242),
        },
    ),
}
LORAWAN_BYTES = 13
"""Of a data frame around its payload: MHDR, header without options, port, MIC."""
REYAX_BYTES = 8
"""What a REYAX module adds on the air."""


def airtime_s(
    payload_bytes: int,
    spreading_factor: int,
    bandwidth_hz: int,
    coding_rate: int = 5,
    preamble: int = 8,
    *,
    has_crc: bool = True,
    has_header: bool = True,
) -> float:
    """Seconds that a LoRa packet is on the air; `coding_rate` 5 to 8 is 4/5 to 4/8. SX1276 data sheet, 4.1.1.7."""
    symbol_s = (1 << spreading_factor) / bandwidth_hz
    is_slow = symbol_s > 0.016
    bits = 8 * payload_bytes - 4 * spreading_factor + 28 + 16 * has_crc - 20 * (not has_header)
    symbols = 8 + max(0, math.ceil(bits / (4 * (spreading_factor - 2 * is_slow)))) * coding_rate
    return (preamble + 4.25 + symbols) * symbol_s


def broken_rules(
    region: Region,
    *,
    frequency_hz: int | None = None,
    spreading_factor: int | None = None,
    bandwidth_hz: int | None = None,
    coding_rate: int = 5,
    preamble: int = 8,
    overhead_bytes: int = LORAWAN_BYTES,
) -> Iterator[tuple[Rule, dict[str, object]]]:
    """The rules that these settings break, with what a sentence about each needs. What is None is not judged."""
    half_hz = (bandwidth_hz or 0) // 2
    if frequency_hz is not None and not region.low_hz + half_hz <= frequency_hz <= region.high_hz - half_hz:
        yield (
            "band",
            {
                "region": region.name,
                "frequency": f"{frequency_hz / 1e6:g}",
                "low": f"{region.low_hz / 1e6:g}",
                "high": f"{region.high_hz / 1e6:g}",
            },
        )
    if spreading_factor is not None and bandwidth_hz is not None and region.dwell_s is not None:
        shortest_s = airtime_s(overhead_bytes + 1, spreading_factor, bandwidth_hz, coding_rate, preamble)
        if shortest_s > region.dwell_s:
            yield (
                "dwell-time",
                {
                    "region": region.name,
                    "sf": spreading_factor,
                    "khz": f"{bandwidth_hz / 1000:g}",
                    "took_ms": round(1000 * shortest_s),
                    "dwell_ms": round(1000 * region.dwell_s),
                },
            )


def most_payload(region: Region, spreading_factor: int, bandwidth_hz: int) -> int | None:
    """How many application bytes a LoRaWAN frame may carry within the dwell time; None where no data rate is so."""
    rates = region.rates.values()
    fitting = (
        each.most_bytes
        for each in rates
        if (each.spreading_factor, each.bandwidth_hz) == (spreading_factor, bandwidth_hz)
    )
    return next(fitting, None)


def least_period_s(
    region: Region, payload_bytes: int, spreading_factor: int, bandwidth_hz: int, preamble: int
) -> float:
    """How often a sender may send such a LoRaWAN frame within its share of an hour (1 % up to 50 mW)."""
    return airtime_s(payload_bytes + LORAWAN_BYTES, spreading_factor, bandwidth_hz, 5, preamble) / region.duty
