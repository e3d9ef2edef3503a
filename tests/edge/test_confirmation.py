"""What the ledger's word does to numbers: settled, sent again, declared lost, or called something else."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import pytest

from gateway.wire.payload import SETTLED_BEFORE, SpoolSettled, Stored
from tests.edge.outlet_bench import bench, sent


async def test_only_the_ledger_settles(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await sent(b, wire, 5)
        assert b.spool.pending("main") == [(1, 5)]
        b.hear(3)
        assert b.spool.pending("main") == [(4, 5)]
        assert b.outlet.unsettled == 2
        b.hear(2, is_news=False)
        assert b.spool.pending("main") == [(4, 5)], "a retained message may be old"
        assert wire.late == []


async def test_what_is_stored_need_not_be_sent(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(6)
        b.hear(4)
        assert b.outlet.unsettled == 2
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: wire.late == [5, 6], "the rest")


async def test_missing_numbers_are_sent_again_once_they_are_due_and_no_others(tmp_path: Path) -> None:
    async with bench(tmp_path, resend_after_s=60.0) as b, b.connected() as wire:
        await sent(b, wire, 6)
        b.hear(1, (2, 3))
        await b.turn()
        assert b.outlet.word.resent == 0, "the ledger may still be writing them"
        b.time += 70
        b.hear(1, (2, 3))
        await b.until(lambda: wire.late == [2, 3], "sent again")
        assert b.outlet.word.resent == 2
        assert b.outlet.unsettled == 5


async def test_the_ledger_need_not_repeat_what_it_misses(tmp_path: Path) -> None:
    """It speaks when something changes, and that was before the numbers were due."""
    async with bench(tmp_path, resend_after_s=60.0) as b, b.connected() as wire:
        await sent(b, wire, 6)
        b.hear(1, (2, 3))
        b.outlet.word.review()
        assert b.outlet.word.resent == 0
        b.time += 70
        b.outlet.word.review()
        await b.until(lambda: wire.late == [2, 3], "sent again")
        b.time += 70
        b.hear(6)
        b.outlet.word.review()
        await b.turn()
        assert wire.late == [2, 3]


async def test_a_claim_that_went_too_far_settles_nothing_later(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected():
        await b.record(2)
        b.hear(100, (90, 95))
        await b.record(100)
        b.time += 1000
        b.outlet.word.review()
        assert b.spool.settled("main").ranges() == [(1, 2)]


async def test_what_was_not_sent_yet_is_not_missing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(6)
        b.time += 1000
        b.hear(0, (1, 6))
        assert b.outlet.word.resent == 0
        assert b.outlet.unsettled == 6


async def test_after_three_times_it_is_sent_hourly_and_an_event_says_so(tmp_path: Path) -> None:
    async with bench(tmp_path, resend_after_s=60.0) as b, b.connected() as wire:
        await sent(b, wire, 3)
        sendings = []
        for minute in range(400):
            b.time += 60
            before = len(wire.late)
            b.hear(1, (2, 2))
            await b.turn(3)
            if len(wire.late) > before:
                sendings.append(minute + 1)
        assert len(sendings) == pytest.approx(7, abs=1), "twice soon, then hourly"
        assert sendings[1] <= 4
        assert all(55 <= later - earlier <= 72 for earlier, later in itertools.pairwise(sendings[2:]))
        assert b.events == [("resend-failing", {"first": 2, "last": 2})]
        b.hear(2)
        b.hear(3)
        assert b.outlet.unsettled == 0


async def test_a_ledger_that_claims_too_much_settles_only_what_exists(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(2)
        b.outlet.word.hear(Stored("led", {b.spool.id: SpoolSettled(10**12), "00000000": SpoolSettled(5)}), is_news=True)
        assert b.spool.settled("main").ranges() == [(1, 2)]


@pytest.mark.parametrize("missing", [(-5, -1), (0, 0), (5, 2), (-3, 10**30)])
async def test_ranges_that_are_none_do_no_harm(tmp_path: Path, missing: tuple[int, int]) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await sent(b, wire, 3)
        b.time += 1000
        b.hear(-7, missing)
        b.hear(1, missing)
        assert b.spool.settled("main").ranges() == [(1, 1)]


async def test_a_new_ledger_gets_everything_still_held(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await sent(b, wire, 6)
        b.hear(4, ledger="old")
        b.hear(0, ledger="new")
        await b.until(lambda: wire.late == [1, 2, 3, 4, 5, 6], "all again")
        b.hear(6, ledger="new")
        assert b.outlet.unsettled == 0
    async with bench(tmp_path) as b:
        assert b.eras.ledger("main") == "new"
        b.hear(6, ledger="new")
        assert b.outlet.unsettled == 0, "the same ledger as before the restart"


async def test_a_new_ledger_after_a_restart_gets_everything_still_held(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        await sent(b, wire, 6)
        b.hear(4, ledger="old")
    async with bench(tmp_path) as b, b.connected() as wire:
        b.hear(0, (1, 6), ledger="new")
        await b.until(lambda: wire.late == [1, 2, 3, 4, 5, 6], "all again")
        assert b.outlet.word.declared() == {}, "nothing of it is lost"


async def test_a_ledger_that_fell_back_gets_everything_still_held(tmp_path: Path) -> None:
    """Its file was restored from a copy: the same id, and less in it."""
    async with bench(tmp_path) as b, b.connected() as wire:
        await sent(b, wire, 6)
        b.hear(5)
        b.hear(2)
        await b.until(lambda: wire.late == [3, 4, 5, 6], "sent again")
        assert b.spool.pending("main") == [(3, 6)]


async def test_what_is_lost_is_declared_until_the_ledger_has_passed_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(9)
        b.spool.declare(3, 4, "damaged")
        b.spool.declare(7, 7, "too large")
        await b.spool.flush()
        declared = {b.spool.id: [(3, 4, "damaged"), (7, 7, "too large")]}
        assert b.outlet.word.declared() == declared
        b.hear(3)
        assert b.outlet.word.declared() == {b.spool.id: [(4, 4, "damaged"), (7, 7, "too large")]}
        b.hear(7)
        assert b.outlet.word.declared() == {}
        b.hear(0, ledger="new")
        assert b.outlet.word.declared() == declared


async def test_what_only_an_earlier_ledger_had_is_declared_as_such(tmp_path: Path) -> None:
    async with bench(tmp_path, max_bytes=1 << 17) as b, b.connected():
        for _ in range(4):
            await b.record(300)
            await b.until(lambda: b.outlet.numbers.unconfirmed + 0 == len(b.outlet.numbers), "taken")
            b.hear(b.spool.committed - 2)
        assert b.spool.first > 1
        gone = b.spool.first - 1
        b.hear(0, (1, b.spool.committed), ledger="new")
        assert b.outlet.word.declared() == {b.spool.id: [(1, gone, SETTLED_BEFORE)]}
        b.hear(gone, ledger="new")
        assert b.outlet.word.declared() == {}


async def test_with_confirm_broker_what_the_ledger_misses_is_declared(tmp_path: Path) -> None:
    async with bench(tmp_path, "broker") as b, b.connected() as wire:
        await b.record(5)
        await b.until(lambda: b.outlet.unsettled == 0, "settled by the broker's word")
        b.hear(2, (3, 4))
        assert b.outlet.word.declared() == {b.spool.id: [(3, 4, "broker's word only")]}
        assert wire.late == []
        b.hear(5)
        assert b.outlet.word.declared() == {}


async def test_what_is_declared_is_bounded_and_gets_its_turn(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.record(2000)
        for number in range(1, 2000, 2):
            b.spool.declare(number, number, "damaged")
        await b.spool.flush()
        rows = b.outlet.word.declared()[b.spool.id]
        assert [row[0] for row in rows] == list(range(1, 1000, 2))
        b.hear(999)
        assert b.outlet.word.declared()[b.spool.id][0] == (1001, 1001, "damaged")


# Another life of the card.


async def test_silence_after_publishing_is_noticed_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(tmp_path) as b, b.connected() as wire:
        b.time += 1000
        assert not b.outlet.word.is_silent(), "nothing was published"
        await sent(b, wire, 1)
        b.time += 299
        assert not b.outlet.word.is_silent()
        with caplog.at_level(logging.WARNING):
            b.time += 2
            assert b.outlet.word.is_silent()
            assert b.outlet.word.is_silent()
        assert len(caplog.records) == 1
        b.hear(1)
        assert not b.outlet.word.is_silent()
        b.time += 1000
        assert not b.outlet.word.is_silent()


async def test_with_confirm_broker_silence_is_no_matter(tmp_path: Path) -> None:
    async with bench(tmp_path, "broker") as b, b.connected():
        await b.record(1)
        await b.until(lambda: b.outlet.unsettled == 0, "settled")
        b.time += 1000
        assert not b.outlet.word.is_silent()
