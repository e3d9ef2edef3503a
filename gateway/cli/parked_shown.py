"""How `gateway parked` shows what was refused: as a table, one whole, or as JSON. Safe for any payload."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import tzinfo
from typing import Any

import typer

from gateway.cli.printing import clock_name, make_table, print_table, when
from gateway.cli.table import MAX_CELL, Column, clean
from gateway.ingest.parked import Parked
from gateway.ops.texts import say
from gateway.wire.times import format_time

_ROW = 16


def facts(one: Parked) -> dict[str, Any]:
    """All of it. `payload` is null and `payload_hex` set where it is no UTF-8."""
    refused = one.refused
    try:
        payload: str | None = refused.payload.decode()
    except UnicodeDecodeError:
        payload = None
    return {
        "id": one.id,
        "reason": refused.reason,
        "why": refused.why,
        "topic": refused.topic,
        "node": refused.node,
        "spool": refused.spool or None,
        "seq": refused.seq or None,
        "first": format_time(one.first_at),
        "last": format_time(one.last_at),
        "times": one.times,
        "retry": one.is_retry,
        "payload": payload,
        "payload_hex": refused.payload.hex() if payload is None else None,
    }


def print_table_of(found: Collection[Parked], counts: Mapping[str, int], where: tzinfo) -> None:
    """One line each, and how many there are by reason."""
    if found:
        columns = [
            Column(say("parked.head_id"), 5, 12, "right"),
            Column(f"{say('parked.head_last')} {clock_name(where)}", 19, 26),
            Column(say("parked.head_reason"), 8, 12),
            Column(say("parked.head_node"), 8, 32),
            Column(say("parked.head_number"), 10, 28),
            Column(say("parked.head_times"), 4, 8, "right"),
            Column(say("parked.head_topic"), 10, 60),
            Column(say("parked.head_why"), 10, 120),
        ]
        print_table(columns, map(_row, found, [where] * len(found)))
    total = sum(counts.values())
    if not total:
        typer.echo(say("parked.nothing"))
        return
    by_reason = ", ".join(f"{clean(reason)} {count}" for reason, count in sorted(counts.items()))
    typer.echo(say("parked.total", total=total, shown=len(found), by_reason=by_reason))


def _row(one: Parked, where: tzinfo) -> list[str]:
    refused = one.refused
    number = f"{refused.spool} {refused.seq}" if refused.seq else "-"
    why = f"{refused.why} {say('parked.marked')}" if one.is_retry else refused.why
    return [
        *(str(one.id), when(one.last_at, where), refused.reason, refused.node or "-", number, str(one.times)),
        *(refused.topic, why),
    ]


def print_one(one: Parked, where: tzinfo) -> None:
    """Everything about one, the payload below."""
    refused = one.refused
    rows = [
        ("id", str(one.id)),
        ("reason", refused.reason),
        ("why", refused.why or "-"),
        ("topic", refused.topic),
        ("number", f"{refused.spool} {refused.seq}" if refused.seq else "-"),
        ("first", f"{when(one.first_at, where)} {clock_name(where)}"),
        ("last", f"{when(one.last_at, where)} {clock_name(where)}"),
        ("times", str(one.times)),
    ]
    table = make_table([Column("", most=30), Column("", most=MAX_CELL)])
    for line in table.render([(say(f"parked.is_{key}"), value) for key, value in rows])[1:]:
        typer.echo(line)
    if one.is_retry:
        typer.echo(say("parked.is_marked"))
    typer.echo(say("parked.payload", bytes=len(refused.payload)))
    for line in payload_lines(refused.payload):
        typer.echo(line)


def payload_lines(payload: bytes) -> Iterator[str]:
    """The payload whole, in lines that cannot do anything to a terminal: JSON indented, text, or hexadecimal."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        for at in range(0, len(payload), _ROW):
            row = payload[at : at + _ROW]
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
            yield f"  {at:06x}  {row.hex(' '):<{_ROW * 3 - 1}}  {shown}"
        return
    with contextlib.suppress(ValueError, RecursionError):  # shown as it is: that may be why it was parked
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    for line in text.split("\n"):
        for at in range(0, max(1, len(line)), MAX_CELL):
            yield "  " + clean(line[at : at + MAX_CELL])
