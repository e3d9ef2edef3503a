"""The simulated meter against pymodbus's own decoder, and against physics."""

import math
import struct

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
)

from drivers.core.contract import Instrument
from drivers.core.modbus import closed
from drivers.core.polling import Round
from drivers.core.registry import find

FRAMER = FramerRTU(DecodePDU(False))
FLOAT32 = ModbusClientMixin.DATATYPE.FLOAT32
METERS = ("eastron-sdm120", "eastron-sdm230", "eastron-sdm630")


def meter(name: str = "eastron-sdm630", seed: int = 4, address: int = 17) -> Instrument:
    made = find(name).simulate
    assert made is not None
    return made(seed, address)


def read(instrument: Instrument, address: int, count: int, unit: int = 17, t: float = 50.0) -> list[float]:
    """Floats as pymodbus makes them of the meter's answer to pymodbus's question."""
    asked = FRAMER.buildFrame(ReadInputRegistersRequest(address=address, count=count, dev_id=unit))
    answer = instrument.answer(asked, t)
    used, pdu = FRAMER.handleFrame(answer, unit, 0)
    assert used == len(answer)
    assert isinstance(pdu, ReadInputRegistersResponse)
    values = ModbusClientMixin.convert_from_registers(pdu.registers, FLOAT32)
    return [float(v) for v in values] if isinstance(values, list) else [float(values)]  # type: ignore[arg-type]  # FLOAT32


def exception(instrument: Instrument, asked: bytes) -> int:
    _, pdu = FRAMER.handleFrame(instrument.answer(asked, 1.0), 17, 0)
    assert isinstance(pdu, ExceptionResponse)
    return pdu.exception_code


def values(name: str, t: float) -> dict[str, float]:
    driver, instrument = find(name), meter(name)
    one = Round.of(driver.kind, 17)  # type: ignore[arg-type]  # meters are polled
    while (request := one.request) is not None:
        assert one.feed(instrument.answer(request.data, t))
    decoded = one.result()
    assert decoded is not None
    assert decoded.quality == {}
    return dict(decoded.values)


def test_pymodbus_reads_what_we_read() -> None:
    ours = values("eastron-sdm630", 50.0)
    block = read(meter(), 0, 80)
    assert block[0] == pytest.approx(ours["voltage_l1"], rel=1e-6)
    assert block[6] == pytest.approx(ours["active_power_l1"], rel=1e-6)
    assert block[26] == pytest.approx(ours["active_power"], rel=1e-6)
    assert block[36] == pytest.approx(ours["energy_import"], rel=1e-6)
    assert block[22] == 0.0  # 0x002C, a hole of the map


@pytest.mark.parametrize("name", METERS)
def test_power_is_voltage_times_current_times_factor(name: str) -> None:
    for t in (0.0, 333.0, 86_400.0):
        now = values(name, t)
        for phase in ("_l1", "_l2", "_l3") if "voltage_l1" in now else ("",):
            apparent = now["voltage" + phase] * now["current" + phase]
            assert now["apparent_power" + phase] == pytest.approx(apparent, rel=1e-5)
            assert now["active_power" + phase] == pytest.approx(apparent * now["power_factor" + phase], rel=1e-5)
            assert now["apparent_power" + phase] == pytest.approx(
                math.hypot(now["active_power" + phase], now["reactive_power" + phase]), rel=1e-5
            )


def test_totals_are_sums() -> None:
    now = values("eastron-sdm630", 1234.0)
    for name in ("active_power", "apparent_power", "reactive_power", "energy_import", "energy_export"):
        phases = [now[f"{name}_l{n}"] for n in (1, 2, 3)]
        assert now[name] == pytest.approx(sum(phases), rel=1e-5)
    assert now["energy_sum"] == pytest.approx(now["energy_import"] + now["energy_export"], rel=1e-6)


def test_energy_rises_by_the_power() -> None:
    begin, end, steps = 1_760_000_000, 1_760_007_200, 720
    width = (end - begin) / steps
    middle = [values("eastron-sdm120", begin + (i + 0.5) * width)["active_power"] for i in range(steps)]
    rise = values("eastron-sdm120", end)["energy_import"] - values("eastron-sdm120", begin)["energy_import"]
    assert rise == pytest.approx(sum(middle) * width / 3.6e6, abs=0.01)
    counters = [values("eastron-sdm120", begin + t)["energy_import"] for t in range(0, 7200, 300)]
    assert counters == sorted(counters)


def test_exceptions() -> None:
    instrument = meter()
    assert exception(instrument, FRAMER.buildFrame(ReadInputRegistersRequest(address=5000, count=2, dev_id=17))) == 2
    assert exception(instrument, FRAMER.buildFrame(ReadInputRegistersRequest(address=1, count=2, dev_id=17))) == 2
    assert exception(instrument, FRAMER.buildFrame(ReadInputRegistersRequest(address=0, count=82, dev_id=17))) == 3
    assert exception(instrument, FRAMER.buildFrame(ReadHoldingRegistersRequest(address=0, count=2, dev_id=17))) == 1
    # Its bus address (0x0014) may be written, within 1 to 247; nothing else may.
    write = FRAMER.buildFrame(WriteMultipleRegistersRequest(address=22, registers=[0x40A0, 0], dev_id=17))
    assert exception(instrument, write) == 2
    write = FRAMER.buildFrame(WriteMultipleRegistersRequest(address=20, registers=[0x43FA, 0], dev_id=17))
    assert exception(instrument, write) == 3


def test_foreign_and_damaged_questions_get_silence() -> None:
    instrument = meter()
    asked = FRAMER.buildFrame(ReadInputRegistersRequest(address=0, count=2, dev_id=17))
    assert instrument.answer(FRAMER.buildFrame(ReadInputRegistersRequest(address=0, count=2, dev_id=18)), 1.0) == b""
    assert instrument.answer(closed(b"\x00\x04\x00\x00\x00\x02"), 1.0) == b""
    damaged = bytearray(asked)
    damaged[3] ^= 1
    assert instrument.answer(bytes(damaged), 1.0) == b""
    assert len(instrument.answer(asked, 9.0)) == 9


def test_questions_in_pieces_and_after_noise() -> None:
    asked = FRAMER.buildFrame(ReadInputRegistersRequest(address=0, count=2, dev_id=17))
    instrument = meter()
    assert b"".join(instrument.answer(bytes([byte]), 1.0) for byte in asked) == meter().answer(asked, 1.0)
    assert len(instrument.answer(b"\x00\x11" + asked, 1.1)) == 9
    assert instrument.answer(asked[:5], 2.0) == b""
    assert len(instrument.answer(asked, 20.0)) == 9
    assert instrument.answer(b"\x11\x10\x00\x00\x00\x00\xff", 30.0) == b""  # a write of 255 bytes that never comes
    assert len(instrument.answer(asked, 40.0)) == 9  # it was forgotten in the silence


def test_two_meters_differ_and_one_repeats_itself() -> None:
    assert read(meter(), 0, 6) == read(meter(), 0, 6)
    assert read(meter(address=17), 0, 6) != read(meter(seed=5), 0, 6)
    assert (
        struct.pack(">f", read(meter(), 0, 2)[0])
        == meter().answer(FRAMER.buildFrame(ReadInputRegistersRequest(address=0, count=2, dev_id=17)), 50.0)[3:7]
    )
