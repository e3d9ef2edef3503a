"""Meters behind transformers: the ratios that they tell, and those that the site tells."""

import struct

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, Exchange, Options, Polled
from drivers.core.registry import find


def decode(name: str, blocks: dict[int, bytes | None], options: Options | None = None) -> Decoded:
    """Answers by start register of function 3; None for one that did not come."""
    kind = find(name).kind
    assert isinstance(kind, Polled)
    exchanges: list[Exchange] = []
    for start, data in blocks.items():
        count = 2 if data is None else len(data) // 2
        request = kind.ask(modbus.question(modbus.Read(1, 3, start, count)), {})
        reply = None if data is None else modbus.closed(bytes((1, 3, len(data))) + data)
        exchanges.append((request, reply))
    return kind.decode(tuple(exchanges), options or {})


def floats(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}f", *numbers)


DTSU = {
    0x2006: floats(2302),
    0x200C: floats(1260),
    0x2012: floats(-15230),
    0x2044: floats(5001),
    0x101E: floats(12.5),
}


@pytest.mark.parametrize(
    ("ct", "vt", "current", "voltage", "power", "energy"),
    [(1, 10, 1.26, 230.2, -1523, 12.5), (20, 10, 25.2, 230.2, -30460, 250), (20, 1000, 25.2, 23020, -3046000, 25000)],
)
def test_dtsu666_reads_its_ratios(
    ct: int, vt: int, current: float, voltage: float, power: float, energy: float
) -> None:
    values = decode("chint-dtsu666", {6: struct.pack(">HH", ct, vt), **DTSU}).values
    want = {"current_l1": current, "voltage_l1": voltage, "active_power": power, "energy_import": energy}
    assert {name: values[name] for name in want} == pytest.approx(want)
    assert values["frequency"] == 50.01


def test_dtsu666_whose_ratios_do_not_answer_tells_only_its_frequency() -> None:
    decoded = decode("chint-dtsu666", {6: None, **DTSU})
    assert decoded.values == {"frequency": 50.01}
    assert set(decoded.quality.values()) == {9}
    told = decode("chint-dtsu666", {6: None, **DTSU}, {"ct_ratio": 20.0, "vt_ratio": 1.0})
    assert told.values["current_l1"] == pytest.approx(25.2)


@pytest.mark.parametrize("name", ["acrel-adl400", "acrel-acr10r-1phase"])
def test_acrel_ratios_are_told_by_the_site(name: str) -> None:
    assert find(name).options["ct_ratio"].default == 1.0
    blocks = {97: struct.pack(">6H", 2301, 2305, 2298, 1234, 0, 55)}
    if name == "acrel-adl400":
        assert decode(name, blocks).values["current_l1"] == 12.34
        assert decode(name, blocks, {"ct_ratio": 40.0}).values["current_l1"] == pytest.approx(493.6)
        assert decode(name, blocks, {"pt_ratio": 10.0}).values["voltage_l1"] == pytest.approx(2301)
