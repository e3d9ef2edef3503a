"""Every air driver against all its vectors, and the tier each reaches; the whole proof is `test_prove`."""

import pytest

from drivers.core.contract import Listening
from drivers.core.prove import prove
from drivers.core.quantities import quantity
from drivers.core.registry import drivers, find
from drivers.core.vectors import of_driver

TIERS = {
    "plantower-pmsx003": 4,
    "plantower-pms3003": 4,
    "plantower-pms5003t": 4,
    "plantower-pms5003st": 3,
    "nova-sds011": 4,
    "nova-sds198": 4,
    "winsen-zh03b": 3,
    "winsen-ze07co": 3,
    "winsen-mhz19": 4,
    "honeywell-hpma115s0": 3,
    "honeywell-hpma115c0": 4,
    "panasonic-sn-gcja5": 3,
    "sensirion-sps30": 4,
}
MODBUS_TIERS = {
    "seeed-sensecap-one-s900": 3,
    "seeed-sensecap-one-s1000": 3,
    "casoled-ca-sws-01": 3,
    "renke-louver-box": 3,
    "novabo-sqr-2": 3,
}
ALL = TIERS | MODBUS_TIERS


@pytest.mark.parametrize("name", ALL)
def test_driver_is_proven(name: str) -> None:
    proof = prove(find(name), seed=7, noise_bytes=1 << 13, stride=5)
    assert proof.failures == ()
    assert proof.tier == ALL[name]
    assert proof.vectors >= 3


@pytest.mark.parametrize("name", ALL)
def test_driver_tells_how_to_use_it(name: str) -> None:
    driver = find(name)
    assert driver.device_class == "air"
    assert driver.wiring
    assert driver.sources
    assert driver.silence_s > 2 * driver.period_s
    assert [quantity(q).name for q in driver.quantities] == list(driver.quantities)


@pytest.mark.parametrize("name", ALL)
def test_nothing_that_calibrates_is_sent_on_its_own(name: str) -> None:
    kind = find(name).kind
    if isinstance(kind, Listening):
        sent = [command.data for command in kind.start]
    else:
        choices = [{name: said} for name, option in find(name).options.items() for said in option.choices]
        sent = [request.data for request in kind.requests(1, {})]
        sent += [command.data for options in choices if kind.start for command in kind.start(options)]
    wear = find(name).wear
    sent += [command.data for command in (wear.sleep if wear else ())]
    for data in sent:
        for calibration in (b"\xff\x01\x87", b"\xff\x01\x88", b"\x68\x02\x08", b"\xaa\xb4\x05", b"\x7e\x00\x56"):
            assert calibration not in data


@pytest.mark.parametrize("name", ALL)
def test_each_case_has_a_source(name: str) -> None:
    for table in of_driver(find(name)).tables():
        for case in table:
            assert case.source, case.id


def test_no_air_driver_is_left_out() -> None:
    ours = {driver.name for driver in drivers() if driver.vectors and driver.vectors[0] == "drivers.air"}
    assert ours == set(ALL)


def test_a_broken_driver_would_be_caught() -> None:
    """The proof can fail: a driver whose frames hold whatever their sum is."""
    from dataclasses import replace

    from drivers.air.plantower_sisters import PMS3003
    from drivers.core.contract import Framer, Options
    from drivers.core.framing import SyncFramer

    def careless(options: Options) -> Framer:
        return SyncFramer(b"\x42\x4d", 4, lambda head: 24, lambda frame: True, max_bytes=24)

    proof = prove(replace(find("plantower-pms3003"), kind=Listening(careless, PMS3003.decode)))
    assert any("goes unnoticed" in failure for failure in proof.failures)
