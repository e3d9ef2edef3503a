"""pymodbus both ways: its server is a meter that our station reads, its client reads our simulated meters."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.core.polling import Round
from drivers.core.registry import find
from gateway.edge.polled import PolledStation
from gateway.edge.station import DeviceSpec
from gateway.ports import Bus, open_port
from gateway.ports.ticks import SystemTicks
from tests.edge.field import Ear, living
from tests.ports.waiting import until

Types = ModbusClientMixin.DATATYPE
FLOAT, INT32, UINT32, UINT64, INT16, UINT16 = (
    *(Types.FLOAT32, Types.INT32, Types.UINT32, Types.UINT64, Types.INT16, Types.UINT16),
)
# Of each meter: word order, and of some quantities register, type, raw number, and value in the vocabulary's unit.
# Registers and scales are typed from the makers' documents, not taken from our maps.
METERS: dict[str, tuple[str, dict[str, tuple[int, Any, float, float]]]] = {
    "eastron-sdm120": (
        "big",
        {
            "voltage": (0x0000, FLOAT, 231.25, 231.25),
            "active_power": (0x000C, FLOAT, -1234.5, -1234.5),
            "frequency": (0x0046, FLOAT, 49.98, 49.98),
            "energy_import": (0x0048, FLOAT, 10675.25, 10675.25),
        },
    ),
    "chint-ddsu666": (
        "big",
        {
            "voltage": (0x2000, FLOAT, 229.5, 229.5),
            "active_power": (0x2004, FLOAT, 1.25, 1250.0),
            "energy_import": (0x4000, FLOAT, 77.5, 77.5),
        },
    ),
    "carlogavazzi-em340": (
        "little",
        {
            "voltage_l1": (0x0000, INT32, 2331, 233.1),
            "active_power": (0x0028, INT32, -23456, -2345.6),
            "power_factor": (0x0031, INT16, -987, -0.987),
            "energy_import": (0x0034, INT32, 7_000_001, 700_000.1),
        },
    ),
    "abb-b2x": (
        "big",
        {
            "voltage_l1": (0x5B00, UINT32, 2304, 230.4),
            "active_power": (0x5B14, INT32, -150_025, -1500.25),
            "frequency": (0x5B2C, UINT16, 5001, 50.01),
            "energy_import": (0x5000, UINT64, 12_345_678_901, 123_456_789.01),
        },
    ),
}


class Clock(SystemTicks):
    def wall_ns(self) -> int:
        return time.time_ns()


@pytest.mark.parametrize("name", METERS)
async def test_our_station_reads_a_meter_of_pymodbus(name: str) -> None:
    order, facts = METERS[name]
    registers = [0] * 0x6000
    for at, kind, raw, _ in facts.values():
        words = ModbusClientMixin.convert_to_registers(raw, kind, word_order=order)  # type: ignore[arg-type]
        registers[at : at + len(words)] = words
    device = SimDevice(id=1, simdata=[SimData(address=0, values=registers, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, framer=FramerType.RTU, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        port = server.transport.sockets[0].getsockname()[1]
        driver, ear = find(name), Ear()
        url = f"tcp://127.0.0.1:{port}"
        bus = Bus("bus", lambda: open_port(url, driver.line), driver.line)
        options = {key: option.default for key, option in driver.options.items()}
        spec = DeviceSpec("meter", 0.5, address=1, options=options)
        async with living(PolledStation(spec, driver, bus, Clock(), ear.emit, ear.on_state)):
            await until(lambda: ear.reports, 10)
        await bus.close()
    finally:
        await server.shutdown()
    values = ear.reports[0].decoded.values
    assert {key: values[key] for key in facts} == pytest.approx({key: fact[3] for key, fact in facts.items()})


@pytest.mark.parametrize("name", METERS)
def test_pymodbus_reads_our_simulated_meter_as_our_driver_does(name: str) -> None:
    order, facts = METERS[name]
    driver = find(name)
    framer, instrument, t = FramerRTU(DecodePDU(False)), driver.simulate(5, 1), 1234.0
    one = Round.of(driver.kind, 1, {key: option.default for key, option in driver.options.items()})
    while (request := one.request) is not None:
        assert one.feed(instrument.answer(request.data, t))
    ours = one.result().values
    function = one.exchanges[0][0].data[1]
    asking = ReadHoldingRegistersRequest if function == 3 else ReadInputRegistersRequest
    for key, (at, kind, raw, value) in facts.items():
        asked = framer.buildFrame(asking(address=at, count=kind.value[1], dev_id=1))
        _, pdu = framer.handleFrame(instrument.answer(asked, t), 1, 0)
        theirs = ModbusClientMixin.convert_from_registers(pdu.registers, kind, word_order=order)  # type: ignore[arg-type]
        assert ours[key] == pytest.approx(theirs * value / raw, rel=1e-6), key


async def test_the_background_server_ends() -> None:
    """Nothing of another test's server is left."""
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
