"""A card that had another life: what the ledger knows and it does not, and the names its numbers get."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.edge import confirmation as module
from gateway.spool.eras import MAX_ERAS
from gateway.wire.payload import SpoolSettled, Stored
from tests.edge.outlet_bench import Bench, Wire, bench, sent


async def put_back(path: Path, count: int, stored: int) -> None:
    """A spool whose first `count` numbers are sent and `stored` of them settled."""
    async with bench(path) as b, b.connected() as wire:
        await sent(b, wire, count)
        b.hear(stored)


async def checked(b: Bench) -> bool:
    async with asyncio.timeout(5):
        return await b.outlet.check()


async def test_a_card_put_back_uses_no_number_twice_and_loses_nothing(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 2)
    async with bench(tmp_path) as b:
        old = b.spool.id
        await b.record(3)
        b.hear(9)
        assert await checked(b)
        new = b.eras.current.id
        assert new != old
        async with b.connected() as wire:
            await b.until(lambda: len(wire.names) == 3, "what was recorded since")
            await b.record(1)
            await b.until(lambda: len(wire.names) == 4, "and what follows")
            assert wire.names == {(new, 1), (new, 2), (new, 3), (new, 4)}
        assert b.spool.settled("main").ranges() == [(1, 4)]
        assert b.eras.held() == {old: (5, 5), new: (1, 5)}, "both are announced, the old one with nothing left"
        assert ("spool-renewed", {"old": old, "new": new}) in b.events
    async with bench(tmp_path) as b:
        assert b.eras.current.id == new, "it keeps the new id"


async def test_what_was_sent_and_not_stored_before_the_copy_keeps_its_name(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 1)
    async with bench(tmp_path) as b:
        await b.record(1)
        b.hear(2, (3, 4), next=8)
        assert await checked(b)
        b.time += 60
        async with b.connected() as wire:
            new = b.eras.current.id
            await b.until(lambda: len(wire.names) == 3, "sent")
            assert wire.names == {(b.spool.id, 3), (b.spool.id, 4), (new, 1)}


async def test_what_only_the_other_life_knew_is_declared_and_the_old_spool_let_go(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 4)
    async with bench(tmp_path) as b:
        old = b.spool.id
        b.hear(5, (6, 8), next=9)
        assert await checked(b)

        def hear_old(upto: int, *missing: tuple[int, int]) -> None:
            b.outlet.word.hear(Stored("led", {old: SpoolSettled(upto, list(missing))}), is_news=True)

        hear_old(5, (6, 8))
        assert b.outlet.word.declared() == {old: [(6, 8, "spool restored")]}
        hear_old(8)
        assert b.outlet.word.declared() == {}
        assert list(b.eras.held()) == [b.eras.current.id]


async def test_an_old_spool_is_held_until_nothing_of_it_is_left(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 2)
    async with bench(tmp_path) as b:
        old = b.spool.id
        b.hear(2, (3, 3), next=9)
        assert await checked(b)
        b.outlet.word.hear(Stored("led", {old: SpoolSettled(2, [(3, 3)], 9)}), is_news=True)
        assert set(b.eras.held()) == {old, b.eras.current.id}
        await b.record(1)
        b.outlet.word.hear(Stored("led", {old: SpoolSettled(4, [(6, 6)], 9)}), is_news=True)
        await b.record(1)
        assert b.spool.first > 4
        assert set(b.eras.held()) == {old, b.eras.current.id}, "what is missing must be declared first"
        b.outlet.word.hear(Stored("led", {old: SpoolSettled(8)}), is_news=True)
        assert set(b.eras.held()) == {b.eras.current.id}


async def test_an_old_spool_still_on_the_card_keeps_its_name_for_a_new_ledger(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 2)
    async with bench(tmp_path) as b:
        old = b.spool.id
        b.spool._shelf.overlapping = lambda ranges: []  # type: ignore[method-assign]  # others hold its segment back
        await b.record(2)
        b.hear(9)
        assert await checked(b)
        new = b.eras.current.id
        b.outlet.word.hear(Stored("led", {old: SpoolSettled(9), new: SpoolSettled(1)}), is_news=True)
        b.outlet.word.hear(Stored("other", {}), is_news=True)
        b.time += 60
        async with b.connected() as wire:
            await b.until(lambda: len(wire.names) == 6, "all of it")
            assert wire.names == {*((old, seq) for seq in range(1, 5)), (new, 1), (new, 2)}


async def test_the_check_waits_for_the_answer_to_the_birth_and_not_for_ever(tmp_path: Path) -> None:
    await put_back(tmp_path, 2, 2)
    module.ANSWER_WITHIN_S, before = 0.05, module.ANSWER_WITHIN_S
    try:
        async with bench(tmp_path) as b:
            b.outlet.word.connected()
            b.outlet.word.hear(Stored("led", {"00000000": SpoolSettled(5)}), is_news=False)
            waiting = asyncio.create_task(b.outlet.check())
            await b.turn(5)
            assert not waiting.done(), "a message that does not speak of this spool is no answer"
            b.hear(2)
            assert not await waiting
            assert b.eras.unchecked is None
        async with bench(tmp_path) as b:
            assert b.eras.unchecked == 3
            assert not await checked(b), "nobody answers"
            assert b.eras.unchecked is None
            assert not await checked(b), "and is not asked again"
    finally:
        module.ANSWER_WITHIN_S = before


async def test_a_new_spool_does_not_wait(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        async with asyncio.timeout(1):
            assert not await b.outlet.check()


async def test_an_ordinary_restart_keeps_its_id(tmp_path: Path) -> None:
    await put_back(tmp_path, 4, 2)
    async with bench(tmp_path) as b:
        await b.record(2)
        b.hear(4, next=5)
        assert not await checked(b)
        assert list(b.eras.held()) == [b.spool.id]


async def test_a_claim_beyond_all_numbers_ends_publishing_until_they_have_other_names(tmp_path: Path) -> None:
    """The answer came too late, or two nodes live from copies of one card."""
    async with bench(tmp_path) as b:
        wire = Wire()
        b.eras.checked()
        using = asyncio.create_task(b.outlet.use(wire))  # type: ignore[arg-type]  # the parts the outlet needs
        await b.record(3)
        await b.until(lambda: len(wire.live) == 3, "sent")
        wire.answers_at_once = False
        await b.record(1)
        await b.until(lambda: len(wire.live) == 4, "on its way")
        b.hear(2, next=50)
        async with asyncio.timeout(5):
            await using
        assert await checked(b)
        new = b.eras.current.id
        wire.sent[3][1].set_result(None)  # the answer to the old name
        await asyncio.sleep(0)
        b.time += 60
        async with b.connected() as again:
            await b.until(lambda: len(again.names) == 4, "everything of this run")
            assert again.names == {(new, 1), (new, 2), (new, 3), (new, 4)}
            b.hear(4)
            assert b.outlet.unsettled == 0


async def test_somebody_who_plays_with_the_topic_cannot_make_eras_without_end(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for _ in range(3 * MAX_ERAS):
            await b.record(1)
            b.hear(10**9)
            b.time += 30
            await checked(b)
        assert len(b.eras.all()) <= MAX_ERAS
        assert b.outlet.word.renewals <= 3 * MAX_ERAS / 2 + 1
        assert len(b.events) == b.outlet.word.renewals


async def test_what_belonged_to_a_forgotten_era_is_never_sent_under_another_name(tmp_path: Path) -> None:
    """Even when a new ledger asks for everything again."""
    async with bench(tmp_path) as b, b.connected() as wire:
        for _ in range(MAX_ERAS + 3):
            await sent(b, wire, 2)
            b.hear(2)
            assert b.eras.begin(b.spool.next) is not None  # as where its card was put back
        assert b.eras.unnamed == 8
        named = {era.id for era in b.eras.all()}
        wire.sent.clear()
        b.hear(0, ledger="another")
        assert b.outlet.unsettled == b.spool.committed - b.eras.unnamed
        await b.until(lambda: len(wire.names) == b.outlet.unsettled, "all that has a name")
        assert {spool for spool, _ in wire.names} <= named
        assert min(seq for _, seq in wire.names) == 1
