"""The ledger: what is settled, what is missing and since when, and that it survives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.sources import read_ledger
from gateway.ingest.ledger import BEFORE, LOST, PARKED, Ledger, LedgerError, SqliteLedger
from gateway.wire.times import MS, SECOND

NODE, SPOOL = "nimman-07", "9f3c71aa"
NOW = 1_774_000_000 * SECOND
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(path)
    yield made
    made.close()


def missing(ledger: Ledger, at: int, grace_s: float = 60.0) -> list[tuple[int, int]]:
    return ledger.missing(NODE, SPOOL, at, grace_s)


def test_upto_ends_the_settled_prefix(ledger: SqliteLedger) -> None:
    assert ledger.upto(NODE, SPOOL) == 0
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    assert ledger.upto(NODE, SPOOL) == 5
    ledger.settle(NODE, SPOOL, [(6, 7)])
    assert ledger.upto(NODE, SPOOL) == 9


def test_a_hole_is_missing_only_after_the_grace_period(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    assert missing(ledger, NOW) == []
    assert missing(ledger, NOW + 59 * SECOND) == []
    assert missing(ledger, NOW + 60 * SECOND) == [(6, 7)]


def test_a_hole_that_opened_later_has_a_grace_period_of_its_own(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(1, 5)])
    missing(ledger, NOW)
    ledger.settle(NODE, SPOOL, [(8, 9)])
    assert missing(ledger, NOW + 60 * SECOND) == [], "the hole may be a moment old"
    assert missing(ledger, NOW + 120 * SECOND) == [(6, 7)]


def test_a_clock_that_steps_back_makes_nothing_overdue(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    missing(ledger, NOW)
    assert missing(ledger, NOW - 3600 * SECOND) == []
    assert missing(ledger, NOW - 3541 * SECOND) == []
    assert missing(ledger, NOW - 3540 * SECOND) == [(6, 7)]


def test_what_a_node_announces_is_known_to_exist(ledger: SqliteLedger) -> None:
    ledger.announce(NODE, {SPOOL: (1, 11)}, NOW, is_birth=True)
    missing(ledger, NOW)
    assert missing(ledger, NOW + 60 * SECOND) == [(1, 10)]
    ledger.announce(NODE, {SPOOL: (1, 4)}, NOW, is_birth=False)
    missing(ledger, NOW + 120 * SECOND)
    assert missing(ledger, NOW + 180 * SECOND) == [(1, 10)], "`next` is a lower bound; the highest holds"


def test_missing_ranges_are_bounded_and_the_oldest_come_first(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(2 * n, 2 * n) for n in range(1, 200)])
    missing(ledger, NOW)
    assert missing(ledger, NOW + 60 * SECOND) == [(2 * n + 1, 2 * n + 1) for n in range(64)]


def test_declared_numbers_are_settled_and_their_reason_is_kept(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(1, 5)])
    ledger.declare(NODE, SPOOL, 4, 9, "spool bound")
    ledger.declare(NODE, SPOOL, 10, 10, "time", PARKED)
    assert ledger.upto(NODE, SPOOL) == 10
    assert ledger.exceptions(NODE, SPOOL) == {(LOST, "spool bound"): [(6, 9)], (PARKED, "time"): [(10, 10)]}


def test_a_lost_one_that_comes_after_all_is_lost_no_longer(ledger: SqliteLedger) -> None:
    ledger.declare(NODE, SPOOL, 1, 9, "spool bound")
    ledger.settle(NODE, SPOOL, [(3, 4)])
    assert ledger.exceptions(NODE, SPOOL) == {(LOST, "spool bound"): [(1, 2), (5, 9)]}


def test_a_new_ledger_does_not_ask_for_what_an_old_spool_no_longer_holds(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(90, 95)])
    ledger.announce(NODE, {SPOOL: (90, 101)}, NOW, is_birth=True)
    assert ledger.upto(NODE, SPOOL) == 95
    assert ledger.exceptions(NODE, SPOOL) == {(BEFORE, "before this ledger"): [(1, 89)]}
    ledger.announce(NODE, {SPOOL: (99, 101)}, NOW, is_birth=True)
    assert ledger.upto(NODE, SPOOL) == 95, "only the first announcement is believed so; later the node declares"


def test_a_spool_that_is_gone_for_a_day_is_closed(ledger: SqliteLedger) -> None:
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    ledger.announce(NODE, {SPOOL: (1, 13)}, NOW, is_birth=True)
    ledger.announce(NODE, {}, NOW, is_birth=False)
    assert ledger.close_gone(NOW + int(DAY_S) * SECOND, DAY_S) == [], "a will leaves no spool out"
    ledger.announce(NODE, {"00000001": (1, 2)}, NOW, is_birth=True)
    assert ledger.close_gone(NOW + int(DAY_S) * SECOND - 1, DAY_S) == []
    assert ledger.close_gone(NOW + int(DAY_S) * SECOND, DAY_S) == [(NODE, SPOOL)]
    assert ledger.exceptions(NODE, SPOOL) == {(LOST, "spool gone"): [(6, 7), (10, 12)]}
    assert list(ledger.stored(NODE, NOW, 60).spools) == ["00000001"]
    assert ledger.close_gone(NOW + 2 * int(DAY_S) * SECOND, DAY_S) == []


def test_a_spool_that_comes_back_is_open_again(ledger: SqliteLedger) -> None:
    ledger.announce(NODE, {SPOOL: (1, 13)}, NOW, is_birth=True)
    ledger.announce(NODE, {"00000001": (1, 2)}, NOW, is_birth=True)
    ledger.close_gone(NOW + int(DAY_S) * SECOND, DAY_S)
    ledger.announce(NODE, {SPOOL: (1, 20)}, NOW, is_birth=True)
    assert ledger.stored(NODE, NOW, 60).spools[SPOOL].upto == 12


def test_everything_survives_and_nothing_before_its_commit(path: Path) -> None:
    ledger = SqliteLedger(path)
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    ledger.declare(NODE, SPOOL, 20, 21, "damaged")
    ledger.announce(NODE, {SPOOL: (1, 31)}, NOW, is_birth=True)
    missing(ledger, NOW)
    ledger.commit()
    ledger.settle(NODE, SPOOL, [(6, 7)])
    ledger.close()
    again = SqliteLedger(path)
    assert again.id == ledger.id
    assert len(again.id) == 8
    assert again.upto(NODE, SPOOL) == 5
    assert again.exceptions(NODE, SPOOL) == {(LOST, "damaged"): [(20, 21)]}
    assert missing(again, NOW + 60 * SECOND) == [(6, 7), (10, 19), (22, 30)]
    assert again.nodes() == [NODE]
    assert again.spools(NODE) == [SPOOL]
    again.close()


def test_a_deleted_ledger_comes_back_with_another_id(path: Path) -> None:
    first = SqliteLedger(path)
    first.close()
    path.unlink()
    second = SqliteLedger(path)
    assert second.id != first.id
    second.close()


def test_undated_numbers_keep_the_time_they_were_given(path: Path) -> None:
    ledger = SqliteLedger(path)
    given = [ledger.date(NODE, SPOOL, seq, NOW + 123) for seq in range(1, 5000)]
    ledger.commit()
    ledger.close()
    again = SqliteLedger(path)
    assert [again.date(NODE, SPOOL, seq, NOW + DAY_S * SECOND) for seq in range(1, 5000)] == given
    other = [again.date(NODE, "00000002", seq, NOW) for seq in range(1, 5000)]
    assert len({at // MS for at in given + other}) == len(given + other), "no two in one millisecond"
    assert min(given) - NOW < SECOND
    again.close()


def test_what_waits_for_its_time_is_kept_until_its_node_says_otherwise(path: Path) -> None:
    def waits(now_at: int = NOW) -> list[tuple[int, int]]:
        found = read_ledger(path, now_at, 60.0).nodes.get(NODE, {})
        return found[SPOOL].waits.ranges() if SPOOL in found else []

    ledger = SqliteLedger(path)
    ledger.wait(NODE, {SPOOL: [(5, 9), (11, 12)]}, NOW)
    assert waits() == []
    ledger.commit()
    assert waits() == [(5, 9), (11, 12)]
    assert waits(NOW + 660 * SECOND) == [], "a node that is silent may have got its time"
    ledger.close()
    again = SqliteLedger(path)
    again.wait(NODE, {}, NOW + 60 * SECOND)
    again.commit()
    assert waits() == []
    again.close()


def test_a_file_that_cannot_serve_is_named_with_its_remedy(tmp_path: Path) -> None:
    damaged = tmp_path / "ledger.db"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db.*move it away"):
        SqliteLedger(damaged)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(LedgerError, match="schema 99"):
        SqliteLedger(newer)


def test_what_is_known_beyond_the_settled_prefix_is_told_at_once(ledger: SqliteLedger) -> None:
    """A node whose card was put back must hear it before any hole is overdue."""
    ledger.settle(NODE, SPOOL, [(1, 5), (8, 9)])
    told = ledger.stored(NODE, NOW, 60).spools[SPOOL]
    assert (told.upto, told.missing, told.next) == (5, [], 10)
    ledger.announce(NODE, {SPOOL: (1, 31)}, NOW, is_birth=False)
    assert ledger.stored(NODE, NOW, 60).spools[SPOOL].next == 31
    ledger.settle(NODE, SPOOL, [(1, 30)])
    assert ledger.stored(NODE, NOW, 60).spools[SPOOL].next == 0, "nothing beyond"
