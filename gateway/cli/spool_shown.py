"""How `gateway spool` shows what it found: tables and sentences, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

import typer

from gateway.cli.printing import (
    clock_name,
    count_of,
    make_table,
    print_json,
    print_table,
    ranges_text,
    size_text,
    when,
)
from gateway.cli.readings import format_age, format_value
from gateway.cli.spool_entries import Item, Items, Names
from gateway.cli.table import Cell, Column
from gateway.ops.texts import say
from gateway.spool.inspect import Damage, Examination, Look
from gateway.spool.repair import RepairReport
from gateway.wire.entry import Entry
from gateway.wire.payload import MISSING
from gateway.wire.times import parse_time


def print_status(found: dict[str, Any], where: tzinfo) -> None:
    """The figures, one a line."""
    process = found["process"]
    state = say("spool.free") if process is None else say("spool.running", process=process or "?")
    rows = [
        ("spool", found["spool"]),
        ("folder", found["folder"]),
        ("state", state),
        ("held", _held(found)),
        ("unsettled", str(found["unsettled"])),
        ("oldest", _oldest(found, where)),
        ("size", _size(found)),
        ("rate", _rate(found)),
        ("covers", _covers(found)),
    ]
    rows += [
        ("lost", f"{reason}: {count_of(ranges)} ({ranges_text(ranges)})") for reason, ranges in found["losses"].items()
    ]
    if not found["losses"]:
        rows.append(("lost", "0"))
    plain = [(say(f"spool.is_{key}"), value) for key, value in rows]
    for line in make_table([Column("", most=30), Column("", most=300)]).render(plain)[1:]:
        typer.echo(line)
    if found["is_state_lost"]:
        typer.echo(say("spool.state_lost"), err=True)


def _held(found: dict[str, Any]) -> str:
    if not found["held"]:
        return say("spool.nothing_held", next=found["next"])
    return f"{found['held']} ({found['first']}-{found['next'] - 1})"


def _oldest(found: dict[str, Any], where: tzinfo) -> str:
    if found["oldest_t"] is None:
        return "-"
    return f"{format_age(found['oldest_age_s'])} ({when(parse_time(found['oldest_t']), where)} {clock_name(where)})"


def _size(found: dict[str, Any]) -> str:
    most = found["max_bytes"]
    return size_text(found["bytes"]) if most is None else f"{size_text(found['bytes'])} / {size_text(most)}"


def _rate(found: dict[str, Any]) -> str:
    if found["entries_per_s"] is None:
        return "-"
    return say(
        "spool.per_minute",
        number=format_value(found["entries_per_s"] * 60),
        size=size_text(round(found["bytes_per_s"] * 60)),
    )


def _covers(found: dict[str, Any]) -> str:
    if found["hours_left"] is None:
        return say("spool.unknown_bound") if found["max_bytes"] is None else "-"
    return say(
        "spool.hours", hours=format_value(found["hours_left"]), days=format_value(round(found["hours_left"] / 24, 1))
    )


def print_entries(spool: Look, found: Items, where: tzinfo, *, as_json: bool) -> None:
    """One line an entry."""
    eras = Names(spool).eras
    settled = [spool.state.settled.get(outlet) for outlet in spool.outlets]
    table = make_table(
        [
            Column(say("spool.number"), 8, 26, "right"),
            Column(f"{say('spool.time')} {clock_name(where)}", 19, 26),
            Column(say("spool.device_column"), 10, 32),
            Column(say("spool.outlet_state"), 7, 12),
            Column(say("spool.content"), 20, 300),
        ]
    )
    is_first = True
    for item in found:
        is_settled = all(numbers is not None and item.number in numbers for numbers in settled)
        if as_json:
            print_json(_facts(item, is_settled=is_settled))
            continue
        if is_first:
            typer.echo(table.header())
            is_first = False
        state = say("spool.is_settled") if is_settled else say("spool.is_waiting")
        time = when(item.about_at, where) + ("" if item.at_ms is not None else " ?")
        name = f"{item.spool} {item.seq}" if len(eras) > 1 else str(item.seq)
        cells: list[Cell | str] = [
            name,
            time,
            item.entry.device,
            Cell(state, "dim" if is_settled else ""),
            content(item.entry),
        ]
        typer.echo(table.row(cells))


def content(entry: Entry) -> str:
    """What an entry says, on one line."""
    if entry.event:
        return f"{entry.event} " + " ".join(f"{key}={value}" for key, value in entry.data.items())
    values = [f"{name}={format_value(value)}" for name, value in entry.v.items()]
    values += [f"{name}!{format_value(value)}" for name, value in entry.failed.items()]
    values += [f"{name}=-" for name, flag in entry.q.items() if flag == MISSING and name != "*"]
    return " ".join(values)


def _facts(item: Item, *, is_settled: bool) -> dict[str, Any]:
    entry = item.entry
    facts: dict[str, Any] = {
        "spool": item.spool,
        "seq": item.seq,
        "t": item.t,
        "is_dated": item.at_ms is not None if item.is_decided else None,
        "class": entry.device_class,
        "device": entry.device,
        "settled": is_settled,
    }
    if entry.event:
        return facts | {"event": entry.event, "data": entry.data}
    return facts | {"v": entry.v, "q": entry.q, "failed": entry.failed}


def examination(spool: Look, found: Examination, *, is_whole: bool) -> dict[str, Any]:
    """What a full reading found, as JSON."""
    return {
        "spool": spool.spool_id,
        "is_whole": is_whole,
        "segments": len(spool.segments),
        "bytes": found.bytes,
        "entries": found.entries,
        "damages": [_damage(each) for each in found.damages],
        "unfinished": _damage(found.unfinished) if found.unfinished is not None else None,
        "lost": found.lost,
        "settled_unreadable": found.settled,
        "is_state_lost": spool.is_partial,
    }


def _damage(damage: Damage) -> dict[str, Any]:
    return {"file": damage.file.name, "offset": damage.offset, "bytes": damage.size}


def print_examination(spool: Look, found: Examination, *, is_whole: bool) -> None:
    """Sentences, and a table of the damage."""
    typer.echo(say("spool.read", entries=found.entries, segments=len(spool.segments), size=size_text(found.bytes)))
    if found.damages:
        columns = [Column(say("spool.file"), most=60)]
        columns += [Column(say(f"spool.{key}"), 8, 16, "right") for key in ("offset", "bytes")]
        print_table(columns, [(each.file.name, str(each.offset), str(each.size)) for each in found.damages])
    for line in _findings(found):
        typer.echo(line)
    if spool.is_partial:
        typer.echo(say("spool.state_lost"))
    typer.echo(say("spool.whole") if is_whole else say("spool.damaged"))


def _findings(found: Examination) -> Iterator[str]:
    if found.lost:
        yield say("spool.unreadable_lost", count=count_of(found.lost), numbers=ranges_text(found.lost))
    if found.settled:
        yield say("spool.unreadable_settled", count=count_of(found.settled), numbers=ranges_text(found.settled))
    if found.unfinished is not None:
        yield say("spool.unfinished", file=found.unfinished.file.name, bytes=found.unfinished.size)


def repaired(report: RepairReport) -> dict[str, Any]:
    """What a repair did, as JSON."""
    return {
        "spool": report.spool_id,
        "kept": report.kept,
        "lost": report.found.lost,
        "settled_unreadable": report.found.settled,
        "damages": [_damage(each) for each in report.found.damages],
        "is_state_lost": report.is_partial,
        "repaired": str(report.repaired),
        "original": str(report.original),
    }


def print_repaired(report: RepairReport) -> None:
    """What was kept, what was lost, and where both are."""
    typer.echo(say("spool.repaired", kept=report.kept, folder=report.repaired))
    for line in _findings(report.found):
        typer.echo(line)
    if report.is_partial:
        typer.echo(say("spool.state_lost"))
    typer.echo(say("spool.original", folder=report.original))
