"""Which time a reading gets, by a clock that may be wrong, over steps and restarts; the spool is a real one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.edge import dating as module
from gateway.spool.errors import SpoolError
from gateway.wire.times import SECOND
from tests.edge.machine import START_NS, Machine, Node, running

YEAR_S = 365 * 86_400.0


async def test_a_trusted_clock_dates_at_once_by_the_last_byte(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.machine.sync()
        node.machine.advance(60)
        seqs = [node.record(age_s=age_s) for age_s in (40.0, 0.25, 0.0)]
        await node.spool.flush()
        assert await node.publish() == []
        assert [round(node.error_ms(seq)) for seq in seqs] == [0, 0, 0]


async def test_booted_in_1970_and_told_the_time_ten_minutes_later(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        for _ in range(600):
            node.record("air-1")
            node.record("water-1")
            await node.wait(1)
        assert len(await node.publish()) == 1200, "nothing is published before the time is known"
        node.machine.sync(error_s=0.3)
        await node.tick()
        assert await node.publish() == []
        assert not any(entry.is_trusted for entry in node.entries.values())
        assert len(node.published) == 1200
        assert max(abs(node.error_ms(seq)) for seq in node.published) <= 302
        node.check_rising()
        assert [step.is_explained for step in node.steps] == [True]


async def test_a_reading_taken_before_the_clock_was_set_and_recorded_after_it_is_dated_right(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.machine.advance(60)
        node.machine.sync()
        seq = node.record(age_s=30)
        await node.tick()
        await node.publish()
        assert round(node.error_ms(seq)) == 0


async def test_trust_outlives_the_network(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.machine.sync()
        node.record()
        node.machine.is_kept = False
        node.machine.advance(86_400)
        seq = node.record()
        await node.tick(is_online=False)
        assert await node.publish() == []
        assert round(node.error_ms(seq)) == 0


async def test_trust_outlives_the_process_in_the_same_boot(tmp_path: Path) -> None:
    machine = Machine()
    machine.sync()
    async with running(tmp_path, machine) as node:
        node.record()
        await node.tick()
    machine.is_kept, machine.mark = False, None
    machine.advance(100)
    async with running(tmp_path, machine) as node:
        seq = node.record()
        await node.tick()
        assert await node.publish() == []
        assert round(node.error_ms(seq)) == 0
    machine.step(-3600)
    async with running(tmp_path, machine) as node:
        assert node.record() in await node.publish() or not node.clock.is_trusted(), "stepped while nobody looked"
        assert node.clock.doubt == "stepped"
    machine.reboot(10, machine.true_ns - 3600 * SECOND)
    async with running(tmp_path, machine) as node:
        assert node.clock.offset_ns() is None, "another boot"


async def test_an_explained_step_keeps_trust_and_the_times_before_it(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.machine.sync(error_s=-40)
        before = node.record()
        await node.wait(10)
        await node.publish()
        node.machine.sync()
        after = node.record()
        await node.tick()
        assert await node.publish() == []
        assert round(node.error_ms(before)) == -40_000
        assert round(node.error_ms(after)) == 0
        assert [(step.by_ns, step.is_explained) for step in node.steps] == [(40 * SECOND, True)]


async def test_stepped_a_year_and_a_day_while_running(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.machine.sync()
        seqs = [node.record()]
        for by_s in (YEAR_S, -86_400.0):
            node.machine.step(by_s)
            seqs += [node.record()]
            await node.wait(5)
            seqs += [node.record()]
        assert await node.publish() == seqs[1:], "readings after a step that nobody explained wait"
        node.machine.sync()
        seqs.append(node.record())
        await node.tick()
        assert await node.publish() == []
        assert max(abs(node.error_ms(seq)) for seq in seqs) <= 3, "those before keep theirs, those after are right"
        node.check_rising()


async def test_a_clock_said_to_be_right_is_believed_over_steps(tmp_path: Path) -> None:
    async with running(tmp_path, believes=True) as node:
        node.machine.set(node.machine.true_ns)
        seqs = [node.record()]
        node.machine.step(YEAR_S)
        seqs.append(node.record())
        node.machine.step(-YEAR_S)
        for _ in range(3):
            node.machine.advance(1)
            seqs.append(node.record())
        await node.tick()
        assert await node.publish() == []
        assert [round(node.error_ms(seq) / 1000) for seq in seqs[:2]] == [0, YEAR_S]
        node.check_rising()
        assert node.dating._times.crept == 3, "after a step back times creep on"


async def test_years_that_cannot_be_are_not_believed_even_if_said_to_be_right(tmp_path: Path) -> None:
    async with running(tmp_path, believes=True) as node:
        for wall_ns, doubt in [
            (0, "unset"),
            (START_NS + round(543.2 * YEAR_S) * SECOND, "buddhist-era"),
            (START_NS + round(43 * YEAR_S) * SECOND, "buddhist-era"),
            (START_NS + round(100 * YEAR_S) * SECOND, "implausible"),
        ]:
            node.machine.set(wall_ns)
            node.record()
            assert node.clock.doubt == doubt
        await node.tick()
        assert len(await node.publish()) == 4
        node.machine.set(node.machine.true_ns)
        await node.tick()
        assert await node.publish() == []
        assert max(abs(node.error_ms(seq)) for seq in node.published) < 5


async def test_another_boot_gives_up_what_the_last_one_left(tmp_path: Path) -> None:
    machine = Machine()
    async with running(tmp_path, machine) as node:
        seqs = [node.record() for _ in range(5)]
        await node.tick()
        assert await node.publish() == seqs
    machine.reboot(60, wall_ns=1000 * SECOND)
    async with running(tmp_path, machine) as node:
        assert await node.publish() == seqs, "not before it is durable"
        new = node.record()
        await node.tick()
        assert await node.publish() == [new]
        assert [node.published[seq] for seq in seqs] == [None] * 5
        machine.sync()
        await node.tick()
        assert await node.publish() == []
        assert round(node.error_ms(new)) == 0


async def test_a_restart_in_the_same_boot_still_dates_what_waits(tmp_path: Path) -> None:
    machine = Machine()
    async with running(tmp_path, machine) as node:
        seqs = [node.record() for _ in range(5)]
        await node.tick()
    machine.advance(30)
    async with running(tmp_path, machine) as node:
        seqs.append(node.record())
        await node.tick()
        assert await node.publish() == seqs
        machine.sync()
        await node.tick()
        assert await node.publish() == []
        node.taken_at |= dict.fromkeys(seqs[:5], START_NS)
        assert max(abs(node.error_ms(seq)) for seq in seqs) <= 5
        node.check_rising()


async def test_a_node_that_nobody_tells_the_time_gives_up_and_goes_on_live(tmp_path: Path) -> None:
    async with running(tmp_path, wait_s=900) as node:
        first = node.record()
        await node.wait(890)
        assert await node.publish() == [first]
        await node.wait(20)
        assert await node.publish() == []
        assert node.published[first] is None
        for count in range(1000):
            seq = node.record()
            await node.tick()
            if count % 100 == 0:
                assert await node.publish() == []
                assert node.published[seq] is None
        assert node.dating.undated == 1001
        assert len(node.spool.notes()) < 12, "few notes for many readings"
        node.machine.sync()
        seq = node.record()
        await node.tick()
        await node.publish()
        assert round(node.error_ms(seq)) == 0
        node.machine.step(100)
        node.record()
        while node.record() <= node.dating._upto:
            pass
        await node.tick()
        assert await node.publish() != [], "waits again after trust was there once more"


async def test_only_time_online_counts_and_a_link_may_bring_the_time(tmp_path: Path) -> None:
    async with running(tmp_path, wait_s=900) as node:
        seqs = [node.record()]
        await node.wait(3600, is_online=False)
        await node.wait(899)
        await node.wait(3600, is_online=False)
        seqs.append(node.record())
        await node.wait(50)
        assert await node.publish() == seqs, "just online again"
        node.machine.sync()
        await node.tick()
        assert await node.publish() == []
        assert max(abs(node.error_ms(seq)) for seq in seqs) <= 1


async def test_giving_up_outlives_the_process(tmp_path: Path) -> None:
    machine = Machine()
    async with running(tmp_path, machine, wait_s=0) as node:
        node.record()
        await node.tick()
        assert await node.publish() == []
    async with running(tmp_path, machine, wait_s=900) as node:
        for _ in range(3 * module.AHEAD):
            seq = node.record()
            await node.tick()
        assert await node.publish() == []
        assert node.published[seq] is None


async def test_nothing_is_published_before_its_decision_is_durable(tmp_path: Path) -> None:
    machine = Machine()
    node = Node(tmp_path, machine)
    seq = node.record()
    await node.spool.flush()
    machine.sync()
    await node.tick(commit=False)
    assert await node.publish(commit=False) == [seq]
    assert node.decided == 0
    node.kill()
    machine.reboot(10)
    async with running(tmp_path, machine) as node:
        await node.tick()
        assert await node.publish() == []
        assert node.published[seq] is None, "a power cut came between; nobody had seen another time"


async def test_a_full_book_of_notes_keeps_readings_waiting(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        seq = node.record()
        note, full = node.spool.note, SpoolError("too many notes", str(tmp_path), "")

        def refuse(*_: object) -> int:
            raise full

        node.spool.note = refuse  # type: ignore[method-assign]  # the disk of the test is not that small
        node.machine.sync()
        later = node.record()
        await node.tick()
        assert await node.publish() == [seq, later]
        node.spool.note = note  # type: ignore[method-assign]
        await node.tick()
        assert await node.publish() == []
        node.check_rising()
        assert max(abs(node.error_ms(each)) for each in (seq, later)) <= 1


async def test_the_loop_looks_by_itself_and_tells_of_steps(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        told: list[object] = []
        decided = asyncio.Event()
        node.dating.on_decided(decided.set)
        seq = node.record()
        node.machine.sync()
        task = asyncio.create_task(node.dating.run(lambda: True, told.append))
        async with asyncio.timeout(5):
            await decided.wait()
        task.cancel()
        assert await node.publish() == []
        assert round(node.error_ms(seq)) == 0
        assert len(told) == 1
