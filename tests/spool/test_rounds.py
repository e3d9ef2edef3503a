"""What takes back or ends: an outlet that begins again, the newest of several notes, numbers declared lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.spool.intervals import Intervals
from gateway.spool.records import NOTE, SETTLED, Control
from gateway.spool.spool import Spool
from gateway.spool.state import FOREVER, LATEST, Note, State
from tests.spool.test_spool import spool_at


async def fill(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.append(b"entry %d" % number)
    await spool.flush()


async def test_an_outlet_that_begins_again_owes_everything_still_held_and_remembers_it(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        await fill(spool, 10)
        spool.settle("main", 1, 7)
        await spool.flush()
        spool.begin_again("main")
        assert spool.pending("main") == [(1, 10)]
        await spool.flush()
        spool.settle("main", 1, 2)
        await spool.flush()
    async with spool_at(tmp_path) as spool:
        assert spool.pending("main") == [(3, 10)]
        spool.begin_again("main")
    async with spool_at(tmp_path) as spool:
        assert spool.pending("main") == [(1, 10)]
        assert not spool.settled("main")


async def test_beginning_again_concerns_one_outlet(tmp_path: Path) -> None:
    async with spool_at(tmp_path, outlets=["main", "other"]) as spool:
        await fill(spool, 5)
        spool.settle("main", 1, 3)
        spool.settle("other", 1, 4)
        spool.begin_again("main")
    async with spool_at(tmp_path, outlets=["main", "other"]) as spool:
        assert spool.pending("main") == [(1, 5)]
        assert spool.pending("other") == [(5, 5)]


async def test_the_latest_note_of_a_kind_is_the_only_one(tmp_path: Path) -> None:
    async with spool_at(tmp_path) as spool:
        for number in range(300):
            spool.note(7, b"%04000d" % number, LATEST)  # all of them would be far too much
        spool.note(8, b"eight", LATEST)
        spool.note(7, b"kept beside it", FOREVER)
    async with spool_at(tmp_path) as spool:
        assert spool.notes() == [(7, b"%04000d" % 299), (8, b"eight"), (7, b"kept beside it")]


async def test_a_declared_number_is_a_durable_loss_and_is_told(tmp_path: Path) -> None:
    told = []
    async with spool_at(tmp_path) as spool:
        spool.on_loss(lambda reason, first, last: told.append((reason, first, last)))
        await fill(spool, 6)
        spool.settle("main", 1, 2)
        spool.declare(2, 3, "unreadable")
        spool.declare(6, 900, "too large")
        await spool.flush()
        assert sorted(told) == [("too large", 6, 6), ("unreadable", 3, 3)], "settled and future numbers are not lost"
        assert spool.owed("main", 1, 6) == [(4, 5)]
    async with spool_at(tmp_path) as spool:
        assert spool.losses == {"unreadable": [(3, 3)], "too large": [(6, 6)]}
        assert spool.pending("main") == [(4, 5)]


RECORDS = st.lists(
    st.one_of(
        st.builds(
            lambda round_, first, length: Control(
                SETTLED,
                1,
                _named(f"main#{round_}" if round_ else "main") + Intervals([(first, first + length)]).encode(),
            ),
            st.integers(0, 3),
            st.integers(1, 20),
            st.integers(0, 5),
        ),
        st.builds(
            lambda number, kind, is_latest: Control(
                NOTE, number, _note(kind, LATEST if is_latest else FOREVER, b"%d" % number)
            ),
            st.integers(1, 6),
            st.just(3),
            st.just(True),
        ),
    ),
    max_size=8,
)


def _named(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def _note(kind: int, until: int, data: bytes) -> bytes:
    (control,) = State(notes={1: Note(kind, until, data)}).controls(1)
    return control.data


@given(RECORDS, st.randoms(use_true_random=False))
def test_records_say_the_same_twice_and_in_any_order(records: list[Control], rng: object) -> None:
    ordered, shuffled = State(), State()
    again = [*records, *records]
    rng.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    for kind, number, data in records:
        ordered.apply(kind, number, data)
    for kind, number, data in again:
        shuffled.apply(kind, number, data)
    assert ordered == shuffled


def test_a_round_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="x"):
        State().apply(SETTLED, 1, _named("main#x") + Intervals().encode())
