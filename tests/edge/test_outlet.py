"""What an outlet sends, when, and what the broker's answers do to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.edge import outlet as module
from gateway.edge.backlog import OVERHEAD
from gateway.edge.unsettled import LIVE_AGE_S, SLOW_S
from gateway.mqtt.link import Message, PublishRefused
from gateway.wire.entry import Entry, pack
from tests.edge.outlet_bench import Wire, bench

NOT_AUTHORIZED, QUOTA, TOO_LARGE = 0x87, 0x97, 0x95


def refusing(code: int, *parts: str) -> object:
    """Says no to every message whose topic has one of these parts."""

    def refuse(message: Message) -> PublishRefused | None:
        if any(part in message.topic for part in parts):
            return PublishRefused(message.topic, code, "no")
        return None

    return refuse


async def test_fresh_readings_go_out_at_once_on_their_own_topic(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await b.record(3)
        await b.until(lambda: wire.live == [1, 2, 3], "live")
        await b.until(lambda: b.outlet.numbers.unconfirmed == 3, "acknowledged")
        assert wire.batches == []
        assert wire.sent[0][0].topic == "lanna/v1/n/air/d/reading"


async def test_what_waited_goes_out_as_backlog_by_class(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(3)
        await b.record(2, "water")
        b.time += LIVE_AGE_S + 1
        async with b.connected() as wire:
            await b.until(lambda: len(wire.late) == 5, "backlog")
            assert wire.batches == [[1, 2, 3], [4, 5]]
            assert wire.live == []
            await b.record(1)
            await b.until(lambda: wire.live == [6], "live goes on")


async def test_a_short_interruption_keeps_readings_live(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(2)
        b.time += LIVE_AGE_S - 1
        async with b.connected() as wire:
            await b.until(lambda: wire.live == [1, 2], "live")
            assert wire.late == []


async def test_what_a_lost_connection_left_open_is_sent_again(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = Wire()
        first.answers_at_once = False
        async with b.connected(first):
            await b.record(4)
            await b.until(lambda: len(first.live) == 4, "sent")
            first.sent[1][1].set_result(None)
            await asyncio.sleep(0)
        assert b.outlet.counters.returned == 3
        async with b.connected() as wire:
            await b.until(lambda: len(wire.late) == 3, "again")
            assert wire.late == [1, 3, 4]


async def test_backlog_that_was_not_answered_is_sent_again_whole(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for _ in range(20):
            await b.record(3)
            await b.record(2, "water")
        b.time += 60
        first = Wire(maximum_packet=500)
        first.answers_at_once = False
        async with b.connected(first):
            await b.until(lambda: len(first.batches) == 16, "the window fills")
            first.sent[3][1].set_result(None)
            await b.until(lambda: len(first.batches) == 17, "and moves on")
            assert b.outlet.unsettled == 100
        kept = set(first.batches[3])
        async with b.connected() as wire:
            await b.until(lambda: len(wire.late) >= 100 - len(kept), "again")
            assert sorted(wire.late) == sorted(set(range(1, 101)) - kept)
            assert b.outlet.unsettled == 100


async def test_the_window_bounds_what_is_open(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        wire = Wire(receive_maximum=20)
        wire.answers_at_once = False
        async with b.connected(wire):
            await b.record(100)
            await b.until(lambda: len(wire.sent) >= 10, "the window fills")
            await b.turn()
            assert len(wire.sent) == 10, "10 of 20 places are kept for backlog"
            for _, future in list(wire.sent):
                future.set_result(None)
            await b.until(lambda: len(wire.sent) == 20, "and moves on")


async def test_batches_respect_the_smaller_packet(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(50)
        b.time += 60
        async with b.connected(Wire(maximum_packet=1000)) as wire:
            await b.until(lambda: len(wire.late) == 50, "backlog")
            assert max(len(m.payload) for m, _ in wire.sent) <= 1000 - OVERHEAD + 100
            assert len(wire.batches) >= 5


async def test_a_throttle_spaces_backlog_and_leaves_live_readings_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, late_per_s=100) as b:
        await b.record(20)
        b.time += 60
        async with b.connected(Wire(maximum_packet=400)) as wire:
            await b.until(lambda: len(wire.late) >= 1, "the first batch")
            await b.record(5)
            await b.until(lambda: len(wire.live) == 5, "live")
            assert len(wire.late) < 20
            await b.until(lambda: len(wire.late) == 20, "all in the end")


async def test_with_confirm_broker_the_acknowledgement_settles(tmp_path: Path) -> None:
    async with bench(tmp_path, "broker") as b, b.connected() as wire:
        await b.record(3)
        await b.until(lambda: len(wire.live) == 3 and b.outlet.unsettled == 0, "settled")
        assert b.spool.settled("main").ranges() == [(1, 3)]


async def test_a_refused_class_keeps_no_other_waiting(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for _ in range(50):
            await b.record(1, "air")
            await b.record(1, "water")
        b.time += 60
        wire = Wire()
        wire.refuse = refusing(NOT_AUTHORIZED, "/air/")  # type: ignore[assignment]
        async with b.connected(wire):
            await b.until(lambda: len(wire.taken) == 1, "water's batch")
            await b.record(1, "water")
            await b.record(1, "air")
            await b.until(lambda: len(wire.taken) == 2, "water's live reading")
            await b.turn()
            attempts = [message.topic for message, _ in wire.sent if "/air/" in message.topic]
            assert attempts == ["lanna/v1/n/air/backlog", "lanna/v1/n/air/d/reading"], "asked once, and not again"
            assert b.outlet.counters.refused == {"no": 51}
            assert b.outlet.unsettled == 102
            wire.refuse = lambda message: None
            b.time += 301
            await b.record(1, "air")
            await b.until(lambda: b.outlet.numbers.unconfirmed == 103, "everything, once it may")


async def test_refusals_are_tried_ever_more_rarely(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(1)
        b.time += 60
        wire = Wire()
        wire.refuse = refusing(QUOTA, "backlog")  # type: ignore[assignment]
        async with b.connected(wire):
            for seconds, expected in ((0, 1), (4, 1), (2, 2), (6, 2), (5, 3), (19, 3), (2, 4)):
                b.time += seconds
                await b.record(0)
                b.outlet._set_ready()
                await b.turn(10)
                assert len(wire.sent) == expected


async def test_a_poisoned_entry_is_declared_lost_and_stops_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await b.record(1)
        b.spool.append(b"\xc1 no entry")
        await b.record(1)
        await b.until(lambda: wire.live == [1, 3], "live goes on")
        await b.until(lambda: b.spool.losses == {"unreadable": [(2, 2)]}, "declared")
        assert b.outlet.unsettled == 2
    async with bench(tmp_path / "late") as b:
        await b.record(1)
        b.spool.append(b"")
        await b.record(1)
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: wire.late == [1, 3], "backlog goes on")
            await b.until(lambda: b.spool.losses == {"unreadable": [(2, 2)]}, "declared")


async def test_a_reading_too_large_for_the_broker_is_declared_lost(tmp_path: Path) -> None:
    def refuse(message: Message) -> PublishRefused | None:
        return PublishRefused(message.topic, TOO_LARGE, "large") if len(message.payload) > 900 else None

    async with bench(tmp_path) as b:
        await b.record(30)
        large = Entry("air", "d", 1_774_000_000_000, 1, "boot", True, {f"pm{n}": 1.0 for n in range(200)})
        b.spool.append(pack(large))
        await b.record(30)
        b.time += 60
        wire = Wire()
        wire.refuse = refuse
        async with b.connected(wire):
            await b.until(lambda: b.spool.losses == {"too large": [(31, 31)]}, "declared")
            await b.until(lambda: b.outlet.numbers.unconfirmed == 60, "all others, in smaller batches")
            b.spool.append(pack(large))
            await b.spool.flush()
            await b.until(lambda: b.spool.losses == {"too large": [(31, 31), (62, 62)]}, "live too")


async def test_what_ends_every_connection_is_found_and_left_out(tmp_path: Path) -> None:
    """A broker without a word for "too large" hangs up."""
    async with bench(tmp_path) as b:
        await b.record(40)
        large = Entry("air", "d", 1_774_000_000_000, 1, "boot", True, {f"pm{n}": 1.0 for n in range(200)})
        b.spool.append(pack(large))
        await b.record(40)
        b.time += 60
        taken: set[int] = set()
        for _ in range(60):
            wire = Wire()
            wire.answers_at_once = False
            async with b.connected(wire):
                for _ in range(100):
                    await b.turn(1)
                    for message, future in wire.sent:
                        if len(message.payload) > 900:
                            break
                        if not future.done():
                            future.set_result(None)
                    else:
                        continue
                    break
            taken = {number for first, last in b.outlet.numbers.taken_once.all().ranges() for number in (first, last)}
            if b.outlet.numbers.unconfirmed == 80:
                break
        assert b.outlet.numbers.unconfirmed == 80, taken
        assert b.outlet.unsettled == 81, "it is kept, and tried again later"
        assert ("send-failing", {"count": 1}) in b.events
        b.time += SLOW_S + 1
        async with b.connected() as wire:
            await b.until(lambda: wire.late == [41], "an hour later")


async def test_numbers_without_a_time_wait_for_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.times.undecided = {2, 5}
        await b.record(3)
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: wire.late == [1, 3], "what has a time")
            await b.record(2)
            await b.until(lambda: wire.live == [4], "live too")
            assert len(b.outlet.numbers.undated) == 2
            b.times.decide()
            await b.until(lambda: wire.late == [1, 3, 2, 5], "once it is known")
            assert not b.outlet.numbers.undated


async def test_a_time_that_becomes_known_while_it_is_read_is_not_missed(tmp_path: Path) -> None:
    async def in_thread(function: object, *arguments: object) -> object:
        found = function(*arguments)  # type: ignore[operator]  # what asyncio.to_thread takes
        b.times.decide()
        return found

    async with bench(tmp_path, in_thread=in_thread) as b:
        b.times.undecided = {1}
        await b.record(1)
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: wire.late == [1], "published")


async def test_a_disk_that_cannot_be_read_for_a_moment_is_read_later(tmp_path: Path) -> None:
    failures = [OSError(24, "too many open files")]

    async def in_thread(function: object, *arguments: object) -> object:
        if failures:
            raise failures.pop()
        return function(*arguments)  # type: ignore[operator]  # what asyncio.to_thread takes

    module._DISK_PAUSE_S, before = 0.01, module._DISK_PAUSE_S
    try:
        async with bench(tmp_path, in_thread=in_thread) as b:
            await b.record(3)
            b.time += 60
            async with b.connected() as wire:
                await b.until(lambda: wire.late == [1, 2, 3], "read at the second attempt")
    finally:
        module._DISK_PAUSE_S = before


async def test_what_the_spool_had_to_drop_is_not_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path, max_bytes=1 << 17) as b:
        for _ in range(60):
            await b.record(50)
        assert b.spool.losses["spool bound"]
        (first, last) = b.spool.losses["spool bound"][0]
        assert (first, b.outlet.unsettled) == (1, 3000 - last)
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: len(wire.late) == 3000 - last, "the rest")
            assert b.outlet.unsettled == 3000 - last


async def test_a_restart_sends_what_was_not_settled(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await b.record(5)
        await b.until(lambda: len(wire.live) == 5, "sent")
        b.hear(2)
        await b.spool.flush()
    async with bench(tmp_path) as b, b.connected() as wire:
        await b.until(lambda: len(wire.late) == 3, "again")
        assert wire.late == [3, 4, 5]


async def test_drained_returns_when_all_is_settled(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected():
        await b.record(3)
        waiting = asyncio.create_task(b.outlet.drained())
        await b.until(lambda: b.outlet.numbers.unconfirmed == 3, "sent")
        b.hear(2)
        await b.turn(5)
        assert not waiting.done()
        b.hear(3)
        await asyncio.wait_for(waiting, 5)
