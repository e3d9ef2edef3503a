"""Damaged files: the spool always starts, costs only what is damaged, and says what that was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from gateway.spool.errors import SpoolError
from gateway.spool.records import FILE_MARK, Control, frame_group, seed_of
from gateway.spool.segments import header_control, segment_name
from gateway.spool.spool import Spool
from tests.spool.damage import Sample, accidents, flips, judge, make_sample
from tests.spool.simdisk import Inline, SimDisk


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for thousands of spools."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("is_closed", [False, True], ids=["crashed", "closed"])
def test_any_byte_may_flip(tmp_path: Path, runner: asyncio.Runner, is_closed: bool) -> None:
    sample = make_sample(tmp_path, entries=18, is_closed=is_closed)
    cases = 0
    for files in islice(flips(sample), 0, None, 3 if is_closed else 1):
        verdict = judge(sample, files, runner)
        assert verdict.recovered == verdict.undamaged
        assert verdict.undamaged >= len(sample.entries) - 1
        assert not verdict.has_new_id
        cases += 1
    assert cases > 400


def test_accidents(tmp_path: Path, runner: asyncio.Runner) -> None:
    sample = make_sample(tmp_path)
    undamaged = recovered = 0
    for files in accidents(sample, 400, seed=1):
        verdict = judge(sample, files, runner)
        undamaged += verdict.undamaged
        recovered += verdict.recovered
    assert undamaged > 400 * 20
    assert recovered == undamaged


@pytest.mark.parametrize("is_zeroed", [False, True], ids=["cut", "zeroed"])
def test_the_end_may_be_missing_from_any_byte_on(tmp_path: Path, is_zeroed: bool) -> None:
    sample = make_sample(tmp_path, entries=18)
    newest = max(sample.files)
    content = sample.files[newest]
    for at in range(len(content.rstrip(b"\0")) + 2):
        cut = content[:at] + (bytes(len(content) - at) if is_zeroed else b"")
        spool = _reopen(sample, sample.files | {newest: cut})
        found = dict(spool.read(1, spool.committed, 1 << 30))
        for number, (path, _, end) in sample.places.items():
            if path != newest or end <= at:
                assert found[number] == sample.entries[number]
        assert all(sample.entries[number] == data for number, data in found.items())
        assert spool.next > max(found)
        spool.release()


def test_an_undamaged_spool_is_found_to_be_so(tmp_path: Path) -> None:
    sample = make_sample(tmp_path)
    spool = _reopen(sample, sample.files)
    report = spool.verify()
    assert (report.entries, report.damaged_places, report.unreadable) == (len(sample.entries), 0, [])
    assert report.segments == len(sample.files) + 1
    spool.release()


def test_a_segment_that_is_gone_is_declared(tmp_path: Path, runner: asyncio.Runner) -> None:
    sample = make_sample(tmp_path)
    for missing in list(sample.files)[:-1]:
        files = {path: content for path, content in sample.files.items() if path != missing}
        assert judge(sample, files, runner).recovered == sum(path != missing for path, _, _ in sample.places.values())


def test_a_disk_that_cannot_read_a_page(tmp_path: Path) -> None:
    sample = make_sample(tmp_path)
    for broken in sample.files:
        disk = SimDisk(sample.files)

        def fault(operation: str, path: Path, broken: Path = broken) -> None:
            if operation == "read" and path == broken:
                raise OSError(5, "Input/output error")

        disk.fault = fault
        spool = Spool.open(tmp_path, outlets=["b"], max_bytes=1 << 20, files=disk, executor=Inline())
        spool.verify()
        asyncio.run(spool.flush())
        found = [number for number, _ in spool.read(1, spool.committed, 1 << 30)]
        readable = {number for number, (path, _, _) in sample.places.items() if path != broken}
        assert readable <= set(found)
        assert spool.next > max(sample.entries)
        assert {n for first, last in spool.losses["damaged"] for n in range(first, last + 1)} >= set(
            sample.entries
        ) - set(found)
        spool.release()


def test_a_folder_beyond_repair_is_set_aside_and_a_new_spool_begun(tmp_path: Path) -> None:
    sample = make_sample(tmp_path)
    noise = {path: b"\xa5" * len(content) for path, content in sample.files.items()}
    disk = SimDisk(noise)
    spool = Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20, files=disk, executor=Inline())
    assert spool.id != sample.spool_id
    assert (spool.next, spool.opened.is_new, spool.opened.set_aside) == (1, True, tmp_path / "damaged-1")
    assert sorted(path.name for path in disk.files) == sorted(path.name for path in noise)
    assert all(path.parent == tmp_path / "damaged-1" for path in disk.files)
    spool.release()


def test_segments_of_another_spool_are_set_aside(tmp_path: Path) -> None:
    sample = make_sample(tmp_path)
    stranger = tmp_path / segment_name("00000001", 900, 900)
    spool = _reopen(sample, sample.files | {stranger: b"\x01" * 100})
    assert spool.id == sample.spool_id
    assert spool.opened.set_aside == tmp_path / "damaged-1"
    assert dict(spool.read(1, 99, 1 << 30)) == sample.entries
    spool.release()


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    header = header_control("00000001", 1, 1, 0)
    newer = Control(header.kind, header.number, b"\x02" + header.data[1:])
    content = FILE_MARK + frame_group([], [newer], seed_of("00000001"))
    disk = SimDisk({tmp_path / segment_name("00000001", 1, 1): content})
    with pytest.raises(SpoolError, match=r"format 2.*Run the newer program"):
        Spool.open(tmp_path, outlets=["a"], max_bytes=1 << 20, files=disk, executor=Inline())
    Spool.open(tmp_path / "other", outlets=["a"], max_bytes=1 << 20, executor=Inline()).release()


def _reopen(sample: Sample, files: dict[Path, bytes]) -> Spool:
    return Spool.open(
        sample.folder,
        outlets=["a", "b"],
        max_bytes=1 << 20,
        segment_bytes=8192,
        files=SimDisk(files),
        executor=Inline(),
    )
