"""What Dragino's devices share: the status frame on fPort 5 and logs of eleven bytes a record on fPort 3.

fPort 5, 7 bytes
0  1  model           1  2  firmware: 0x0110 is 1.1.0       3  1  band       4  1  sub-band       5  2  battery, mV
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from drivers.core.contract import Driver, FixedBits, Instrument, Option, Options, Telling, Truncated, Uplink
from drivers.radio._payload import NO_LINE, WIRING, Payload, exactly, telling, tellings

MEASURED, LOGGED, STATUS = 2, 3, 5
RECORD = 11
NO_PROBE = 3270
"""A temperature of 327.x °C, in tenths: no probe answers."""


def status(data: bytes) -> tuple[Telling, ...]:
    """What a device says about itself, with its battery."""
    exactly(data, (7,), "a status")
    payload = Payload(data)
    model, firmware = payload.number(1, "model"), payload.number(2, "firmware")
    info: dict[str, str | int] = {
        "model_id": model,
        "firmware": f"{firmware >> 8 & 15}.{firmware >> 4 & 15}.{firmware & 15}",
        "band_id": payload.number(1, "band"),
        "sub_band": payload.number(1, "sub-band"),
    }
    return tellings([telling({"battery_voltage": payload.number(2, "battery") / 1000}, info=info)])


def log(data: bytes, record: Callable[[bytes], Telling]) -> tuple[Telling, ...]:
    """The records of a device's log."""
    if not data or len(data) % RECORD:
        raise Truncated(f"a log has records of {RECORD} bytes, these are {len(data)}")
    return tellings(record(data[at : at + RECORD]) for at in range(0, len(data), RECORD))


def unread(fport: int | None, why: str) -> FixedBits:
    """The refusal of a port's payload."""
    return FixedBits(f"fPort {fport}: {why}")


def driver(
    name: str,
    title: str,
    models: tuple[str, ...],
    decode: Callable[[bytes, int | None, Options], tuple[Telling, ...]],
    *,
    quantities: tuple[str, ...],
    sometimes: tuple[str, ...] = (),
    options: dict[str, Option] | None = None,
    check: Callable[[Options], object] | None = None,
    gives: Callable[[Options], tuple[str, ...]] | None = None,
    sources: tuple[str, ...],
    quirks: tuple[str, ...],
    simulate: Callable[[int, int], Instrument],
    vectors: str,
    aliases: tuple[str, ...] = (),
    device_class: Literal["water", "weather"] = "water",
) -> Driver:
    """A driver of this family; its battery is among what it reports."""
    return Driver(
        name=name,
        title=title,
        device_class=device_class,
        models=models,
        kind=Uplink(decode, MEASURED, check),
        quantities=(*quantities, "battery_voltage"),
        sometimes=sometimes,
        gives=gives,
        line=NO_LINE,
        sources=sources,
        check_bits=0,
        frame_bytes=242,
        silence_s=3 * 3600.0,
        options=options or {},
        aliases=aliases,
        wiring=WIRING,
        quirks=quirks,
        period_s=1200.0,
        simulate=simulate,
        vectors=("drivers.radio", vectors),
    )
