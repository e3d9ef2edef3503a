"""Simulated instruments on real ptys, read by our ports and by a Modbus client that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pymodbus.client import ModbusSerialClient

from drivers.core.contract import Decoded
from drivers.core.listening import Listener
from drivers.core.registry import find
from gateway.ports import PortError, PortLost, open_port
from gateway.sim.faults import Faults, Mangler
from gateway.sim.instrument import SimulatedDevice, SimulatedLine
from tests.ports.waiting import until

PMS = find("plantower-pmsx003")
SDM630 = find("eastron-sdm630")


@asynccontextmanager
async def running(line: SimulatedLine) -> AsyncIterator[SimulatedLine]:
    task = asyncio.create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def read_to_the_end(port) -> None:
    while True:
        await port.read()


async def listen(line: SimulatedLine, listener: Listener, count: int) -> list[Decoded]:
    """Open the line, read `count` readings, close it."""
    port = await open_port(line.path, PMS.line)
    readings: list[Decoded] = []
    async with asyncio.timeout(10):
        while len(readings) < count:
            readings += [item for item in listener.feed(await port.read()) if isinstance(item, Decoded)]
    await port.close()
    return readings


async def test_every_reading_owed_is_read_and_nobody_listening_is_owed_nothing():
    device = SimulatedDevice(PMS, seed=3, period_s=0.01)
    async with running(SimulatedLine([device])) as line:
        await asyncio.sleep(0.1)
        assert device.owed == 0
        listener = Listener(PMS)
        readings = await listen(line, listener, 30)
        assert [dict(reading.values) for reading in readings] == [
            dict(o.values) for o in list(device.log)[: len(readings)]
        ]
        assert [owed.number for owed in device.log] == list(range(1, device.owed + 1))
        assert listener.rejected == {}
        assert listener.discarded == 0
        # Closed: it falls silent. Opened again: it goes on with a whole frame, nothing stale.
        await asyncio.sleep(0.1)
        owed = device.owed
        await asyncio.sleep(0.05)
        assert device.owed == owed
        again = Listener(PMS)
        readings = await listen(line, again, 3)
        assert dict(readings[0].values) == dict(list(device.log)[owed].values)
        assert again.discarded == 0


async def test_mode_commands_are_answered():
    device = SimulatedDevice(PMS, period_s=0.02)
    async with running(SimulatedLine([device])) as line:
        port = await open_port(line.path, PMS.line)
        await until(lambda: device.owed > 0)
        await port.write(bytes.fromhex("424de100000170"))  # passive mode
        await asyncio.sleep(0.1)
        owed = device.owed
        await port.drain_input()
        await asyncio.sleep(0.1)
        assert device.owed == owed
        await port.write(bytes.fromhex("424de200000171"))  # read
        await until(lambda: device.owed == owed + 1)
        await port.close()


async def test_unplugged_and_plugged_in_again_under_the_same_name(tmp_path):
    link = tmp_path / "usb-sensor"
    device = SimulatedDevice(PMS, period_s=0.01)
    async with running(SimulatedLine([device], link=link)) as line:
        assert line.path == str(link)
        await listen(line, Listener(PMS), 3)
        port = await open_port(line.path, PMS.line)
        await port.read()
        line.unplug()
        with pytest.raises(PortLost):
            await read_to_the_end(port)
        with pytest.raises(PortError) as refused:
            await open_port(line.path, PMS.line)
        assert refused.value.reason == "absent"
        owed = device.owed
        await asyncio.sleep(0.05)
        assert device.owed == owed
        line.replug()
        line.replug()
        await listen(line, Listener(PMS), 3)
        assert device.owed > owed
    assert not link.is_symlink()


async def test_a_modbus_client_that_is_not_ours_reads_the_meters_of_a_bus():
    meters = [SimulatedDevice(SDM630, seed=number, address=number, name=f"meter-{number}") for number in (1, 2)]
    async with running(SimulatedLine(meters)) as line:

        def read() -> list[tuple[float, float]]:
            client = ModbusSerialClient(port=line.path, baudrate=9600, timeout=1, retries=1)
            assert client.connect()
            got = []
            for address in (1, 2):
                values = []
                for start in (0x0000, 0x0034):  # voltage of phase 1, total power
                    reply = client.read_input_registers(start, count=2, device_id=address)
                    assert not reply.isError()
                    values.append(client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32))
                got.append((values[0], values[1]))
            client.close()
            return got

        (volts, watts), (other_volts, other_watts) = await asyncio.to_thread(read)
        assert 210 < volts < 250
        assert 500 < watts < 12_000
        assert (volts, watts) != (other_volts, other_watts)


async def test_a_round_is_owed_when_all_its_questions_were_answered():
    meter = SimulatedDevice(SDM630, seed=1, address=1)
    questions = SDM630.kind.requests(1, {})
    async with running(SimulatedLine([meter])) as line:
        port = await open_port(line.path, SDM630.line)
        for done in range(2):
            for request in questions:
                assert meter.owed == done
                await port.write(request.data)
                got = b""
                async with asyncio.timeout(5):
                    while len(got) < request.reply_bytes:
                        got += await port.read()
            await until(lambda done=done: meter.owed == done + 1)
        assert set(meter.log[0].values) == set(SDM630.quantities)
        meter.is_mute = True
        await port.write(questions[0].data)
        await asyncio.sleep(0.05)
        assert await port.drain_input() == 0
        await port.close()


FRAME = bytes(range(1, 33))


@pytest.mark.parametrize(
    ("faults", "check"),
    [
        (Faults(), lambda s: s.pieces == ((0.0, FRAME),) and s.intact == 1 and s.done == ()),
        (Faults(noise=1), lambda s: s.pieces[-1] == (0.0, FRAME) and s.intact == 1 and len(s.pieces) == 2),
        (Faults(loss=1), lambda s: 29 <= len(s.pieces[0][1]) <= 31 and s.intact == 0),
        (Faults(drop=1), lambda s: s.pieces == () and s.intact == 0),
        (Faults(duplicate=1), lambda s: s.pieces == ((0.0, FRAME),) * 2 and s.intact == 2),
        (Faults(delay=1), lambda s: 0 < s.pieces[0][0] <= 0.05 and s.pieces[0][1] == FRAME and s.intact == 1),
        (Faults(stall=1), lambda s: [w for w, _ in s.pieces] == [0.0, 0.5] and s.intact == 1),
        (Faults(chunk_bytes=1), lambda s: [p for _, p in s.pieces] == [bytes([b]) for b in FRAME] and s.intact == 1),
        (Faults(chunk_bytes=5, stall=1), lambda s: len(s.pieces) == 7 and s.pieces[-1][0] == 0.5),
    ],
)
def test_one_fault_at_a_time(faults, check):
    mangler = Mangler(faults, seed=1)
    for _ in range(50):
        sending = mangler.mangle(FRAME)
        assert check(sending), sending
    assert set(mangler.counts.values()) <= {50}
    assert len(mangler.counts) == len(sending.done)


def test_a_wrong_bit_is_one_bit_and_the_seed_decides():
    first, second = Mangler(Faults(wrong=0.5), seed=7), Mangler(Faults(wrong=0.5), seed=7)
    for _ in range(200):
        sending = first.mangle(FRAME)
        assert sending == second.mangle(FRAME)
        different = sum((a ^ b).bit_count() for a, b in zip(sending.pieces[0][1], FRAME, strict=True))
        assert different == (0 if sending.intact else 1)
    assert 70 < first.counts["wrong"] < 130
    with pytest.raises(ValueError, match="noise"):
        Faults(noise=1.5)


async def test_the_log_counts_only_what_was_whole():
    device = SimulatedDevice(PMS, seed=5, period_s=0.002)
    faults = Faults(noise=0.1, loss=0.1, drop=0.1, wrong=0.1, duplicate=0.1, chunk_bytes=7)
    async with running(SimulatedLine([device], faults=faults, seed=5)) as line:
        listener = Listener(PMS)
        readings = await listen(line, listener, 200)
    owed = [dict(entry.values) for entry in device.log]
    assert [dict(reading.values) for reading in readings] == owed[: len(readings)]
    assert listener.rejected


def test_line_without_a_simulator_is_refused():
    with pytest.raises(ValueError, match="simulated"):
        SimulatedDevice(replace(PMS, simulate=None))
