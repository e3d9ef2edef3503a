"""Every meter against all its vectors, and the tier each reaches; the whole proof is `test_prove`."""

import pytest

from drivers.core import modbus
from drivers.core.contract import Polled
from drivers.core.prove import prove
from drivers.core.quantities import quantity
from drivers.core.registry import drivers, find
from drivers.core.vectors import of_driver

TIERS = {
    "abb-b2x": 4,
    "acrel-acr10r-1phase": 3,
    "acrel-acr10r-d16te4": 3,
    "acrel-adl200": 3,
    "acrel-adl400": 3,
    "acrel-adw300": 3,
    "carlogavazzi-em111-et112": 3,
    "carlogavazzi-em24-rs485": 3,
    "carlogavazzi-em340": 3,
    "chint-ddsu666": 3,
    "chint-dtsu666": 3,
    "chint-dtsu666-20-sungrow": 3,
    "eastron-sdm120": 3,
    "eastron-sdm230": 4,
    "eastron-sdm630": 4,
    "eastron-sdm72d-m-v1": 3,
    "eastron-sdm72d-m-v2": 3,
    "janitza-b-series": 3,
    "janitza-umg96rm": 3,
    "pzem-004t-v3": 4,
    "pzem-017": 3,
    "schneider-iem2150": 4,
    "schneider-iem3000": 3,
    "schneider-pm5110": 3,
    "sunspec-meter": 3,
    "dsmr-p1": 4,
    "iec62056-21": 4,
    "iec62056-21-d": 4,
    "sml": 4,
    "mbus-wired": 4,
    "wmbus-json": 3,
}
MAPS = [driver.name for driver in drivers() if driver.vectors and driver.vectors[1].startswith("meters/")]


@pytest.mark.parametrize("name", TIERS)
def test_driver_is_proven(name: str) -> None:
    proof = prove(find(name), seed=7, noise_bytes=1 << 13, stride=5)
    assert proof.failures == ()
    assert proof.tier == TIERS[name]


def test_no_energy_driver_is_left_out() -> None:
    assert {driver.name for driver in drivers() if driver.device_class == "energy"} == set(TIERS)


@pytest.mark.parametrize("name", TIERS)
def test_driver_tells_how_to_use_it(name: str) -> None:
    driver = find(name)
    assert driver.wiring
    assert driver.sources
    assert driver.quirks
    assert driver.silence_s > 2 * driver.period_s
    assert [quantity(q).name for q in driver.quantities] == list(driver.quantities)
    for table in of_driver(driver).tables()[:1]:
        assert all(case.source for case in table)


@pytest.mark.parametrize("name", MAPS)
def test_every_map_keeps_its_own_limits_and_covers_its_registers(name: str) -> None:
    driver = find(name)
    assert isinstance(driver.kind, Polled)
    assert driver.simulate is not None
    address = driver.default_address or 1
    slave = driver.simulate(1, address)
    requests = driver.kind.requests(address, {})
    exchanges = tuple((request, slave.answer(request.data, 60.0)) for request in requests)
    for request, reply in exchanges:
        read = modbus.parse_question(request.data)
        assert read.count <= 125
        assert reply == b"" or len(reply) == request.reply_bytes == read.count * 2 + 5
    decoded = driver.kind.decode(exchanges, {})
    assert set(decoded.values) == set(driver.quantities)
    assert decoded.quality == {}


@pytest.mark.parametrize("name", MAPS)
def test_what_identifies_a_meter_is_answered_by_its_simulator(name: str) -> None:
    driver = find(name)
    assert isinstance(driver.kind, Polled)
    if driver.kind.identify is None:
        return
    assert driver.simulate is not None
    slave = driver.simulate(1, 3)
    decoded = driver.kind.decode(tuple((r, slave.answer(r.data, 1.0)) for r in driver.kind.identify(3, {})), {})
    assert decoded.values == {}
    assert decoded.info


def test_reads_are_few() -> None:
    """A question costs more than reading over a hole of a few registers."""
    for name, count in (("abb-b2x", 3), ("janitza-umg96rm", 1), ("carlogavazzi-em340", 2), ("pzem-017", 1)):
        kind = find(name).kind
        assert isinstance(kind, Polled)
        assert len(kind.requests(1, {})) == count, name
