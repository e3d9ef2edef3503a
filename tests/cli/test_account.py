"""The demo's account counts what it is for: a loss and a double are seen, with sqlite3 alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.cli.account import Account, account


def database(path: Path, readings: list[tuple[str, int, int]], events: list[tuple[str, int]]) -> Path:
    """A file as the SQLite sink lays it out, as far as the account looks; rows are (device, seq, at)."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE reading (node, device, spool, seq, at)")
        db.execute("CREATE TABLE note (node, device, spool, seq, at)")
        db.executemany("INSERT INTO reading VALUES ('n', ?, 1, ?, ?)", readings)
        db.executemany("INSERT INTO note VALUES ('n', ?, 1, ?, 0)", events)
    return path


def accounted(path: Path, owed: int, *, heard: int = 3) -> Account:
    return account(path, said={"a": 3}, heard={"a": heard}, owed={"a": owed}, rejected=0, parked=0, seconds=1)


def test_a_whole_run_is_clean(tmp_path: Path) -> None:
    path = database(tmp_path / "db", [("a", 1, 10), ("a", 2, 11), ("a", 3, 12)], [("a", 4)])
    found = accounted(path, 4)
    assert found.is_clean
    assert (found.owed, found.stored, found.lost, found.duplicated) == (4, 4, 0, 0)


def test_a_reading_that_is_not_in_the_database_is_lost(tmp_path: Path) -> None:
    found = accounted(database(tmp_path / "db", [("a", 1, 10), ("a", 3, 12)], []), 3)
    assert (found.lost, found.is_clean) == (1, False)


def test_what_the_node_never_heard_is_lost_too(tmp_path: Path) -> None:
    found = accounted(database(tmp_path / "db", [("a", 1, 10), ("a", 2, 11)], []), 2, heard=2)
    assert (found.owed, found.lost) == (3, 1)


def test_the_same_number_twice_and_the_same_instant_twice_are_duplicates(tmp_path: Path) -> None:
    assert accounted(database(tmp_path / "1", [("a", 1, 10), ("a", 1, 11), ("a", 2, 12)], []), 2).duplicated == 1
    assert accounted(database(tmp_path / "2", [("a", 1, 10), ("a", 2, 10)], []), 2).duplicated == 1
    assert accounted(database(tmp_path / "3", [("a", 1, 10)], [("a", 2), ("a", 2)]), 2).duplicated == 1
