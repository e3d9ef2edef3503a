"""The figures of `gateway spool status`: what is held, how fast it grows, how long an outage it still covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.cli.printing import count_of
from gateway.cli.spool_entries import Names, Tally, Wish, entries
from gateway.cli.spool_target import Target
from gateway.spool.inspect import Look
from gateway.spool.records import ENTRY
from gateway.wire.entry import Entry, unpack
from gateway.wire.times import SECOND, format_time

_RATE_SPAN_MS = 600_000
"""The rate is taken over the newest ten minutes at least, if the spool holds that much."""
_RATE_SEGMENTS = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """Growth at present: entries and bytes on the disk, a second; by the entries' own times."""

    entries_per_s: float
    bytes_per_s: float


def status(target: Target, spool: Look, now_at: int) -> dict[str, Any]:
    """All figures, as they stand in JSON."""
    owed = spool.owed()
    oldest = next(entries(spool, Wish(numbers=tuple(owed.ranges())), Tally()), None) if owed else None
    oldest_at = oldest.about_at if oldest is not None else None
    rate = growth(spool)
    last = spool.next - 1
    waiting_bytes = sum(
        each.size for each in spool.segments if spool.state.owed(spool.outlets, each.first, min(each.last, last))
    )
    hours = None
    if rate is not None and target.max_bytes is not None:
        hours = max(0.0, (target.max_bytes - waiting_bytes) / rate.bytes_per_s / 3600)
    losses = spool.losses()
    return {
        "spool": spool.spool_id,
        "names": [{"spool": era.id, "above": era.base} for era in Names(spool).eras],
        "folder": str(target.folder),
        "process": spool.holder,
        "first": spool.first,
        "next": spool.next,
        "held": spool.next - spool.first,
        "settled": spool.next - spool.first - len(owed) - _lost_held(spool),
        "unsettled": len(owed),
        "unsettled_ranges": owed.ranges()[:64],
        "bytes": spool.size,
        "max_bytes": target.max_bytes,
        "oldest_t": format_time(oldest_at) if oldest_at is not None else None,
        "oldest_age_s": round(max(0, now_at - oldest_at) / SECOND, 3) if oldest_at is not None else None,
        "entries_per_s": round(rate.entries_per_s, 6) if rate else None,
        "bytes_per_s": round(rate.bytes_per_s, 3) if rate else None,
        "hours_left": round(hours, 2) if hours is not None else None,
        "lost": sum(map(count_of, losses.values())),
        "losses": losses,
        "is_state_lost": spool.is_partial,
    }


def growth(spool: Look) -> Rate | None:
    """The present rate; None where too little is held to tell."""
    span_ms, taken_bytes, number = 0, 0, 0
    for segment in reversed(spool.segments[-_RATE_SEGMENTS:]):
        first: Entry | None = None
        last: Entry | None = None
        start = end = count = 0
        for found in spool.records(segment):
            end = found.end if found.kind else end
            if found.kind != ENTRY or found.number >= spool.next:
                continue
            try:
                entry = unpack(found.data)
            except ValueError:
                continue
            if first is None:
                first, start = entry, found.offset
            last, count = entry, count + 1
        if first is not None and last is not None:
            span_ms += _distance_ms(first, last)
            taken_bytes += end - start
            number += count
        if span_ms >= _RATE_SPAN_MS:
            break
    if span_ms <= 0 or number < 2:
        return None
    return Rate((number - 1) / span_ms * 1000, taken_bytes / span_ms * 1000)


def _distance_ms(first: Entry, last: Entry) -> int:
    """Time between two entries: by the monotonic clock within one boot, which no step disturbs."""
    if first.boot == last.boot:
        return max(0, last.mono_ms - first.mono_ms)
    return max(0, last.at_ms - first.at_ms)


def _lost_held(spool: Look) -> int:
    if spool.next == spool.first:
        return 0
    return spool.next - spool.first - count_of(spool.state.lost().missing(spool.first, spool.next - 1))
