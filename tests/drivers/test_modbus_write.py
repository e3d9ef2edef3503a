"""The questions that give a meter another address, held against pymodbus's, and what may come back."""

from __future__ import annotations

import pytest
from pymodbus.pdu.register_message import WriteMultipleRegistersRequest, WriteSingleRegisterRequest

from drivers.core import modbus, registry
from drivers.core.contract import DeviceFault, Integrity, Polled
from drivers.core.load_map import MapError, load
from drivers.core.modbus_write import MANY, AddressRegister, WriteFramer

MAP = """
title = "T"
models = ["M"]
sources = ["s"]
[modbus]
address = 1
max_registers_per_read = 10
type = "uint16"
[registers]
voltage = 0
"""


def test_the_questions_are_pymodbus_own():
    one = AddressRegister(0x0002).question(1, 7)
    request = WriteSingleRegisterRequest(address=2, registers=[7])
    assert one == modbus.closed(bytes((1, request.function_code)) + request.encode())
    many = AddressRegister(0x0014, "float32", MANY).question(3, 12)
    request = WriteMultipleRegistersRequest(address=0x14, registers=[0x4140, 0x0000])  # 12.0
    assert many == modbus.closed(bytes((3, request.function_code)) + request.encode())


@pytest.mark.parametrize("own", [AddressRegister(2), AddressRegister(0x14, "float32", MANY)])
@pytest.mark.parametrize("unit", [1, 7])
def test_the_answer_of_either_address_is_found(own: AddressRegister, unit: int):
    asked = own.question(1, 7)
    answer = modbus.closed(bytes((unit,)) + asked[1:6])
    for size in (1, 3, 64):
        framer = WriteFramer(asked, 7)
        data = b"\x00\xff" + (asked if own.function == MANY else b"") + answer
        found = [item for at in range(0, len(data), size) for item in framer.feed(data[at : at + size])]
        assert [item for item in found if isinstance(item, bytes)] == [answer]
    assert own.address_in(asked) == 7
    assert own.address_in(modbus.question(modbus.Read(1, 3, own.at, own.count))) is None


def test_refusals_and_what_is_no_answer():
    asked = AddressRegister(2).question(1, 7)
    (refused,) = WriteFramer(asked, 7).feed(modbus.closed(bytes((1, 0x86, 3))))
    assert isinstance(refused, DeviceFault)
    assert "illegal data value" in str(refused)
    broken = bytearray(asked)
    broken[-1] ^= 1
    framer = WriteFramer(asked, 7)
    assert [type(item) for item in [*framer.feed(bytes(broken)), *framer.finish()]] == [Integrity]
    framer = WriteFramer(asked, 7)
    assert [*framer.feed(modbus.closed(bytes((9,)) + asked[1:6])), *framer.finish()] == []


@pytest.mark.parametrize("name", ["pzem-004t-v3", "pzem-017", "eastron-sdm120", "eastron-sdm630"])
def test_a_simulated_meter_moves_and_a_wrong_address_is_refused(name: str):
    driver = registry.find(name)
    assert isinstance(driver.kind, Polled)
    assert driver.simulate is not None
    assert driver.kind.readdress is not None
    meter = driver.simulate(1, 1)
    request = driver.kind.readdress.request(1, 7)
    framer = request.framer()
    (answer,) = framer.feed(meter.answer(request.data, 0.0))
    assert isinstance(answer, bytes)
    assert meter.answer(driver.kind.requests(1, {})[0].data, 1.0) == b""
    assert meter.answer(driver.kind.requests(7, {})[0].data, 2.0)
    back = driver.kind.readdress.request(7, 248)
    (refused,) = back.framer().feed(meter.answer(back.data, 3.0))
    assert isinstance(refused, DeviceFault)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("at = 70000", "at is 0 to 65535"),
        ('at = 2\ntype = "float32"', "function 6 writes one register"),
        ("at = 2\nfunction = 5", "function is 6 or 16"),
        ('at = 2\nhow = "x"', "'how' is not known"),
        ('note = "x"', "'at' is missing"),
    ],
)
def test_a_map_says_it_right(table: str, said: str):
    with pytest.raises(MapError, match=said):
        load("m", f"{MAP}\n[own_address]\n{table}\n")
    kind = load("m", MAP).kind
    assert isinstance(kind, Polled)
    assert kind.readdress is None
