"""What a device's duty must agree with: an instrument that wears and can be told to sleep, and times that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drivers.core.contract import Driver
from gateway.config.problems import KeyPath, Unfit
from gateway.config.units import duration_s, format_duration
from gateway.ops.texts import say

SAMPLE_S = 5.0
"""What an instrument must at least be awake for beyond its warm-up."""


def duty_findings(path: KeyPath, device: Mapping[str, Any], driver: Driver) -> Iterator[tuple[KeyPath, str]]:
    """Why this device cannot have the duty that is said."""
    duty = device.get("duty")
    if not isinstance(duty, dict):
        return
    wear = driver.wear
    if wear is None:
        yield (*path, "duty"), say("config.duty_no_wear", driver=driver.name)
        return
    if not wear.sleep:
        yield (*path, "duty"), say("config.duty_pin", driver=driver.name)
        return
    if "every" in device:
        yield (*path, "every"), say("config.duty_every")
    try:
        every_s, on_s = duration_s(duty.get("every")), duration_s(duty.get("on"))
        warm_up_s = duration_s(duty["warm_up"]) if "warm_up" in duty else wear.warm_up_s
    except Unfit:
        return
    least_s = warm_up_s + SAMPLE_S
    if on_s < least_s:
        yield (
            (*path, "duty", "on"),
            say("config.duty_short", least=format_duration(least_s), warm_up=format_duration(warm_up_s)),
        )
    if every_s < on_s + SAMPLE_S:
        yield (*path, "duty", "every"), say("config.duty_long", on=format_duration(on_s))
