"""Names of numbers on the wire, over restarts, restored cards and long lives."""

from __future__ import annotations

import itertools
from pathlib import Path

from gateway.spool.eras import MAX_ERAS, Eras
from gateway.spool.spool import Spool
from tests.spool.test_rounds import fill
from tests.spool.test_spool import spool_at


def eras_of(spool: Spool) -> Eras:
    ids = (f"{number:08x}" for number in itertools.count(1))
    return Eras(spool, lambda: next(ids))


async def test_a_new_spool_needs_no_question_and_a_known_one_does(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        eras = eras_of(spool)
        assert eras.unchecked is None
        await fill(spool, 4)
        assert eras.held() == {spool.id: (1, 5)}
    async with spool_at(tmp_path) as spool:
        eras = eras_of(spool)
        assert eras.unchecked == 5
        await fill(spool, 3)
        assert eras.held() == {spool.id: (1, 5)}, "what may not be published is not announced"
        eras.checked()
        assert eras.held() == {spool.id: (1, 8)}


async def test_what_was_recorded_unchecked_stays_so_over_restarts(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        await fill(spool, 2)
    for held in (4, 6):
        async with spool_at(tmp_path) as spool:
            eras = eras_of(spool)
            assert eras.unchecked == 3
            await fill(spool, 2)
            assert spool.committed == held
    async with spool_at(tmp_path) as spool:
        eras_of(spool).checked()
        await fill(spool, 1)
    async with spool_at(tmp_path) as spool:
        assert eras_of(spool).unchecked == 8


async def test_what_is_not_durable_is_not_announced(tmp_path: Path) -> None:
    async with spool_at(tmp_path, window_s=60) as spool:
        eras = eras_of(spool)
        await fill(spool, 2)
        spool.append(b"this number is given again after a power cut")
        assert eras.held() == {spool.id: (1, 3)}


async def test_an_era_renames_what_follows_and_nothing_before(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        await fill(spool, 10)
        eras = eras_of(spool)
        assert eras.begin(8) == (spool.id, "00000001")
        await fill(spool, 2)
        assert eras.names(6, 9) == [(spool.id, 6, 7), ("00000001", 1, 2)]
        assert eras.held() == {spool.id: (1, 8), "00000001": (1, 6)}
    async with spool_at(tmp_path) as spool:
        eras = eras_of(spool)
        assert eras.names(7, 8) == [(spool.id, 7, 7), ("00000001", 1, 1)]
        assert eras.of(8).id == "00000001"
        spool.settle("main", 1, 12)
        eras.drop(spool.id)
        assert [era.id for era in eras.all()] == ["00000001"]
        assert eras.current.base == 7


async def test_an_era_without_numbers_is_replaced(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        await fill(spool, 3)
        eras = eras_of(spool)
        eras.begin(4)
        eras.begin(4)
        assert list(eras.held()) == [spool.id, "00000002"]
        eras.begin(1)
        assert list(eras.held()) == ["00000003"]


async def test_the_number_of_eras_is_bounded(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        await fill(spool, 2 * MAX_ERAS)
        eras = eras_of(spool)
        begun = [eras.begin(first) for first in range(2, 2 * MAX_ERAS)]
        assert sum(each is not None for each in begun) == MAX_ERAS - 1
        assert len(eras.all()) == MAX_ERAS


async def test_the_oldest_era_makes_room_when_it_is_settled(tmp_path: Path) -> None:
    """A card that was put back very often, and its node heard each time: every life gets numbers of its own."""
    async with spool_at(tmp_path) as spool:
        await fill(spool, 4 * MAX_ERAS)
        eras = eras_of(spool)
        for first in range(3, 4 * MAX_ERAS):
            spool.settle("main", 1, first - 2)
            assert eras.begin(first) is not None
        assert len(eras.all()) == MAX_ERAS
        assert eras.unnamed == 4 * MAX_ERAS - 1 - MAX_ERAS
        assert spool.id not in eras.held()


async def test_the_ledger_an_outlet_heard_is_remembered(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        eras = eras_of(spool)
        assert eras.ledger("main") is None
        eras.heard("main", "4be1")
    async with spool_at(tmp_path) as spool:
        assert eras_of(spool).ledger("main") == "4be1"


async def test_what_a_full_spool_lost_before_it_was_checked_is_not_announced(tmp_path: Path) -> None:
    async with spool_at(tmp_path, max_bytes=1 << 18) as spool:
        await fill(spool, 2)
    async with spool_at(tmp_path, max_bytes=1 << 18) as spool:
        eras = eras_of(spool)
        for _ in range(200):
            spool.append(bytes(4000))
            await spool.flush()
        assert spool.first > 3
        assert eras.held() == {spool.id: (3, 3)}
