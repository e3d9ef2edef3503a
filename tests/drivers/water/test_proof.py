"""Every water instrument against all its vectors, and the tier each reaches; the whole proof is `test_prove`."""

import pytest

from drivers.core.prove import prove
from drivers.core.quantities import quantity
from drivers.core.registry import drivers, find
from drivers.core.vectors import of_driver

TIERS = {
    "ultrasonic-ff4": 3,
    "qdy30a-modbus": 3,
    "keller-series30-modbus": 3,
    "vegapuls-c-modbus": 3,
    "eh-fmr20-modbus": 3,
    "dfrobot-sen0492-modbus": 3,
    "rs485-water-level-cm": 3,
    "rs485-rain-gauge": 3,
    "maxbotix-mb73xx": 3,
    "dfrobot-55aa": 3,
    "benewake-tf": 3,
    "campbell-sr50a": 3,
    "sdi12": 3,
    "vegapuls-c-sdi12": 3,
}


@pytest.mark.parametrize("name", TIERS)
def test_driver_is_proven(name: str) -> None:
    proof = prove(find(name), seed=7, noise_bytes=1 << 13, stride=5)
    assert proof.failures == ()
    assert proof.tier == TIERS[name]


@pytest.mark.parametrize("name", TIERS)
def test_driver_tells_how_to_use_it(name: str) -> None:
    driver = find(name)
    assert driver.wiring
    assert driver.sources
    assert driver.quirks
    assert driver.silence_s > 2 * driver.period_s
    assert [quantity(q).name for q in driver.quantities] == list(driver.quantities)
    assert all(case.source for case in of_driver(driver).vectors)


def test_no_water_driver_is_left_out() -> None:
    ours = {driver.name for driver in drivers() if driver.vectors and driver.vectors[0] == "drivers.water"}
    assert ours == set(TIERS)
