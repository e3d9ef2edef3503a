"""The parked store: durable, bounded, each thing once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ingest.parked import ParkedError, ParkedFull, ParkedStore, Refused

NOW = 1_774_000_000_000_000_000


def refused(seq: int = 0, *, payload: bytes = b"{}", reason: str = "json") -> Refused:
    return Refused(reason, "why", "lanna/v1/n/air/d/reading", payload, "n", "9f3c71aa" if seq else "", seq)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parked.db"


def test_what_is_parked_is_there_after_a_restart(path: Path) -> None:
    store = ParkedStore(path, max_bytes=10_000)
    store.add([refused(1), refused(payload=b"\xff\x00")], NOW)
    store.close()
    again = ParkedStore(path, max_bytes=10_000)
    first, second = again.entries()
    assert (first.refused, first.first_at, first.times) == (refused(1), NOW, 1)
    assert second.refused.payload == b"\xff\x00"
    assert again.size_bytes() == store.size_bytes() > 0
    assert again.counts() == {"json": 2}
    again.close()


def test_the_same_again_is_counted_not_kept_twice(path: Path) -> None:
    store = ParkedStore(path, max_bytes=10_000)
    store.add([refused(1), refused()], NOW)
    store.add([refused(1, payload=b"other bytes, same number", reason="time"), refused()], NOW + 5)
    assert [(one.times, one.first_at, one.last_at) for one in store.entries()] == [(2, NOW, NOW + 5)] * 2
    assert store.entries(reason="time")[0].refused.seq == 1
    store.close()


def test_a_full_store_takes_all_of_a_call_or_nothing(path: Path) -> None:
    store = ParkedStore(path, max_bytes=3000)
    store.add([refused(1, payload=b"x" * 1000)], NOW)
    with pytest.raises(ParkedFull, match="retry or drop"):
        store.add([refused(2), refused(3, payload=b"x" * 2000)], NOW)
    assert [one.refused.seq for one in store.entries()] == [1]
    store.add([refused(1)], NOW)  # a known one needs no room
    store.drop([1])
    store.add([refused(2), refused(3, payload=b"x" * 2000)], NOW)
    assert [one.refused.seq for one in store.entries()] == [2, 3]
    store.close()


def test_room_made_by_another_process_is_seen(path: Path) -> None:
    store = ParkedStore(path, max_bytes=1500)
    store.add([refused(1, payload=b"x" * 1000)], NOW)
    other = ParkedStore(path, max_bytes=1500)
    other.drop([one.id for one in other.entries()])
    other.close()
    store.add([refused(2, payload=b"x" * 1000)], NOW)
    assert [one.refused.seq for one in store.entries()] == [2]
    store.close()


def test_retry_marks_and_a_new_refusal_unmarks(path: Path) -> None:
    store = ParkedStore(path, max_bytes=10_000)
    store.add([refused(1), refused(2), refused(3)], NOW)
    assert store.retry([1, 3, 99]) == 2
    assert [one.id for one in store.retries(10)] == [1, 3]
    store.add([refused(3, reason="refused")], NOW)
    assert [one.id for one in store.retries(10)] == [1]
    assert [one.refused.seq for one in store.drop([1, 77])] == [1]
    assert store.show(1) is None
    assert store.retries(10) == []
    store.close()


def test_pages_by_id(path: Path) -> None:
    store = ParkedStore(path, max_bytes=100_000)
    store.add([refused(seq) for seq in range(1, 11)], NOW)
    page = store.entries(limit=4)
    assert [one.refused.seq for one in store.entries(after_id=page[-1].id, limit=3)] == [5, 6, 7]
    store.close()


def test_a_file_that_cannot_serve_is_named(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ParkedError, match=r"parked\.db.*move the file away"):
        ParkedStore(path, max_bytes=1000)
