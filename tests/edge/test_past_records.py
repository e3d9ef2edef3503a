"""Records from a device's own log: they keep their times, go out late, and leave the times of live readings alone."""

from __future__ import annotations

from pathlib import Path

from gateway.wire.entry import Entry, pack
from gateway.wire.times import MS, SECOND, parse_time
from tests.edge.machine import Machine, Node
from tests.edge.outlet_bench import bench

HOUR_NS = 3600 * SECOND


def past(node: Node, at_ns: int, mono_ns: int, *, has_own_time: bool) -> int:
    return node.recorder.reading("air-1", at_ns, mono_ns, {"pm2_5": 1.0}, {}, is_past=True, has_own_time=has_own_time)


def synced() -> Machine:
    machine = Machine()
    machine.sync()
    return machine


async def test_records_keep_their_times_and_may_go_back(tmp_path: Path) -> None:
    machine = synced()
    node = Node(tmp_path, machine)
    live = node.record("air-1")
    logged = [past(node, machine.true_ns - hours * HOUR_NS, 0, has_own_time=True) for hours in (1, 2, 3, 2)]
    aged = past(node, 0, machine.mono_ns() - HOUR_NS, has_own_time=False)
    machine.advance(1)
    after = node.record("air-1")
    assert await node.publish() == []
    at = {seq: parse_time(t) for seq, t in node.published.items() if t is not None}
    assert [at[seq] - at[live] for seq in (*logged, aged)] == [-h * HOUR_NS for h in (1, 2, 3, 2, 1)]
    assert abs(at[after] - at[live] - SECOND) <= MS
    await node.stop()


async def test_a_device_clock_in_the_future_does_not_move_live_readings_after_a_restart(tmp_path: Path) -> None:
    machine = synced()
    node = Node(tmp_path, machine)
    node.record("air-1")
    past(node, machine.true_ns + 24 * HOUR_NS, machine.mono_ns(), has_own_time=True)
    await node.spool.flush()
    node.kill()
    machine.advance(60)
    node.start()
    seq = node.record("air-1")
    await node.publish()
    assert abs(node.error_ms(seq)) <= 1
    assert node.dating.crept == 0
    await node.stop()


async def test_an_age_waits_for_the_clock_and_a_time_of_its_own_does_not(tmp_path: Path) -> None:
    machine = Machine()
    node = Node(tmp_path, machine)
    machine.advance(HOUR_NS / SECOND)
    aged = past(node, 0, machine.mono_ns() - HOUR_NS // 2, has_own_time=False)
    own = past(node, machine.true_ns - HOUR_NS, 0, has_own_time=True)
    assert await node.publish() == [aged]
    assert parse_time(node.published[own] or "") == machine.true_ns - HOUR_NS
    taken_ns = machine.true_ns - HOUR_NS // 2
    machine.sync()
    await node.tick()
    assert await node.publish() == []
    assert abs(parse_time(node.published[aged] or "") - taken_ns) <= MS
    await node.stop()


async def test_they_go_out_late_even_when_they_are_fresh(tmp_path: Path) -> None:
    async with bench(tmp_path, "broker") as made, made.connected() as wire:
        for number in range(4):
            is_past = number % 2 == 1
            entry = Entry("air", "d", 1_774_000_000_000, 1, "boot", True, {"pm2_5": 1.0}, is_past=is_past)
            made.spool.append(pack(entry))
        await made.spool.flush()
        await made.until(lambda: len(wire.taken) >= 3 and made.outlet.unsettled == 0, "everything is settled")
        assert wire.live == [1, 3]
        assert sorted(wire.late) == [2, 4]
