"""Opening: what a folder of segments still says after whatever happened to it.

Only the newest segment (and older ones while it lacks a whole snapshot) is read; damage in the others shows when they
are read, see Spool.read and Spool.verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.spool.errors import SpoolError
from gateway.spool.files import Files
from gateway.spool.intervals import Intervals
from gateway.spool.records import (
    END,
    ENTRY,
    FILE_MARK,
    HEADER,
    NOTE,
    SNAPSHOT,
    STARTS_GROUP,
    VERSION,
    numbers_in_rest,
    read_bytes,
    scan,
    seed_of,
)
from gateway.spool.segments import Segment, header_version, parse_name
from gateway.spool.state import State, add_to, snapshot_size

DAMAGED = "damaged"


@dataclass(slots=True)
class OpenReport:
    """What opening found, for the log: all zero and empty for a spool closed in order."""

    is_new: bool = False
    damaged_places: int = 0
    declared: list[tuple[int, int]] = field(default_factory=list)  # numbers declared lost as damaged
    set_aside: Path | None = None  # where unreadable or foreign segments were moved to
    rewritten: int = 0  # entries of the last commit, written again because it may not have been durable
    is_state_lost: bool = False  # no segment said any more what was settled


@dataclass(slots=True)
class Recovered:
    """The spool as it stands; `change` is what opening itself found and must be made durable."""

    spool_id: str
    segments: list[Segment]
    next: int
    serial: int
    state: State
    change: State
    tail: list[tuple[int, bytes]]
    report: OpenReport


@dataclass(slots=True)
class _Scan:
    segment: Segment
    records: int = 0
    damaged: int = 0
    has_snapshot: bool = False
    is_closed: bool = False
    next: int = 1  # above every number the segment speaks of
    entries: Intervals = field(default_factory=Intervals)
    group: list[tuple[int, bytes]] = field(default_factory=list)
    rest: bytes = b""


def recover(files: Files, folder: Path, outlets: Sequence[str], new_id: str) -> Recovered:
    """Read a folder that is locked. Raises OSError, and SpoolError for a spool of a newer format."""
    report = OpenReport()
    segments = _find(files, folder, report)
    serial = 1 + max((segment.serial for segment in segments), default=0)
    state = State()
    scans: list[_Scan] = []
    while len(scans) < len(segments):
        found = _scan(files, segments[-1 - len(scans)], state)
        if not found.records and not found.damaged:
            # Made, but nothing was ever durable in it.
            files.unlink(found.segment.path)
            segments.remove(found.segment)
            continue
        scans.append(found)
        if found.has_snapshot:
            break
    report.damaged_places = sum(found.damaged for found in scans)
    if segments and not any(found.records for found in scans):
        report.set_aside = set_aside(files, folder, segments)
        segments, scans, state = [], [], State()
    if not segments:
        report.is_new = True
        return Recovered(new_id, [], 1, serial, State(), State(), [], report)
    next_number = _next_number(scans, state)
    segments = _with_ends(segments, next_number)
    change = _audit(scans, segments, state, outlets, next_number, report)
    newest = scans[0]
    tail = [] if newest.is_closed else newest.group
    if tail:
        report.rewritten = len(tail)
        segments[-1] = replace(segments[-1], last=tail[0][0] - 1)
    return Recovered(segments[-1].spool_id, segments, next_number, serial, state, change, tail, report)


def _find(files: Files, folder: Path, report: OpenReport) -> list[Segment]:
    by_id: dict[str, list[Segment]] = {}
    for name in files.names(folder):
        if (segment := parse_name(folder, name, 0)) is not None:
            by_id.setdefault(segment.spool_id, []).append(replace(segment, size=files.size(segment.path)))
    if not by_id:
        return []
    # Files of another spool were put here by mistake; the larger one stays.
    ours = max(by_id, key=lambda spool_id: (sum(segment.size for segment in by_id[spool_id]), spool_id))
    if foreign := [segment for spool_id, found in by_id.items() if spool_id != ours for segment in found]:
        report.set_aside = set_aside(files, folder, foreign)
    return sorted(by_id[ours], key=lambda segment: segment.serial)


def set_aside(files: Files, folder: Path, segments: Sequence[Segment]) -> Path:
    """Move segments to a new folder `damaged-N` inside the spool's and return it; nothing is destroyed."""
    taken = set(files.names(folder))
    number = next(n for n in range(1, len(taken) + 2) if f"damaged-{n}" not in taken)
    target = folder / f"damaged-{number}"
    files.make_folder(target)
    for segment in segments:
        files.rename(segment.path, target / segment.path.name)
    files.sync_folder(target)
    files.sync_folder(folder)
    return target


def _scan(files: Files, segment: Segment, state: State) -> _Scan:
    result = _Scan(segment, next=segment.first)
    run = 0  # records since the last damage
    bad_end = -1
    handle = files.open(segment.path)
    try:
        for found in scan(files, handle, segment.size, seed_of(segment.spool_id), len(FILE_MARK)):
            if not found.kind:
                result.damaged += 1
                run, bad_end = 0, found.offset
                continue
            bad_end = -1
            _take(result, found.kind, found.flags, found.number, found.left, found.data, run, state)
            run += 1
        if bad_end >= 0:
            result.rest = read_bytes(files, handle, segment.size - bad_end, bad_end)
    finally:
        files.close(handle)
    return result


def _take(result: _Scan, kind: int, flags: int, number: int, left: int, data: bytes, run: int, state: State) -> None:
    result.records += 1
    result.is_closed = kind == END
    if flags & STARTS_GROUP:
        result.group = []
    if kind == ENTRY:
        result.entries.add(number)
        result.group.append((number, data))
        result.next = max(result.next, number + left + 1)
        return
    if kind == HEADER and header_version(data) > VERSION:
        raise SpoolError(
            f"the spool has format {header_version(data)}, this program knows {VERSION}",
            str(result.segment.path),
            "Run the newer program again, or move the folder away to begin a new spool.",
        )
    if kind == SNAPSHOT:
        size = snapshot_size(data)
        result.has_snapshot = result.has_snapshot or 0 <= size <= run
    try:
        state.apply(kind, number, data)
    except ValueError:
        result.damaged += 1  # whole by its CRC, but not what its kind says
        return
    if kind != NOTE:
        result.next = max(result.next, number)


def _next_number(scans: Sequence[_Scan], state: State) -> int:
    next_number = max(found.next for found in scans)
    for numbers in (state.gone, *state.losses.values(), *state.settled.values()):
        if numbers:
            next_number = max(next_number, numbers.ranges()[-1][1] + 1)
    if not scans[0].is_closed:
        next_number += numbers_in_rest(scans[0].rest, next_number)
    return next_number


def _with_ends(segments: Sequence[Segment], next_number: int) -> list[Segment]:
    firsts = [segment.first for segment in segments[1:]] + [next_number]
    return [replace(segment, last=first - 1) for segment, first in zip(segments, firsts, strict=True)]


def _audit(
    scans: Sequence[_Scan],
    segments: Sequence[Segment],
    state: State,
    outlets: Sequence[str],
    next_number: int,
    report: OpenReport,
) -> State:
    """Declare what should be there and is not. Returns the change, which `state` has taken up already."""
    change = State()
    if not any(found.has_snapshot for found in scans):
        # Nobody knows what became of the numbers before the first segment: they are not declared lost on a guess.
        report.is_state_lost = True
        if segments[0].first > 1:
            change.gone.add(1, segments[0].first - 1)
            state.absorb(change)
    lost = Intervals()
    for first, last in state.owed(outlets, 1, segments[0].first - 1):
        lost.add(first, last)
    for found, segment in zip(scans, reversed(segments), strict=False):
        for first, last in found.entries.missing(segment.first, segment.last):
            for owed_first, owed_last in state.owed(outlets, first, last):
                lost.add(owed_first, owed_last)
    if lost:
        report.declared = lost.ranges()
        add_to(change.losses, DAMAGED, lost)
        state.absorb(change)
    return change
