"""Times of one device rise, whatever befalls clock, process and power between two readings."""

from __future__ import annotations

from pathlib import Path

from gateway.wire.times import SECOND
from tests.edge.machine import Machine, Node, running

YEAR_S = 365 * 86_400.0


async def test_times_rise_over_restarts_with_a_clock_that_went_back(tmp_path: Path) -> None:
    machine = Machine()
    machine.set(machine.true_ns)
    async with running(tmp_path, machine, believes=True) as node:
        for device in ("air-1", "water-1"):
            node.record(device)
        published = node
        await node.tick()
        await node.publish()
        node.spool.settle("main", 1, 2)
    for _ in range(3):
        machine.reboot(5, machine.true_ns - 3600 * SECOND)
        async with running(tmp_path, machine, believes=True) as node:
            node.published, node.entries = published.published, published.entries
            await node.tick()
            node.record("air-1")
            await node.tick()
            await node.publish()
            node.check_rising()
            node.spool.settle("main", 1, node.spool.next - 1)
            published = node
    assert len(published.published) == 5


async def settle_all(node: Node) -> None:
    """Everything is published and settled: at the next start the spool has no tail to tell of it."""
    assert await node.publish() == []
    node.spool.settle("main", 1, node.spool.committed)
    await node.spool.flush()


async def test_what_is_dated_late_is_above_what_an_earlier_boot_published(tmp_path: Path) -> None:
    machine = Machine()
    machine.set(machine.true_ns + 3600 * SECOND)
    async with running(tmp_path, machine, believes=True) as node:
        node.record()
        await node.publish()
        published, entries = node.published, node.entries
    machine.reboot(60)
    async with running(tmp_path, machine) as node:
        node.published, node.entries = published, entries
        for _ in range(3):
            node.record()
            node.machine.advance(1)
        machine.sync()
        node.record()
        await node.tick()
        assert await node.publish() == []
        node.check_rising()
        assert len(node.published) == 5


async def test_times_rise_when_the_clock_is_set_back_while_no_process_runs(tmp_path: Path) -> None:
    machine = Machine()
    machine.sync(error_s=40)
    node = Node(tmp_path, machine)
    await node.tick()
    for _ in range(5):
        machine.advance(1)
        node.record()
    await settle_all(node)
    node.kill()
    machine.advance(1)
    machine.sync()
    node.start()
    assert node.spool.pending("main") == []
    machine.advance(1)
    for device in ("air-1", "air-2"):
        node.record(device)
    await node.publish()
    await node.stop()
    node.check_rising()


async def test_times_rise_over_a_power_cut_with_a_clock_that_was_saved_before_it(tmp_path: Path) -> None:
    machine = Machine()
    machine.set(machine.true_ns)
    node = Node(tmp_path, machine, believes=True)
    for _ in range(25):
        machine.advance(1)
        node.record()
        await node.tick()
    await settle_all(node)
    node.kill()
    machine.reboot(15, machine.true_ns - 20 * SECOND)
    node.start()
    node.record()
    await node.publish()
    await node.stop()
    node.check_rising()


async def test_the_tail_of_the_spool_tells_only_of_its_own_devices(tmp_path: Path) -> None:
    machine = Machine()
    machine.set(machine.true_ns + 3600 * SECOND)
    async with running(tmp_path, machine, believes=True) as node:
        node.record("air-1")
        machine.step(-3600)
        node.record("air-2")
        await node.tick()
    async with running(tmp_path, machine, believes=True) as node:
        machine.advance(1)
        ahead, right = node.record("air-1"), node.record("air-2")
        await node.tick()
        await node.publish()
        assert round(node.error_ms(right)) == 0
        assert round(node.error_ms(ahead) / 1000) == 3599
