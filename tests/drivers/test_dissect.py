"""What each byte is for: every value of every vector is found in the bytes that it came from."""

from __future__ import annotations

import pytest

from drivers.core import registry, vectors
from drivers.core.contract import Driver, Polled
from drivers.core.dissect import Part, dissect, drawing
from drivers.core.registry import find
from drivers.core.vectors import Case

PMS = bytes.fromhex("424d001c0062009500b900410063007b41c312f5032c004f0019000a970006bd")


def parts_of(driver: Driver, case: Case) -> list[Part]:
    question = case.question
    if isinstance(driver.kind, Polled) and question is None:
        question, _ = driver.kind.guess(case.data, case.options)
    return dissect(driver, case.data, case.options, question, case.fport)


def first(driver: Driver) -> Case | None:
    return next((case for case in vectors.of_driver(driver).vectors if case.values and len(case.data) < 300), None)


@pytest.mark.parametrize("driver", [each for each in registry.drivers() if first(each)], ids=lambda driver: driver.name)
def test_every_value_has_its_bytes_and_every_byte_its_part(driver: Driver):
    case = first(driver)
    assert case is not None
    parts = parts_of(driver, case)
    assert b"".join(part.data for part in parts) == case.data
    assert [part.offset for part in parts] == [sum(len(p.data) for p in parts[:n]) for n in range(len(parts))]
    names = {name for part in parts for name in part.names}
    plain = {name.partition(".")[2] if name[0].isdigit() else name for name in names}
    assert set(case.values or {}) <= plain
    assert all(bool(part.names) == (part.kind == "value") for part in parts)


def test_words_checks_and_what_the_drawing_says():
    parts = dissect(find("plantower-pmsx003"), b"\x00" + PMS, {}, None, None)
    assert [(p.offset, p.kind, p.names) for p in parts[:4]] == [
        (0, "outside", ()),
        (1, "fixed", ()),
        (3, "fixed", ()),
        (5, "value", ("pm1_cf1",)),
    ]
    assert parts[2].label.startswith("00 1C")
    assert (parts[-1].offset, parts[-1].data, parts[-1].kind) == (31, b"\x06\xbd", "check")
    assert next(p for p in parts if "pm2_5" in p.names).offset == 13


def test_registers_of_a_meter():
    from drivers.core import modbus

    question = modbus.question(modbus.Read(1, 4, 0, 4))
    answer = modbus.closed(bytes.fromhex("01 04 08 43 68 dc 17 43 66 cc 19"))
    parts = dissect(find("eastron-sdm630"), answer, {}, question, None)
    assert [(p.offset, p.register, p.kind, p.names, p.label) for p in parts] == [
        (0, None, "fixed", (), "address"),
        (1, None, "fixed", (), "function"),
        (2, None, "fixed", (), "byte count"),
        (3, 0, "value", ("voltage_l1",), ""),
        (7, 2, "value", ("voltage_l2",), ""),
        (11, None, "check", (), "CRC"),
    ]


def test_a_refused_frame_is_explained_by_its_drawing_and_noise_by_nothing():
    broken = PMS[:-1] + bytes((PMS[-1] ^ 1,))
    parts = dissect(find("plantower-pmsx003"), broken, {}, None, None)
    assert [p.offset for p in parts][:3] == [0, 2, 4]
    assert next(p for p in parts if "pm2_5" in p.names).offset == 12
    assert dissect(find("eastron-sdm630"), b"\x55" * 20, {}, None, None) == []


def test_two_drawings_are_none():
    assert drawing(find("plantower-pmsx003"))[28] == "version"
    assert drawing(find("eastron-sdm630")) == {}
    for driver in registry.drivers():
        assert all(offset >= 0 and label for offset, label in drawing(driver).items())
