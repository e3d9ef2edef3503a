"""Looking at a spool that is being written, and the corners of repair."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.spool.errors import SpoolError
from gateway.spool.inspect import holder_of, look
from gateway.spool.lock import FolderLock
from gateway.spool.repair import repair
from gateway.spool.spool import Spool

MIB = 1 << 20


def crashed(folder: Path, *groups: list[bytes]) -> Spool:
    """A spool with a commit a group, let go as a crash would."""

    async def work() -> Spool:
        spool = Spool.open(folder, outlets=["main"], max_bytes=16 * MIB, window_s=0.0)
        for group in groups:
            for data in group:
                spool.append(data)
            await spool.flush()
        spool.release()
        return spool

    return asyncio.run(work())


def newest(folder: Path) -> Path:
    return max(folder.glob("*.seg"))


def test_an_end_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    crashed(tmp_path, [b"one" * 50, b"two" * 50], [b"three" * 50, b"four" * 50])
    whole = newest(tmp_path).read_bytes()
    half = whole.index(b"four") - 10
    newest(tmp_path).write_bytes(whole[:half] + bytes(len(whole) - half))
    stopped = look(tmp_path)
    assert (stopped.holder, [first for first, _ in stopped.declared]) == (None, [4])
    lock = FolderLock.take(tmp_path)
    try:
        assert holder_of(tmp_path) is not None
        ending = threading.Timer(0.12, newest(tmp_path).write_bytes, (whole,))
        ending.start()
        seen = look(tmp_path)
        ending.join()
    finally:
        lock.release()
    assert seen.holder is not None
    assert seen.declared == ()
    assert [number for number, _ in seen.entries()] == [1, 2, 3, 4]
    assert holder_of(tmp_path) is None


def test_looking_changes_nothing(tmp_path: Path) -> None:
    crashed(tmp_path, [b"one"], [b"two"])
    (tmp_path / "0a0b0c0d-00000001-0000000000000001.seg").write_bytes(b"of another spool")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    seen = look(tmp_path)
    seen.examine()
    assert [data for _, data in seen.entries()] == [b"one", b"two"]
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()} == before


def test_an_entry_that_was_written_again_survives_in_its_other_copy(tmp_path: Path) -> None:
    """After a crash the last commit is written again; each copy covers for the other."""
    for damaged in ("older", "newer"):
        folder = tmp_path / damaged
        crashed(folder, [b"first" * 20], [b"second" * 20, b"third" * 20])
        crashed(folder)
        older, newer = sorted(folder.glob("*.seg"))
        assert b"second" in older.read_bytes()
        assert b"second" in newer.read_bytes()
        file = older if damaged == "older" else newer
        data = file.read_bytes()
        at = data.index(b"second")
        file.write_bytes(data[:at] + b"\xee" * 60 + data[at + 60 :])
        report = repair(folder)
        assert (report.kept, report.found.lost) == (3, [])
        assert [number for number, _ in look(folder).entries()] == [1, 2, 3]
        assert [data[:5] for _, data in look(folder).entries()] == [b"first", b"secon", b"third"]


def test_what_an_interrupted_repair_left_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    crashed(folder, [b"one"])
    left = tmp_path / "spool.repairing"
    left.mkdir()
    (left / "rubbish").write_text("x")
    report = repair(folder)
    assert (report.kept, left.exists()) == (1, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spool", report.original.name]
    assert not (folder / "rubbish").exists()


def test_notes_settled_and_lost_numbers_survive(tmp_path: Path) -> None:
    async def work() -> None:
        spool = Spool.open(tmp_path / "spool", outlets=["main", "second"], max_bytes=16 * MIB)
        for number in range(1, 11):
            spool.append(b"%d" % number)
        spool.note(7, b"kept")
        await spool.flush()
        spool.settle("main", 1, 5)
        spool.settle("second", 2, 3)
        spool.declare(9, 9, "asked for")
        await spool.close()

    asyncio.run(work())
    repair(tmp_path / "spool")
    spool = Spool.open(tmp_path / "spool", outlets=["main", "second"], max_bytes=16 * MIB)
    try:
        assert spool.opened.damaged_places == 0
        assert (spool.next, spool.notes()) == (11, [(7, b"kept")])
        assert spool.settled("main").ranges() == [(1, 5)]
        assert spool.settled("second").ranges() == [(2, 3)]
        assert spool.losses == {"asked for": [(9, 9)]}
    finally:
        spool.release()


def test_no_room_for_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "spool"
    crashed(folder, [b"one"])
    before = {file.name for file in folder.iterdir()}
    monkeypatch.setattr("gateway.spool.repair.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(SpoolError, match="--into"):
        repair(folder)
    assert {file.name for file in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_file_system_that_cannot_exchange_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "spool"
    crashed(folder, [b"one"])
    monkeypatch.setattr("gateway.spool.repair.ctypes.CDLL", lambda *args, **options: object())
    report = repair(folder)
    assert [data for _, data in look(folder).entries()] == [b"one"]
    assert look(report.original).spool_id == report.spool_id


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="there is no spool"):
        look(tmp_path)
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "nowhere")
    (tmp_path / "0a0b0c0d-00000001-0000000000000001.seg").write_bytes(b"\xee" * 9000)
    with pytest.raises(SpoolError, match="nothing in it can be read"):
        look(tmp_path)
    with pytest.raises(SpoolError, match="nothing in it can be read"):
        repair(tmp_path)
