"""What the vectors do not say about the SN-GCJA5: what its status does to the values."""

from functools import reduce
from operator import xor

import pytest

from drivers.core.contract import Decoded, Implausible
from drivers.core.listening import Listener
from drivers.core.registry import find


def frame(status: int = 0, pm2_5: int = 12) -> bytes:
    data = bytearray(32)
    data[0], data[31], data[29] = 2, 3, status
    data[5:9] = pm2_5.to_bytes(4, "little")
    data[30] = reduce(xor, data[1:30])
    return bytes(data)


@pytest.mark.parametrize(
    ("status", "flag"),
    [(0, None), (0x41, 3), (0x50, 3), (0x60, 4), (0x48, 4), (0x43, 4), (0x42, 3), (0x70, 3)],
)
def test_status_taints_every_value(status: int, flag: int | None) -> None:
    driver = find("panasonic-sn-gcja5")
    (reading,) = Listener(driver).feed(frame(status))
    assert isinstance(reading, Decoded)
    assert reading.quality == ({} if flag is None else dict.fromkeys(driver.quantities, flag))
    assert reading.info["status"] == status


def test_dust_beyond_physics_is_refused_unless_the_unit_explains_it() -> None:
    driver = find("panasonic-sn-gcja5")
    (refusal,) = Listener(driver).feed(frame(pm2_5=12_000))
    assert isinstance(refusal, Implausible)
    (reading,) = Listener(driver, {"mass_unit": "ng/m3"}).feed(frame(pm2_5=12_000))
    assert isinstance(reading, Decoded)
    assert reading.values["pm2_5"] == 12.0
