"""dsmr-parser, another reader of P1 telegrams, on our vectors and on what our simulated meter says."""

from __future__ import annotations

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.exceptions import InvalidChecksumError
from dsmr_parser.parsers import TelegramParser

from drivers.core.contract import Decoded
from drivers.core.listening import Listener
from drivers.core.registry import find

P1 = find("dsmr-p1")
NAMES = {
    "ELECTRICITY_USED_TARIFF_1": ("energy_import_t1", 1),
    "ELECTRICITY_USED_TARIFF_2": ("energy_import_t2", 1),
    "ELECTRICITY_DELIVERED_TARIFF_1": ("energy_export_t1", 1),
    "CURRENT_ELECTRICITY_USAGE": ("active_power", 1000),
    "INSTANTANEOUS_VOLTAGE_L1": ("voltage_l1", 1),
    "INSTANTANEOUS_VOLTAGE_L3": ("voltage_l3", 1),
    "INSTANTANEOUS_ACTIVE_POWER_L2_POSITIVE": ("active_power_l2", 1000),
}


def test_both_read_the_same_and_hold_the_same_check() -> None:
    parser = TelegramParser(telegram_specifications.V5)
    instrument, listener = P1.simulate(3, 0), Listener(P1)
    for step in range(20):
        telegram = instrument.tick(1.7e9 + 600 * step)
        [ours] = [item for item in listener.feed(telegram) if isinstance(item, Decoded)]
        theirs = parser.parse(telegram.decode())  # checks the CRC
        for name, (quantity, factor) in NAMES.items():
            assert float(getattr(theirs, name).value) * factor == pytest.approx(ours.values[quantity]), name


def test_both_refuse_a_turned_digit() -> None:
    telegram = P1.simulate(3, 0).tick(1.7e9).replace(b"1-0:2.8.1(0", b"1-0:2.8.1(1")
    with pytest.raises(InvalidChecksumError):
        TelegramParser(telegram_specifications.V5).parse(telegram.decode())
    listener = Listener(P1)
    listener.feed(telegram)
    listener.finish()
    assert listener.readings == 0
    assert listener.rejected["Integrity"] == 1
