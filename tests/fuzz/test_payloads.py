"""The short form of `python -m tests.fuzz.payloads`."""

from __future__ import annotations

from tests.fuzz.payloads import decoders, fuzz_messages, fuzz_payloads


def test_damaged_payloads_raise_nothing_but_refusals() -> None:
    for name, driver in decoders():
        told = fuzz_payloads(driver, 300)
        assert told.total() == 300
        assert told["FixedBits"] + told["Truncated"] > 0, name


def test_damaged_messages_raise_nothing_but_refusals() -> None:
    told = fuzz_messages(1000)
    assert told.total() == 1000
    assert min(told["json"], told["field"], told["uplink"]) > 0
